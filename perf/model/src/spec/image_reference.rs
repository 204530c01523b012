//! Whether a name can be that of an image, before anything is asked for it: [`check`].

/// Refuses what no registry and no daemon would take, and says why.
///
/// The grammar is that of Docker's references: `[HOST[:PORT]/]NAME[:TAG][@sha256:DIGEST]`.
pub fn check(reference: &str) -> Result<(), String> {
    let wrong = |what: &str| {
        Err(format!(
            "`{reference}` is no name of an image: {what}; write name:tag or name@sha256:…"
        ))
    };
    let (named, digest) = match reference.split_once('@') {
        Some((named, digest)) => (named, Some(digest)),
        None => (reference, None),
    };
    if digest.is_some_and(|digest| !is_digest(digest)) {
        return wrong(
            "what follows the @ is no digest, which is sha256: and 64 hexadecimal digits",
        );
    }
    // A colon before a slash is a registry's port.
    let (path, tag) = match named.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => (path, Some(tag)),
        _ => (named, None),
    };
    if tag.is_some_and(|tag| !is_tag(tag)) {
        return wrong("its tag must be letters, digits, `_`, `.` and `-`, at most 128 of them");
    }
    let mut parts: Vec<&str> = path.split('/').collect();
    if parts.len() > 1 && is_host(parts[0]) {
        parts.remove(0);
    }
    if !parts.iter().all(|part| is_part(part)) {
        return wrong(
            "its parts must be lower-case letters and digits, with single `.`, `_` or `-` between them",
        );
    }
    Ok(())
}

fn is_digest(text: &str) -> bool {
    let is_hexadecimal =
        |digits: &str| digits.chars().all(|digit| matches!(digit, '0'..='9' | 'a'..='f'));
    text.strip_prefix("sha256:").is_some_and(|digits| digits.len() == 64 && is_hexadecimal(digits))
}

fn is_tag(text: &str) -> bool {
    let fits = |character: char| character.is_ascii_alphanumeric() || "_.-".contains(character);
    !text.is_empty() && text.len() <= 128 && !text.starts_with(['.', '-']) && text.chars().all(fits)
}

/// What is no host is the first part of the path.
fn is_host(text: &str) -> bool {
    let (name, port) = text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port)));
    let fits = |character: char| character.is_ascii_alphanumeric() || ".-".contains(character);
    let is_port = |port: &str| port.parse::<u16>().is_ok();
    let is_meant = name.contains('.') || port.is_some() || name == "localhost";
    is_meant && !name.is_empty() && name.chars().all(fits) && port.is_none_or(is_port)
}

fn is_part(text: &str) -> bool {
    let fits = |character: char| matches!(character, 'a'..='z' | '0'..='9');
    // Underscores may be two, dashes many.
    let words = text.replace("__", "_");
    let words = words.split(['.', '_', '-']).filter(|word| !word.is_empty());
    let ends_well = text.starts_with(fits) && text.ends_with(fits);
    ends_well && !text.contains("..") && words.flat_map(str::chars).all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_registries_give_are_taken() {
        let digest = format!("vllm/vllm-openai@sha256:{}", "0a".repeat(32));
        let tagged = format!("vllm/vllm-openai:v0.32.0@sha256:{}", "0a".repeat(32));
        for name in [
            "vllm/vllm-openai:v0.32.0",
            "vllm-cpu:0.32.0",
            "vllm",
            "registry:5000/vllm",
            "127.0.0.1:1/no/such-image:v1",
            "ghcr.io/some_body/a--b__c.d:Nightly_2026.01",
            "7c99c5657107",
            &digest,
            &tagged,
        ] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn names_that_nobody_takes_are_refused_with_what_is_wrong() {
        for (name, what) in [
            ("", "lower-case"),
            ("vllm/vLLM-openai:v0.32.0", "lower-case"),
            ("vllm openai", "lower-case"),
            ("vllm//openai", "lower-case"),
            ("-vllm", "lower-case"),
            ("https://ghcr.io/vllm", "lower-case"),
            ("vllm:", "its tag"),
            ("vllm:v 1", "its tag"),
            ("vllm:a:b", "lower-case"),
            ("vllm@sha256:ab12", "no digest"),
        ] {
            let error = check(name).unwrap_err();
            assert!(
                error.contains(what) && error.starts_with(&format!("`{name}` is no name")),
                "{error}"
            );
        }
    }
}
