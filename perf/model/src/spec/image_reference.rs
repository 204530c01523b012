//! Whether a name can be that of an image, before anything is asked for it: [`check`].

/// Refuses mistakes that are easy to make, so that they are reported before anything starts. Docker
/// knows the whole grammar and reports the rest.
pub fn check(reference: &str) -> Result<(), String> {
    let path = reference.split('@').next().unwrap_or_default();
    let path = match path.rsplit_once(':') {
        // A colon before a slash is a registry's port.
        Some((path, tag)) if !tag.contains('/') => path,
        _ => path,
    };
    let fault = if reference.is_empty() {
        "it is empty"
    } else if reference.contains(char::is_whitespace) {
        "it contains a space"
    } else if reference.contains("://") {
        "it contains a scheme"
    } else if reference.starts_with('-') {
        "it begins with a dash"
    } else if path.contains(|character: char| character.is_ascii_uppercase()) {
        "it must be in lower-case letters before the tag"
    } else {
        return Ok(());
    };
    // What comes before an `@` without a digest after it may be a password.
    let shown = match reference.split_once('@') {
        Some((_, after)) if !after.starts_with("sha256:") => format!("…@{after}"),
        _ => reference.to_owned(),
    };
    Err(format!("`{shown}` is not the name of an image: {fault}; write name:tag or name@sha256:…"))
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
    fn names_that_no_registry_takes_are_refused_with_what_is_wrong() {
        for (name, what) in [
            ("", "it is empty"),
            ("vllm/vLLM-openai:v0.32.0", "lower-case"),
            ("vllm openai", "a space"),
            ("-vllm", "a dash"),
            ("https://ghcr.io/vllm", "a scheme"),
            ("vllm:v 1", "a space"),
        ] {
            let error = check(name).unwrap_err();
            assert!(
                error.contains(what) && error.starts_with(&format!("`{name}` is not the name")),
                "{error}"
            );
        }
    }
}
