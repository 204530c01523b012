//! What one entry of a file lacks: [`lacking`].

/// Why the entry of a request cannot be used, by its send time, output tokens and gaps, and whether its
/// end is known. The others are read.
pub(super) fn lacking(
    start: Option<f64>,
    tokens: Option<u32>,
    gaps: Option<&[Option<f64>]>,
    has_end: bool,
) -> Option<&'static str> {
    match (start, tokens, gaps) {
        (None, ..) => Some("its `start_times` has no number"),
        (_, None, _) => Some("its `output_lens` has no number"),
        (.., None) => Some("its `itls` has no list"),
        (.., Some(gaps)) if gaps.contains(&None) => {
            Some("its `itls` has an entry that is no number")
        }
        _ if has_end => None,
        _ => Some("it has neither a first token nor a latency, so its end is unknown"),
    }
}
