//! "Did you mean": the known name nearest to an unknown one: [`nearest`].

/// The known name nearest to `name`, if any is near enough to be a likely typing error.
///
/// Nearness is the Jaro-Winkler similarity; 0.7 is what command-line parsers use.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(similarity, _)| *similarity > 0.7)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_error_finds_the_known_name_and_nonsense_finds_nothing() {
        let known = ["image", "models", "start_timeout_s"];
        assert_eq!(nearest("imgae", known), Some("image"));
        assert_eq!(nearest("zzz", known), None);
    }
}
