//! Keeps secrets out of texts: [`Redactor`].

use std::fmt::{self, Write};

/// What stands in place of a secret.
const HIDDEN: &str = "[secret]";

/// A line of a secret and an encoded form are masked from this length on: a shorter text would mask
/// what only looks like it.
const LEAST_LENGTH: usize = 6;

/// Masks secrets, their lines and their usual encodings.
#[derive(Clone, Default)]
pub struct Redactor {
    /// All texts that give a value away, the longest first: a short one may be part of a long one.
    patterns: Vec<String>,
}

impl Redactor {
    /// For these secrets.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut patterns = Vec::new();
        for value in secrets.into_iter().map(str::trim) {
            patterns.push(value.to_owned());
            let lines = value.lines().map(str::trim);
            let texts = std::iter::once(value).chain(lines);
            let forms = texts
                .flat_map(|text| [text.to_owned(), json(text), url_encoded(text), base64(text)]);
            patterns.extend(forms.filter(|form| form.len() >= LEAST_LENGTH));
        }
        patterns.retain(|pattern| !pattern.is_empty());
        patterns.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        patterns.dedup();
        Self { patterns }
    }

    /// Whether there is nothing to mask.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// The text without the secrets.
    pub fn redact(&self, text: &str) -> String {
        let mask = |text: String, pattern: &String| {
            if text.contains(pattern) { text.replace(pattern, HIDDEN) } else { text }
        };
        self.patterns.iter().fold(text.to_owned(), mask)
    }

    /// The same for an excerpt of a longer text, at whose end a secret may have been cut.
    pub fn redact_excerpt(&self, text: &str) -> String {
        let text = self.redact(text);
        let (body, end) = match text.strip_suffix('…') {
            Some(body) => (body, "…"),
            None => (text.as_str(), ""),
        };
        let cut = |pattern: &String| {
            let lengths = (LEAST_LENGTH..pattern.len()).rev();
            lengths
                .filter(|length| pattern.is_char_boundary(*length))
                .find(|length| body.ends_with(&pattern[..*length]))
        };
        match self.patterns.iter().filter_map(cut).max() {
            Some(length) => format!("{}{HIDDEN}{end}", &body[..body.len() - length]),
            None => text,
        }
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor")
    }
}

/// As in a JSON string, without its quotes. Python's `repr` gives the same for most values.
fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string().trim_matches('"').to_owned()
}

/// As in the query of a URL.
fn url_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

/// As base64, up to the last whole group of three bytes: what follows depends on a line feed at the
/// end of what was encoded.
fn base64(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let groups = text.as_bytes().chunks_exact(3);
    let digits = groups.flat_map(|group| {
        let bits = group.iter().fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte));
        [18, 12, 6, 0].map(|shift| char::from(DIGITS[bits >> shift & 63]))
    });
    digits.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_of_a_secret_is_masked_and_a_short_one_is_not() {
        let redactor =
            Redactor::new(["-----BEGIN KEY-----\nMIIEvQ/IBADAN\nab\n-----END KEY-----\n", ""]);
        assert_eq!(redactor.redact("  MIIEvQ/IBADAN"), "  [secret]");
        assert_eq!(redactor.redact("-----END KEY-----"), "[secret]");
        assert_eq!(redactor.redact("about"), "about");
    }

    #[test]
    fn encoded_forms_of_a_secret_are_masked() {
        let redactor = Redactor::new(["pass\"word /1\nsecond line"]);
        let json = serde_json::json!({ "key": "pass\"word /1\nsecond line" }).to_string();
        assert_eq!(redactor.redact(&json), r#"{"key":"[secret]"}"#);
        assert_eq!(redactor.redact("?key=pass%22word%20%2F1&b=1"), "?key=[secret]&b=1");
        // As `echo second line | base64` gives it; the last digits belong to the line feed as well.
        assert_eq!(redactor.redact("c2Vjb25kIGxpbmUK"), "[secret]bmUK");
        assert_eq!(base64("second lin"), "c2Vjb25kIGxp");
    }

    #[test]
    fn a_secret_that_was_cut_is_masked_too() {
        let redactor = Redactor::new(["canary-0123456789"]);
        assert_eq!(redactor.redact_excerpt("key: canary-0123…"), "key: [secret]…");
        assert_eq!(redactor.redact_excerpt("key: canary-0123456789 x"), "key: [secret] x");
        assert_eq!(redactor.redact_excerpt("a canar"), "a canar");
        assert_eq!(format!("{redactor:?}"), "Redactor");
    }
}
