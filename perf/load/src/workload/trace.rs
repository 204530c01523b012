//! Recorded traffic, asked again: [`read`] takes a trace, and [`Trace::draw`] makes prompts of its
//! lengths.

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use crate::workload::error::LoadError;
use crate::workload::prompt::{Batch, Drawn, Prompt, Turn};
use crate::workload::random::row;
use crate::workload::seed::RandomStream;
use crate::workload::skips::Skips;

/// The tokens of one block, which each of a request's `hash_ids` stands for in Mooncake's traces.
const BLOCK: usize = 512;

/// An odd constant that spreads ids over all 64 bits (the golden ratio's).
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

#[derive(Debug, Deserialize)]
struct Line {
    /// Milliseconds.
    timestamp: f64,
    input_length: u32,
    output_length: u32,
    #[serde(default)]
    hash_ids: Vec<u64>,
}

/// The requests of a trace.
#[derive(Debug)]
pub(crate) struct Trace(Vec<Line>);

/// The first `requests` requests of a trace, which must not have fewer, and the lines before the last
/// of them that are no requests.
pub(crate) fn read(path: &Path, requests: u32) -> Result<(Trace, Skips), LoadError> {
    let text = super::files::read(path)?;
    let mut lines: Vec<Line> = Vec::new();
    let (mut skips, mut worst) = (Skips::default(), None);
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        if lines.len() == requests as usize {
            break;
        }
        skips.read += 1;
        match usable(line, lines.last()) {
            Ok(line) => lines.push(line),
            Err(cause) => {
                skips.skip(|| format!("line {}", index + 1), &cause);
                worst.get_or_insert((index + 1, cause));
            }
        }
    }
    if let (Some((line, cause)), true) = (worst, lines.is_empty()) {
        return Err(LoadError::TraceLine { path: path.to_owned(), line, cause });
    }
    if lines.len() < requests as usize {
        let cause = format!(
            "it has {} requests, and the load asks for {requests}; ask for fewer{}",
            lines.len(),
            skips.because()
        );
        return Err(LoadError::Trace { path: path.to_owned(), cause });
    }
    let trace = Trace(lines);
    if let Some(cause) = trace.is_in_seconds() {
        return Err(LoadError::Trace { path: path.to_owned(), cause });
    }
    Ok((trace, skips))
}

/// A line of a trace, or why it is no request.
fn usable(line: &str, last: Option<&Line>) -> Result<Line, String> {
    let line: Line = serde_json::from_str(line).map_err(|error| error.to_string())?;
    if line.input_length == 0 || line.output_length == 0 {
        return Err("one of its lengths is 0".to_owned());
    }
    let at = line.timestamp;
    if !at.is_finite() || at < 0.0 {
        return Err(format!("its timestamp, {at}, is negative or not a number"));
    }
    if last.is_some_and(|last| last.timestamp > at) {
        return Err(format!("its timestamp, {at}, is earlier than the one before"));
    }
    Ok(line)
}

/// A trace that is faster than this, in requests per millisecond, has its time stamps in seconds.
const FASTEST: f64 = 1.0;

impl Trace {
    /// Says so if the time stamps cannot be milliseconds: more than a thousand requests a second,
    /// all within a second.
    fn is_in_seconds(&self) -> Option<String> {
        let span = self.0.last()?.timestamp - self.0.first()?.timestamp;
        let requests = self.0.len();
        let is_too_fast = span > 0.0 && span < 1_000.0 && requests as f64 / span > FASTEST;
        is_too_fast.then(|| {
            format!(
                "its {requests} requests lie within {span} ms, because time stamps are read as milliseconds; if they are \
                 seconds, multiply them by 1000"
            )
        })
    }

    /// When each request was sent, counted from the first.
    pub(crate) fn moments(&self) -> Vec<Duration> {
        let first = self.0.first().map_or(0.0, |line| line.timestamp);
        self.0.iter().map(|line| perf_model::spec::units::millis(line.timestamp - first)).collect()
    }

    /// Prompts as long as the recorded ones; where the trace says what they had in common, so have
    /// these.
    pub(crate) fn draw(&self, batch: Batch) -> Vec<Drawn> {
        let mut generator = batch.generator();
        let lines = self.0.iter().cycle().take(batch.count as usize);
        let prompts = lines.map(|line| {
            let length = line.input_length as usize;
            let mut ids: Vec<u32> = Vec::with_capacity(length);
            for hash in line.hash_ids.iter().take(length.div_ceil(BLOCK)) {
                let mut block = RandomStream::Shared
                    .generator(batch.seed.wrapping_add(hash.wrapping_mul(SPREAD)));
                ids.extend(row(512, &mut block));
            }
            ids.truncate(length);
            let rest = line.input_length - u32::try_from(ids.len()).unwrap_or(line.input_length);
            ids.extend(row(rest, &mut generator));
            Drawn {
                prompt: Prompt::TokenIds(ids),
                stated: Some(line.output_length),
                turn: Turn::Alone,
            }
        });
        prompts.collect()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn parsed(text: &str, requests: u32) -> Result<Trace, LoadError> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        read(file.path(), requests).map(|(trace, _)| trace)
    }

    const TRACE: &str = "\
        {\"timestamp\": 1000, \"input_length\": 700, \"output_length\": 5, \"hash_ids\": [1, 2]}\n\
        {\"timestamp\": 1250.5, \"input_length\": 600, \"output_length\": 6, \"hash_ids\": [1, 3]}\n\n\
        {\"timestamp\": 3000, \"input_length\": 9, \"output_length\": 7}\n";

    #[test]
    fn a_trace_gives_lengths_moments_and_what_prompts_share() {
        let trace = parsed(TRACE, 3).unwrap();
        assert_eq!(trace.moments(), [0, 250_500, 2_000_000].map(Duration::from_micros));
        let drawn = trace.draw(Batch::measured(3, 7));
        let ids: Vec<&Vec<u32>> = drawn
            .iter()
            .map(|drawn| match &drawn.prompt {
                Prompt::TokenIds(ids) => ids,
                Prompt::Text(text) => panic!("{text}"),
            })
            .collect();
        assert_eq!(ids.iter().map(|ids| ids.len()).collect::<Vec<_>>(), [700, 600, 9]);
        assert_eq!(ids[0][..512], ids[1][..512]);
        assert_ne!(ids[0][512..600], ids[1][512..600]);
        assert_eq!(
            drawn.iter().map(|drawn| drawn.stated).collect::<Vec<_>>(),
            [Some(5), Some(6), Some(7)]
        );
    }

    #[test]
    fn a_line_that_is_not_a_request_is_named_by_its_number() {
        let error = |text: &str, requests| parsed(text, requests).unwrap_err().to_string();
        let bad = error(&TRACE.replace("3000", "1100"), 3);
        assert!(
            bad.contains("it has 2 requests, and the load asks for 3")
                && bad.contains(
                    "1 of 3 were skipped, the first is line 4: its timestamp, 1100, is earlier"
                ),
            "{bad}"
        );
        let negative = error(&TRACE.replace("1000", "-1"), 3);
        assert!(negative.contains("line 1: its timestamp, -1, is negative"), "{negative}");
        assert!(
            error(&TRACE.replace("\"input_length\": 9", "\"input_length\": 0"), 3).contains("is 0")
        );
        assert!(error("{\"timestamp\": 1}", 1).contains("missing field `input_length`"));
        assert!(
            error(TRACE, 4).contains("it has 3 requests, and the load asks for 4; ask for fewer")
        );
        assert!(
            parsed("garbage after what is used\n".to_owned().replace("garbage", TRACE).as_str(), 2)
                .is_ok()
        );
    }

    #[test]
    fn one_bad_line_is_skipped_and_named() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let bad = "{\"timestamp\": NaN, \"input_length\": 1, \"output_length\": 1}\n";
        file.write_all(format!("{bad}{TRACE}").as_bytes()).unwrap();
        let (trace, skips) = read(file.path(), 3).unwrap();
        assert_eq!(trace.moments().len(), 3);
        let skipped = skips.of_file(file.path(), "lines").unwrap();
        assert_eq!((skipped.read, skipped.skipped), (4, 1));
        assert!(skipped.first.starts_with("line 1: "), "{skipped:?}");
    }

    #[test]
    fn time_stamps_in_seconds_are_refused() {
        let line = |at: f64| {
            format!("{{\"timestamp\": {at}, \"input_length\": 9, \"output_length\": 7}}\n")
        };
        let trace = |step: f64| (0..6).map(|at| line(f64::from(at) * step)).collect::<String>();
        let error = parsed(&trace(0.2), 6).unwrap_err().to_string();
        assert!(error.contains("its 6 requests lie within 1 ms"), "{error}");
        assert!(parsed(&trace(200.0), 6).is_ok());
        // All at once is a burst.
        assert!(parsed(&trace(0.0), 6).is_ok());
    }
}
