//! The headers that go with every request, with the key among them: [`SentHeaders`].

use std::fmt;
use std::sync::Arc;

use perf_model::spec::access::{API_KEYS, Access, HeaderValue};
use perf_model::spec::redactor::Redactor;

/// The headers that go with every request. Nothing shows their values. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct SentHeaders(Arc<Values>);

#[derive(Default)]
struct Values {
    lines: String,
    /// Masks the values wherever the server repeats them.
    redactor: Redactor,
    /// Where the values come from.
    from: Vec<String>,
}

impl SentHeaders {
    /// Reads the values, with `variable` from the environment. The error names a variable, never a
    /// value.
    pub(crate) fn read(
        access: &Access,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, String> {
        let mut lines = String::new();
        let (mut secrets, mut from) = (Vec::new(), Vec::new());
        let mut has_key = false;
        for (name, value) in access.header_values()? {
            has_key |= name.eq_ignore_ascii_case("authorization");
            let value = match value {
                HeaderValue::Text(text) => text,
                HeaderValue::Variable(from_variable) => {
                    let value = read(&from_variable, variable)?;
                    from.push(format!("the header `{name}` of {from_variable}"));
                    // `Bearer …` has the secret behind its first word.
                    secrets.extend(value.split_once(' ').map(|(_, rest)| rest.to_owned()));
                    secrets.push(value.clone());
                    value
                }
            };
            lines.extend([name, ": ", &value, "\r\n"]);
        }
        if !has_key && let Some(key) = api_key(access, variable)? {
            let (name, value) = key;
            lines.extend(["authorization: Bearer ", &value, "\r\n"]);
            from.push(format!("the API key of {name}"));
            secrets.push(value);
        }
        let redactor = Redactor::new(secrets.iter().map(String::as_str));
        Ok(Self(Arc::new(Values { lines, redactor, from })))
    }

    /// As lines of a request's head.
    pub(crate) fn lines(&self) -> &str {
        &self.0.lines
    }

    /// What masks the values.
    pub(crate) fn redactor(&self) -> &Redactor {
        &self.0.redactor
    }

    /// Where the secret values come from, for a message: `the API key of VLLM_API_KEY`.
    pub(crate) fn from(&self) -> &[String] {
        &self.0.from
    }
}

impl fmt::Debug for SentHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.0.from).finish()
    }
}

/// The key that is sent, and the variable that holds it.
fn api_key(
    access: &Access,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<(String, String)>, String> {
    match access.api_key_env.as_deref() {
        Some("") => Ok(None),
        Some(name) => Ok(Some((name.to_owned(), read(name, variable)?))),
        None => {
            let is_set = |name: &&&str| variable(name).is_some_and(|key| !key.trim().is_empty());
            let Some(name) = API_KEYS.iter().find(is_set) else { return Ok(None) };
            Ok(Some(((*name).to_owned(), read(name, variable)?)))
        }
    }
}

/// The value of a variable, fit for a header.
fn read(name: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let value = variable(name).unwrap_or_default();
    let value = value.trim();
    if value.is_empty() {
        return Err(format!(
            "the environment variable {name}, whose value is to be sent, is not set or empty; set it"
        ));
    }
    // A line feed would begin another header.
    if !value.chars().all(|c| c.is_ascii_graphic() || c == ' ') {
        return Err(format!(
            "the environment variable {name} holds a character that a header cannot have"
        ));
    }
    Ok(value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANARY: &str = "canary-0123456789";

    fn sent(access: &Access, set: &[(&str, &str)]) -> Result<SentHeaders, String> {
        SentHeaders::read(access, &|name| {
            set.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_key_of_vllm_comes_before_that_of_openai() {
        let both = [("OPENAI_API_KEY", "other"), ("VLLM_API_KEY", CANARY)];
        let headers = sent(&Access::default(), &both).unwrap();
        assert_eq!(headers.lines(), format!("authorization: Bearer {CANARY}\r\n"));
        assert_eq!(headers.from(), ["the API key of VLLM_API_KEY"]);
        let headers = sent(&Access::default(), &both[..1]).unwrap();
        assert_eq!(headers.lines(), "authorization: Bearer other\r\n");
        assert_eq!(sent(&Access::none(), &both).unwrap().lines(), "");
    }

    #[test]
    fn a_header_takes_the_place_of_the_key() {
        let mut access = Access::default();
        access.add_header("Authorization: env:GATEWAY").unwrap();
        access.add_header("X-Team: perf").unwrap();
        let value = format!("Basic {CANARY}");
        let headers = sent(&access, &[("VLLM_API_KEY", "key"), ("GATEWAY", &value)]).unwrap();
        assert_eq!(headers.lines(), format!("authorization: {value}\r\nx-team: perf\r\n"));
        assert!(!headers.redactor().redact(&format!("got {CANARY}")).contains(CANARY));
    }

    #[test]
    fn no_value_is_shown_and_none_is_repeated_in_an_error() {
        let headers = sent(&Access::default(), &[("VLLM_API_KEY", CANARY)]).unwrap();
        assert!(!format!("{headers:?} {headers:#?}").contains(CANARY));
        let named = Access { api_key_env: Some("KEY".into()), ..Access::default() };
        let value = format!("{CANARY}\r\nx: y");
        for set in [&[][..], &[("KEY", " ")], &[("KEY", value.as_str())]] {
            let error = sent(&named, set).unwrap_err();
            assert!(error.contains("KEY") && !error.contains(CANARY), "{error}");
        }
    }
}
