//! Values that reach the server and nothing else: [`Secrets`].
//!
//! Every line of a server's log and every error that quotes Docker or the server goes through
//! [`Secrets::redact`]. What it cannot reach: the Docker client writes the whole request to the
//! `log` facade at debug level, so a program that installs a logger must keep `bollard` at info.

use std::fmt;
use std::fmt::Write;

use crate::error::EngineError;

/// What stands in place of a secret.
const HIDDEN: &str = "[secret]";

/// A line of a secret and an encoded form are masked from this length on: a shorter text would mask
/// what only looks like it.
const LEAST_LENGTH: usize = 6;

/// Environment variables whose values are shown nowhere, and are masked in all that the server
/// prints.
#[derive(Clone, Default)]
pub(crate) struct Secrets {
    variables: Vec<(String, String)>,
    /// All texts that give a value away, the longest first: a short one may be part of a long one.
    patterns: Vec<String>,
}

impl Secrets {
    /// Reads the variables from this process's environment.
    pub(crate) fn from_environment(names: &[String]) -> Result<Self, EngineError> {
        let read = |name: &String| match std::env::var(name) {
            Ok(value) => Ok((name.clone(), value)),
            Err(_) => Err(EngineError::SecretMissing { name: name.clone() }),
        };
        names.iter().map(read).collect::<Result<_, _>>().map(Self::new)
    }

    fn new(variables: Vec<(String, String)>) -> Self {
        let mut patterns = Vec::new();
        for value in variables.iter().map(|(_, value)| value.trim()) {
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
        Self { variables, patterns }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The text without the values, their lines and their usual encodings: a server may well print
    /// its environment.
    pub(crate) fn redact(&self, text: &str) -> String {
        let mask = |text: String, pattern: &String| {
            if text.contains(pattern) { text.replace(pattern, HIDDEN) } else { text }
        };
        self.patterns.iter().fold(text.to_owned(), mask)
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.variables.iter().map(|(name, _)| name)).finish()
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

    fn secrets(value: &str) -> Secrets {
        Secrets::new(vec![("TOKEN".into(), value.into()), ("EMPTY".into(), String::new())])
    }

    #[test]
    fn the_value_is_in_no_text() {
        let secrets = secrets("hf_abc");
        assert_eq!(secrets.redact("env: TOKEN=hf_abc"), "env: TOKEN=[secret]");
        assert_eq!(format!("{secrets:?}"), r#"["TOKEN", "EMPTY"]"#);
    }

    #[test]
    fn each_line_of_a_secret_is_masked_and_a_short_one_is_not() {
        let secrets = secrets("-----BEGIN KEY-----\nMIIEvQ/IBADAN\nab\n-----END KEY-----\n");
        assert_eq!(secrets.redact("  MIIEvQ/IBADAN"), "  [secret]");
        assert_eq!(secrets.redact("-----END KEY-----"), "[secret]");
        assert_eq!(secrets.redact("about"), "about");
    }

    #[test]
    fn encoded_forms_of_a_secret_are_masked() {
        let secrets = secrets("pass\"word /1\nsecond line");
        let json = serde_json::json!({ "key": "pass\"word /1\nsecond line" }).to_string();
        assert_eq!(secrets.redact(&json), r#"{"key":"[secret]"}"#);
        assert_eq!(secrets.redact("?key=pass%22word%20%2F1&b=1"), "?key=[secret]&b=1");
        // As `echo second line | base64` gives it; the last digits belong to the line feed as well.
        assert_eq!(secrets.redact("c2Vjb25kIGxpbmUK"), "[secret]bmUK");
        assert_eq!(base64("second lin"), "c2Vjb25kIGxp");
    }

    #[test]
    fn a_secret_that_is_not_set_is_named() {
        let error = Secrets::from_environment(&["PERF_NO_SUCH_SECRET".into()]).unwrap_err();
        assert_eq!(error, EngineError::SecretMissing { name: "PERF_NO_SUCH_SECRET".into() });
    }
}
