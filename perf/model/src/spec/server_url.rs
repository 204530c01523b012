//! The address of a server: [`ServerUrl`], the one rule for every place that takes one.

use std::fmt;

/// The address of an OpenAI-compatible server, over HTTP or HTTPS.
///
/// The server may be below a path, as behind a gateway. The API's own paths are added to it, so
/// that `/v1` at the end is accepted and left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerUrl {
    is_encrypted: bool,
    host: String,
    port: Option<u16>,
    path: String,
}

/// Why a text is not the address of a server. It never repeats a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server's address {0}; write http://HOST:PORT or https://HOST")]
pub struct ServerUrlError(&'static str);

impl ServerUrl {
    /// Reads an address, before anything is sent there.
    pub fn parse(url: &str) -> Result<Self, ServerUrlError> {
        let wrong = |what| Err(ServerUrlError(what));
        let Some((scheme, rest)) = url.split_once("://") else {
            return wrong("does not begin with http:// or https://");
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if authority.contains('@') {
            return wrong("contains a user name or a password, which records would keep");
        }
        let is_encrypted = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => return wrong("does not begin with http:// or https://"),
        };
        if rest.contains(char::is_whitespace) {
            return wrong("contains a space");
        }
        if rest.contains(['?', '#']) {
            return wrong("contains a query or a fragment");
        }
        // An IPv6 address in brackets contains colons.
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (authority, None),
        };
        if host.is_empty() {
            return wrong("has no host");
        }
        let name = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let is_host = match name {
            Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
            None => host.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c)),
        };
        if !is_host || !path.chars().all(|c| c.is_ascii_graphic()) {
            return wrong("contains a character that an address cannot have");
        }
        let port = match port.map(str::parse::<u16>) {
            None => None,
            Some(Ok(port)) if port > 0 => Some(port),
            Some(_) => return wrong("has no valid port, which is a number from 1 to 65535"),
        };
        let path = path.trim_matches('/');
        let path = match path.strip_suffix("v1") {
            Some(before) if before.is_empty() || before.ends_with('/') => {
                before.trim_end_matches('/')
            }
            _ => path,
        };
        if path.split('/').any(|part| part == "v1")
            || matches!(path, "health" | "metrics" | "version")
        {
            return wrong("contains a path of the API, which is added to it");
        }
        let path = if path.is_empty() { String::new() } else { format!("/{path}") };
        Ok(Self { is_encrypted, host: host.to_owned(), port, path })
    }

    /// The address of a server and a path on it, which may be any: `http://h:1` and `/metrics` of
    /// `http://h:1/metrics`.
    pub fn parse_with_path(url: &str) -> Result<(String, String), ServerUrlError> {
        let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if scheme.is_empty() || path.contains(['?', '#', '@']) || path.contains(char::is_whitespace)
        {
            return Self::parse(url).map(|url| (url.to_string(), String::new()));
        }
        let server = Self::parse(&format!("{scheme}://{authority}"))?;
        let path = path.trim_end_matches('/');
        let path = if path.is_empty() { String::new() } else { format!("/{path}") };
        Ok((server.to_string(), path))
    }

    /// The host: a name or an address, an IPv6 address in brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(if self.is_encrypted { 443 } else { 80 })
    }

    /// Whether it is that of HTTPS.
    pub fn is_encrypted(&self) -> bool {
        self.is_encrypted
    }

    /// The host, and the port if it is given.
    pub fn authority(&self) -> String {
        self.port.map_or_else(|| self.host.clone(), |port| format!("{}:{port}", self.host))
    }

    /// The path before those of the API: empty, or with a slash at its beginning and none at its
    /// end.
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_encrypted { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_server_is_accepted_with_and_without_the_version_of_the_api() {
        for (url, read) in [
            ("http://h:1", "http://h:1"),
            ("http://gpu-box:8000/", "http://gpu-box:8000"),
            ("http://[::1]:8000", "http://[::1]:8000"),
            ("http://10.0.0.1", "http://10.0.0.1"),
            ("http://h:1/v1/", "http://h:1"),
            ("http://h:1/v1", "http://h:1"),
            ("http://gw/team-a", "http://gw/team-a"),
            ("http://gw/team-a/v1/", "http://gw/team-a"),
            ("https://gw/team-a/v1", "https://gw/team-a"),
            ("HTTPS://gw:8443", "https://gw:8443"),
        ] {
            let parsed = ServerUrl::parse(url).unwrap();
            assert_eq!(parsed.to_string(), read, "{url}");
            assert_eq!(ServerUrl::parse(read), Ok(parsed));
        }
        let local = ServerUrl::parse("http://[::1]/v1").unwrap();
        assert_eq!((local.host(), local.port(), local.path()), ("[::1]", 80, ""));
        assert_eq!(ServerUrl::parse("https://gw").unwrap().port(), 443);
    }

    #[test]
    fn a_path_is_parted_from_its_server() {
        for (url, server, path) in [
            ("http://h:1", "http://h:1", ""),
            ("http://h:1/metrics/", "http://h:1", "/metrics"),
            ("http://h/a/metrics", "http://h", "/a/metrics"),
        ] {
            assert_eq!(ServerUrl::parse_with_path(url), Ok((server.to_owned(), path.to_owned())));
        }
        assert!(ServerUrl::parse_with_path("h:1/metrics").is_err());
        assert!(ServerUrl::parse_with_path("http://h:1/metrics?a=b").is_err());
    }

    #[test]
    fn anything_else_is_refused_with_what_is_wrong() {
        for (url, what) in [
            ("gpu-box:8000", "begin with http://"),
            ("8000", "begin with http://"),
            ("https://", "no host"),
            ("ftp://gpu-box", "begin with http://"),
            ("http://", "no host"),
            ("http://:8000", "no host"),
            ("http://h:port", "no valid port"),
            ("http://h:99999", "no valid port"),
            ("http://h:0", "no valid port"),
            ("http://h\u{7}:1", "a character"),
            ("http://[::1:8000", "a character"),
            ("http://h:1/v1/completions", "a path of the API"),
            ("http://h:1/v1/v1", "a path of the API"),
            ("http://h:1/health", "a path of the API"),
            ("http://h:1/?model=a", "a query"),
            ("http://h :1", "a space"),
            ("http://user:secret@h:1", "password"),
            ("https://user:secret@h:1", "password"),
        ] {
            let error = ServerUrl::parse(url).unwrap_err().to_string();
            assert!(
                error.contains(what) && error.ends_with("write http://HOST:PORT or https://HOST"),
                "{url}: {error}"
            );
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
