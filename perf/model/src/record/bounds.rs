//! The largest numbers that a record may contain: [`check`]. A damaged or hostile record must not
//! make the analysis overflow or take all memory.

use crate::record::sample::Sample;

/// The longest run, in microseconds: 366 days.
pub const MOST_US: u64 = 366 * 24 * 3_600 * 1_000_000;

/// The most tokens of one chunk. The analysis keeps a gap for each token.
pub const MOST_TOKENS: u32 = 1 << 20;

/// The most tokens of all chunks of a record.
pub const MOST_TOKENS_OF_RECORD: u64 = 1 << 28;

/// Checks a sample, and gives the tokens of its chunks. The error names the field.
pub fn check(sample: &Sample) -> Result<u64, String> {
    let Sample { intended_us, sent_us, end_us, .. } = *sample;
    for (field, value) in [("intended_us", intended_us), ("sent_us", sent_us), ("end_us", end_us)] {
        check_time(field, value)?;
    }
    let mut tokens = 0;
    for chunk in &sample.chunks {
        check_time("chunks", chunk.at_us)?;
        if chunk.tokens > MOST_TOKENS {
            return Err(format!(
                "`chunks` has a chunk of {} tokens, and the limit is {MOST_TOKENS}",
                chunk.tokens
            ));
        }
        tokens += u64::from(chunk.tokens);
    }
    Ok(tokens)
}

fn check_time(field: &str, us: u64) -> Result<(), String> {
    if us <= MOST_US {
        return Ok(());
    }
    Err(format!("`{field}` has {us}, and the limit is {MOST_US} microseconds, which is 366 days"))
}
