//! Values that reach the server and nothing else: [`Secrets`].
//!
//! Every line of a server's log and every error that quotes Docker or the server goes through
//! [`Secrets::redact`]. What it cannot reach: the Docker client writes the whole request to the
//! `log` facade at debug level, so a program that installs a logger must keep `bollard` at info.

use std::fmt;

use perf_model::spec::redactor::Redactor;

use crate::error::EngineError;

/// Environment variables whose values are shown nowhere, and are masked in all that the server
/// prints.
#[derive(Clone, Default)]
pub(crate) struct Secrets {
    variables: Vec<(String, String)>,
    redactor: Redactor,
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
        let redactor = Redactor::new(variables.iter().map(|(_, value)| value.as_str()));
        Self { variables, redactor }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The text without the values, their lines and their usual encodings: a server may well print
    /// its environment.
    pub(crate) fn redact(&self, text: &str) -> String {
        self.redactor.redact(text)
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.variables.iter().map(|(name, _)| name)).finish()
    }
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
    fn a_secret_that_is_not_set_is_named() {
        let error = Secrets::from_environment(&["PERF_NO_SUCH_SECRET".into()]).unwrap_err();
        assert_eq!(error, EngineError::SecretMissing { name: "PERF_NO_SUCH_SECRET".into() });
    }
}
