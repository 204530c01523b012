//! A line of `/metrics`, which is Prometheus' text format: [`sample`].

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
