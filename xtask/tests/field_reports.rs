//! The traps of published reports, which the suites that repeat them must not fall into.

#![expect(clippy::unwrap_used, reason = "a test that cannot read the suites fails")]

use std::path::Path;

/// File and text of each field report's suites.
fn suites() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("tests");
    let mut suites = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if ["f0_", "f1_", "f3_", "f4_"].iter().any(|report| name.starts_with(report)) {
            suites.push((name, std::fs::read_to_string(entry.path()).unwrap()));
        }
    }
    assert_eq!(suites.len(), 4, "a field report has no suites");
    suites
}

#[test]
fn one_prompt_for_all_requests_has_a_sibling_with_distinct_prompts() {
    for (name, text) in suites() {
        let repeats = text.contains(".prompts(text(") || text.contains("repeated_sentence(");
        let has_sibling = text.contains("Load::new(\"distinct_prompts\")");
        assert!(has_sibling || !repeats, "{name} measures the prefix cache only");
    }
}

#[test]
fn a_cold_server_is_measured_only_where_the_suite_says_so() {
    for (name, text) in suites() {
        for suite in text.split("Suite::new(").skip(1) {
            let is_cold = suite.contains(".warmup(0)");
            let says_so = suite.lines().next().unwrap().contains("-cold\"");
            assert_eq!(is_cold, says_so, "{name}: {}", suite.lines().next().unwrap());
            assert!(!is_cold || suite.contains(".once_per_start()"), "{name}: a warm server");
        }
    }
}

#[test]
fn duration_divided_by_requests_is_published_as_no_latency() {
    let (_, text) = suites().into_iter().find(|(name, _)| name.starts_with("f4_")).unwrap();
    for latency in ["e2e()", "ttft()", "tpot()"] {
        assert!(!text.contains(&format!(".published({latency}")), "{latency}");
    }
}

#[test]
fn an_output_that_is_not_pinned_is_the_reports_own() {
    for (name, text) in suites() {
        let open = text.matches("at_most(").count();
        // F0 and F1 stop at the end of the answer; all their other loads and reports are pinned.
        let allowed = match &name[..2] {
            "f0" => 2,
            "f1" => 1,
            _ => 0,
        };
        assert_eq!(open, allowed, "{name}");
    }
}
