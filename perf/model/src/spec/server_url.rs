//! Whether a text can be the address of a server, before anything is sent there: [`check`].

/// Refuses what is no address of an OpenAI-compatible server over HTTP, and says why. It never
/// quotes a password.
///
/// The server may be below a path, as behind a gateway; the API's own paths are added to it.
pub fn check(url: &str) -> Result<(), String> {
    let wrong = |what: &str| Err(format!("the server's address {what}; write http://HOST:PORT"));
    let Some((scheme, rest)) = url.split_once("://") else {
        return wrong("does not begin with http://");
    };
    if scheme != "http" {
        return wrong("must begin with http://, as encryption would be part of what is measured");
    }
    if rest.contains(char::is_whitespace) {
        return wrong("holds a space");
    }
    if rest.contains(['?', '#']) {
        return wrong("holds a query");
    }
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    if authority.contains('@') {
        return wrong("holds a user's name or password, which would be kept in the record");
    }
    // What is in brackets holds colons of its own.
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    if host.is_empty() {
        return wrong("names no host");
    }
    if port.is_some_and(|port| !port.parse::<u16>().is_ok_and(|port| port > 0)) {
        return wrong("names no port that there is, which is a number from 1 to 65535");
    }
    let path = path.trim_end_matches('/');
    let path = path
        .strip_suffix("v1")
        .filter(|before| before.is_empty() || before.ends_with('/'))
        .unwrap_or(path);
    if path.split('/').any(|part| part == "v1") || matches!(path, "health" | "metrics" | "version")
    {
        return wrong("names a path of the API, which is added to it");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_servers_are_taken() {
        for url in [
            "http://h:1",
            "http://gpu-box:8000/",
            "http://[::1]:8000",
            "http://10.0.0.1",
            "http://h:1/v1/",
            "http://gw/team-a",
        ] {
            assert_eq!(check(url), Ok(()), "{url}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_what_is_wrong() {
        for (url, what) in [
            ("gpu-box:8000", "begin with http://"),
            ("8000", "begin with http://"),
            ("https://gpu-box", "encryption"),
            ("https://", "encryption"),
            ("http://", "no host"),
            ("http://:8000", "no host"),
            ("http://h:port", "no port"),
            ("http://h:99999", "no port"),
            ("http://h:1/v1/completions", "a path of the API"),
            ("http://h:1/health", "a path of the API"),
            ("http://h:1/?model=a", "a query"),
            ("http://h :1", "a space"),
            ("http://user:secret@h:1", "password"),
        ] {
            let error = check(url).unwrap_err();
            assert!(
                error.contains(what) && error.ends_with("write http://HOST:PORT"),
                "{url}: {error}"
            );
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
