//! How a server that is up already is reached: [`Access`]. It names environment variables and never
//! holds a secret, so that it may be kept in settings and records.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::spec::request_field::RequestField;
use crate::spec::secret_name::is_secret;

/// The variables that hold an API key unless another one is named, the first that is set.
pub const API_KEYS: [&str; 2] = ["VLLM_API_KEY", "OPENAI_API_KEY"];

/// What stands before the name of a variable in a header's value.
const VARIABLE: &str = "env:";

/// Headers that frame a request, and those that the client sets.
const RESERVED: [&str; 6] = [
    "host",
    "content-length",
    "content-type",
    "transfer-encoding",
    "connection",
    "accept-encoding",
];

/// Headers whose values are secrets by their nature.
const SECRET: [&str; 4] = ["authorization", "proxy-authorization", "cookie", "x-auth"];

/// How the values of keys begin.
const KEYS_BEGIN: [&str; 7] = ["bearer ", "basic ", "sk-", "hf_", "nvapi-", "ghp_", "eyj"];

/// How a server that is up already is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Access {
    /// The environment variable that holds the API key. Without it: `VLLM_API_KEY`, and then
    /// `OPENAI_API_KEY`, where one is set. An empty name: no key is sent.
    pub api_key_env: Option<String>,
    /// Headers of every request, by name: `env:VARIABLE`, or a text that is no secret.
    pub headers: BTreeMap<String, String>,
    /// A file of certificates (PEM) that are trusted, in place of the system's.
    pub ca: Option<PathBuf>,
    /// Whether the server's certificate is not checked.
    pub insecure: bool,
    /// The metrics of each of several servers behind the address; their counters are added up.
    pub metrics_urls: Vec<String>,
    /// Fields of requests that the server does not know.
    pub leave_out: Vec<RequestField>,
}

/// Where the value of a header comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderValue {
    /// An environment variable.
    Variable(String),
    /// The text itself.
    Text(String),
}

impl Access {
    /// No key and no headers.
    pub fn none() -> Self {
        Self { api_key_env: Some(String::new()), ..Self::default() }
    }

    /// What the command line asks for, with headers as they are written there. The error never
    /// repeats a value.
    pub fn from_options(
        headers: &[String],
        ca: Option<PathBuf>,
        insecure: bool,
        metrics_urls: &[String],
    ) -> Result<Self, String> {
        let metrics_urls = metrics_urls.to_vec();
        let mut access = Self { ca, insecure, metrics_urls, ..Self::default() };
        for header in headers {
            access.add_header(header).map_err(|why| format!("--header: {why}"))?;
        }
        Ok(access)
    }

    /// Adds a header as it is written on the command line: `Name: env:VARIABLE`. The error never
    /// repeats a value.
    pub fn add_header(&mut self, text: &str) -> Result<(), String> {
        let Some((name, value)) = text.split_once(':') else {
            return Err("a header has no colon; write it as `Name: env:VARIABLE`".to_owned());
        };
        let (name, value) = (name.trim(), value.trim());
        header_value(name, value)?;
        self.headers.insert(name.to_ascii_lowercase(), value.to_owned());
        Ok(())
    }

    /// Every header with where its value comes from.
    pub fn header_values(&self) -> Result<Vec<(&str, HeaderValue)>, String> {
        let headers = self.headers.iter();
        headers
            .map(|(name, value)| Ok((name.as_str(), header_value(name, value.trim())?)))
            .collect()
    }

    /// What cannot be meant. It never repeats a value.
    pub fn check(&self) -> Result<(), String> {
        self.header_values()?;
        if self.insecure && self.ca.is_some() {
            return Err("`ca` and `insecure` contradict each other; leave one out".to_owned());
        }
        Ok(())
    }

    /// These settings, and of `base` what they leave open.
    #[must_use]
    pub fn over(self, base: &Self) -> Self {
        let mut headers = base.headers.clone();
        headers.extend(self.headers);
        let or = |own: Vec<String>, other: &Vec<String>| {
            if own.is_empty() { other.clone() } else { own }
        };
        Self {
            api_key_env: self.api_key_env.or_else(|| base.api_key_env.clone()),
            headers,
            ca: self.ca.or_else(|| base.ca.clone().filter(|_| !self.insecure)),
            insecure: self.insecure || base.insecure,
            metrics_urls: or(self.metrics_urls, &base.metrics_urls),
            leave_out: if self.leave_out.is_empty() {
                base.leave_out.clone()
            } else {
                self.leave_out
            },
        }
    }

    /// Whether any address of it, or the server's own, is encrypted.
    pub fn needs_tls(&self, url: &str) -> bool {
        self.metrics_urls
            .iter()
            .map(String::as_str)
            .chain([url])
            .any(|url| url.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://")))
    }
}

/// Reads the value of a header.
fn header_value(name: &str, value: &str) -> Result<HeaderValue, String> {
    let small = name.to_ascii_lowercase();
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if small.is_empty() || !small.chars().all(is_token) {
        return Err("a header has no valid name; write it as `Name: env:VARIABLE`".to_owned());
    }
    if RESERVED.contains(&small.as_str()) {
        return Err(format!("the header `{name}` is set by the client; leave it out"));
    }
    if let Some(variable) = value.strip_prefix(VARIABLE) {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if variable.is_empty() || !variable.chars().all(is_name) {
            return Err(format!(
                "the header `{name}` names no environment variable; write `{name}: env:VARIABLE`"
            ));
        }
        return Ok(HeaderValue::Variable(variable.to_owned()));
    }
    let begins = value.to_ascii_lowercase();
    if SECRET.contains(&small.as_str())
        || is_secret(name)
        || KEYS_BEGIN.iter().any(|key| begins.starts_with(key))
    {
        return Err(format!(
            "the value of the header `{name}` looks like a secret, and a command line is kept in many places; put it into an \
             environment variable and write `{name}: env:VARIABLE`"
        ));
    }
    if value.is_empty() || value.chars().any(|c| c.is_control() || !c.is_ascii()) {
        return Err(format!("the value of the header `{name}` is empty, or no plain text"));
    }
    Ok(HeaderValue::Text(value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_names_a_variable_or_is_no_secret() {
        let mut access = Access::default();
        access.add_header("X-Team: perf").unwrap();
        access.add_header("Authorization: env:GATEWAY").unwrap();
        let values = access.header_values().unwrap();
        assert_eq!(
            values,
            [
                ("authorization", HeaderValue::Variable("GATEWAY".into())),
                ("x-team", HeaderValue::Text("perf".into())),
            ]
        );
    }

    #[test]
    fn a_secret_is_refused_and_not_repeated() {
        for text in [
            "Authorization: Bearer canary-1",
            "X-Api-Key: canary-1",
            "X-Other: sk-canary-1",
            "Cookie: session=canary-1",
            "canary-1",
            "canary-1 x: y",
            "Authorization: env:canary-1 x",
        ] {
            let error = Access::default().add_header(text).unwrap_err();
            assert!(!error.contains("canary-1"), "{error}");
            assert!(error.contains("env:VARIABLE"), "{error}");
        }
        assert!(Access::default().add_header("Host: h").unwrap_err().contains("`Host`"));
    }

    #[test]
    fn what_is_said_here_comes_before_what_is_in_the_file() {
        let file = Access {
            api_key_env: Some("TEAM_KEY".into()),
            headers: [("x-a".to_owned(), "1".to_owned()), ("x-b".to_owned(), "2".to_owned())]
                .into(),
            ca: Some("ca.pem".into()),
            ..Access::default()
        };
        let said = Access {
            headers: [("x-b".to_owned(), "3".to_owned())].into(),
            insecure: true,
            ..Access::default()
        };
        let both = said.over(&file);
        assert_eq!(both.headers["x-b"], "3");
        assert_eq!((both.headers.len(), both.api_key_env.as_deref()), (2, Some("TEAM_KEY")));
        assert_eq!((both.ca.clone(), both.check()), (None, Ok(())));
        assert!(Access { insecure: true, ..file }.check().is_err());
    }

    #[test]
    fn an_encrypted_address_is_seen() {
        let metrics =
            Access { metrics_urls: vec!["HTTPS://h/metrics".into()], ..Access::default() };
        assert!(metrics.needs_tls("http://h") && !Access::default().needs_tls("http://h"));
    }
}
