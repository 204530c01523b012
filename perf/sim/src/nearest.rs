//! The "did you mean" of this crate's errors: [`nearest`].

/// The known name that is most like `name`.
pub(crate) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let similarity = |candidate: &str| strsim::jaro_winkler(name, candidate);
    known.iter().copied().max_by(|a, b| similarity(a).total_cmp(&similarity(b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_error_finds_its_word() {
        assert_eq!(nearest("prefil", &["decode", "prefill", "start"]), Some("prefill"));
    }
}
