//! The file around a baseline: insta's snapshot format, a header and a body between lines of three
//! dashes.
//!
//! insta writes these files in tests; this module reads them where no test runs, and writes one
//! when a baseline that another machine measured is accepted.

/// Splits a snapshot file into its header lines and its body. `None` if it is no snapshot file.
pub fn split(file: &str) -> Option<(&str, &str)> {
    let rest = file.strip_prefix("---\n")?;
    let (header, body) = rest.split_once("\n---\n")?;
    Some((header, body))
}

/// A snapshot file as insta writes it: the source file that asserts it, and the body.
pub fn render(source: &str, body: &str) -> String {
    format!("---\nsource: {source}\n---\n{}\n", body.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rendered_file_splits_into_what_went_in() {
        let file = render("perf/src/hold.rs", "schema: 1\nmetrics:\n");
        assert_eq!(split(&file), Some(("source: perf/src/hold.rs", "schema: 1\nmetrics:\n")));
        assert_eq!(split("schema: 1\n"), None);
    }
}
