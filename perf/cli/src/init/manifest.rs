//! The manifest of a new repository: [`manifest`].

use super::source::{Source, quoted};

/// Where the template's manifest finds this repository's root.
const FROM_TEMPLATE: &str = "../../..";

/// The template's manifest with its dependencies from another source.
pub(super) fn manifest(template: &str, source: &Source) -> String {
    let mut lines = Vec::new();
    for line in template.lines() {
        lines.push(match line.split_once(&format!(" = {{ path = \"{FROM_TEMPLATE}")) {
            Some((name, rest)) => {
                let folder = rest.trim_start_matches('/').trim_end_matches("\" }");
                format!("{name} = {}", source.dependency(folder))
            }
            None => line.to_owned(),
        });
        if let (true, Some(folder)) = (line.starts_with("members = "), source.submodule()) {
            // It is a workspace of its own.
            lines.push(format!("exclude = [{}]", quoted(folder)));
        }
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = include_str!("../../template/Cargo.toml");

    #[test]
    fn the_three_dependencies_come_from_the_source_and_the_rest_stays() {
        let git =
            Source::Git { url: "https://host/a/vllm-perf".into(), rev: "v1".into(), lock: None };
        let text = manifest(TEMPLATE, &git);
        let from = "{ git = \"https://host/a/vllm-perf\", rev = \"v1\" }";
        for name in ["vllm-perf", "vllm-perf-cli", "vllm-perf-tools"] {
            assert!(text.contains(&format!("\n{name} = {from}\n")), "{text}");
        }
        assert!(!text.contains("path ="), "{text}");
        assert_eq!(text.lines().count(), TEMPLATE.lines().count());

        let folder = Source::Folder { path: "/a \"b\"".into(), inside: None };
        let text = manifest(TEMPLATE, &folder);
        assert!(text.contains("vllm-perf = { path = \"/a \\\"b\\\"\" }"), "{text}");
        assert!(text.contains("vllm-perf-cli = { path = \"/a \\\"b\\\"/perf/cli\" }"), "{text}");

        let inside = Source::Folder { path: "/r/ext/vp".into(), inside: Some("ext/vp".into()) };
        let text = manifest(TEMPLATE, &inside);
        assert!(text.contains("\nexclude = [\"ext/vp\"]\n"), "{text}");
        assert!(text.contains("vllm-perf-tools = { path = \"ext/vp/perf/tools\" }"), "{text}");
    }

    /// The simulated gate is as fast there as here.
    #[test]
    fn the_profiles_are_those_of_this_repository() {
        let here = include_str!("../../../../Cargo.toml");
        let profiles = |text: &'static str| &text[text.find("[profile.dev]").unwrap()..];
        assert_eq!(profiles(TEMPLATE), profiles(here));
    }
}
