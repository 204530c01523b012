//! The counters of speculative decoding that vLLM has for each [`position`] of a draft, and how they have
//! grown: [`grown_at`].

/// By how much the acceptance at each position has grown; nothing where one is gone or has shrunk.
pub(crate) fn grown_at(before: &[u64], after: &[u64]) -> Vec<u64> {
    let earlier = before.iter().copied().chain(std::iter::repeat(0));
    let grown = after.iter().zip(earlier).map(|(after, before)| after.checked_sub(before));
    let grown: Option<Vec<u64>> = grown.collect();
    grown.filter(|_| after.len() >= before.len()).unwrap_or_default()
}

/// The longest draft whose positions are read.
const LONGEST_DRAFT: usize = 1_024;

/// The position in the labels of a counter: `position="2"`.
pub(crate) fn position(labels: &str) -> Option<usize> {
    let (_, rest) = labels.split_once("position=\"")?;
    let position = rest.split('"').next()?.parse().ok()?;
    (position < LONGEST_DRAFT).then_some(position)
}
