//! A line of `/metrics`, which is Prometheus' text format: [`sample`], and what stands in it.

/// Name, labels and value of a line; `None` for comments, blank lines and values that are no
/// number.
pub(crate) fn sample(line: &str) -> Option<(&str, &str, f64)> {
    let name_end = line.find(['{', ' ']).filter(|_| !line.starts_with('#'))?;
    let (name, rest) = line.split_at(name_end);
    let (labels, rest) = match rest.strip_prefix('{') {
        // A brace inside a label's value is quoted; the value after the labels holds none.
        Some(rest) => rest.rsplit_once('}')?,
        None => ("", rest),
    };
    // A time stamp may follow the value.
    let value: f64 = rest.split_ascii_whitespace().next()?.parse().ok()?;
    Some((name, labels, value))
}

/// Whether a counter of finished requests is of those that succeeded: aborted and failed ones are
/// counted under the same name.
pub(crate) fn is_success(labels: &str) -> bool {
    !["abort", "error"]
        .iter()
        .any(|reason| labels.contains(&format!("finished_reason=\"{reason}\"")))
}

/// A count, which the format writes as a floating-point number.
pub(crate) fn count(value: f64) -> Option<u64> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be a whole number in range"
    )]
    (value >= 0.0 && value <= 2_f64.powi(53)).then(|| value.round() as u64)
}
