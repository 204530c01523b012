//! Values that reach the server and nothing else: [`Secrets`].
//!
//! What is out of reach here: the Docker client writes the whole request to the `log` facade at
//! debug level, so a program that installs a logger must keep `bollard` at info.

use std::fmt;

use crate::error::EngineError;

/// What stands in place of a secret.
const HIDDEN: &str = "[secret]";

/// Environment variables whose values are shown nowhere, and taken out of whatever the server
/// prints.
#[derive(Clone, Default)]
pub(crate) struct Secrets(Vec<(String, String)>);

impl Secrets {
    /// Reads the variables from this process's environment.
    pub(crate) fn from_environment(names: &[String]) -> Result<Self, EngineError> {
        let read = |name: &String| match std::env::var(name) {
            Ok(value) => Ok((name.clone(), value)),
            Err(_) => Err(EngineError::SecretMissing { name: name.clone() }),
        };
        names.iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The text without the values: a server may well print its environment.
    pub(crate) fn redact(&self, text: &str) -> String {
        let values = self.0.iter().map(|(_, value)| value.trim()).filter(|value| !value.is_empty());
        values.fold(text.to_owned(), |text, value| text.replace(value, HIDDEN))
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_is_in_no_text() {
        let secrets =
            Secrets(vec![("TOKEN".into(), "hf_abc".into()), ("EMPTY".into(), String::new())]);
        assert_eq!(secrets.redact("env: TOKEN=hf_abc"), "env: TOKEN=[secret]");
        assert_eq!(format!("{secrets:?}"), r#"["TOKEN", "EMPTY"]"#);
    }

    #[test]
    fn a_secret_that_is_not_set_is_named() {
        let error = Secrets::from_environment(&["PERF_NO_SUCH_SECRET".into()]).unwrap_err();
        assert_eq!(error, EngineError::SecretMissing { name: "PERF_NO_SUCH_SECRET".into() });
    }
}
