//! Numbers that Python writes into its JSON, and JSON does not have: [`without_nan`].

use std::borrow::Cow;

/// The text with `null` in place of numbers that Python writes and JSON does not have.
pub(super) fn without_nan(text: &str) -> Cow<'_, str> {
    const WORDS: [&str; 3] = ["-Infinity", "Infinity", "NaN"];
    if !WORDS.iter().any(|word| text.contains(word)) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len());
    let (mut is_quoted, mut is_escaped) = (false, false);
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        if let Some(word) = WORDS.iter().find(|word| !is_quoted && rest.starts_with(**word)) {
            clean.push_str("null");
            rest = &rest[word.len()..];
            continue;
        }
        is_quoted ^= next == '"' && !is_escaped;
        is_escaped = is_quoted && next == '\\' && !is_escaped;
        clean.push(next);
        rest = &rest[next.len_utf8()..];
    }
    Cow::Owned(clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_outside_of_strings_become_null() {
        let text = r#"{"a": [NaN, -Infinity, 1], "NaN": "a \\\" NaN é", "b": Infinity}"#;
        let clean = r#"{"a": [null, null, 1], "NaN": "a \\\" NaN é", "b": null}"#;
        assert_eq!(without_nan(text), clean);
        assert!(matches!(without_nan("[1, 2]"), Cow::Borrowed(_)));
    }
}
