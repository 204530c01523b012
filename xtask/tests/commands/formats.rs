//! A run in every format that it can be shown in, as other programs get it.

use std::path::PathBuf;

use crate::common::{out, perf};
use perf_model::judge::report::SuiteReport;
use perf_model::spec::metric::Metric;

/// A failing run and its folder.
fn failing() -> (String, PathBuf) {
    let arguments = ["14b_awq_marlin", "--engine", "simulated", "--inject", "decode=1.05"];
    let output = perf(&arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let text = out(&output);
    let folder = text.lines().find_map(|line| line.strip_prefix("records in ")).unwrap();
    (text.clone(), PathBuf::from(folder))
}

#[test]
fn a_failing_run_has_a_page_and_a_summary_and_is_shown_in_every_format() {
    let (said, folder) = failing();
    let page = std::fs::read_to_string(folder.join("report.html")).unwrap();
    assert!(said.contains(&format!("report {}", folder.join("report.html").display())), "{said}");
    assert!(page.contains("<h1>REGRESSED: ") && page.contains("SIMULATED"));
    for chart in ["E2E, cumulative", "Requests in flight", "by engine start"] {
        assert!(page.contains(chart), "the page has no chart of {chart}");
    }
    let summary = std::fs::read_to_string(folder.join("report.md")).unwrap();
    assert!(
        summary.starts_with("**REGRESSED: ") && summary.contains("--inject decode=1.05"),
        "{summary}"
    );

    let show = |format: &str| {
        let shown = perf(&["show", folder.to_str().unwrap(), "--format", format]).output().unwrap();
        assert!(shown.status.success(), "{format}: {}", String::from_utf8_lossy(&shown.stderr));
        out(&shown)
    };
    assert_eq!(show("markdown").trim(), summary.trim());
    let json: serde_json::Value = serde_json::from_str(&show("json")).unwrap();
    assert_eq!(
        (json["verdict"].as_str(), json["exit_code"].as_u64()),
        (Some("regressed"), Some(1))
    );
    assert_eq!(json["simulated"], true);
    assert!(show("junit").contains("<failure message=\""));
    let report =
        std::fs::read_to_string(folder.join("qwen2.5-14b-awq-marlin/report.json")).unwrap();
    let report: SuiteReport = serde_json::from_str(&report).unwrap();
    let rows = report.loads.iter().flat_map(|load| &load.rows);
    assert_eq!(show("csv").lines().count(), 1 + rows.clone().count());
    assert!(rows.clone().all(|row| row.guard.is_none() || !row.baseline_starts.is_empty()));
    let throughput: Metric = "output_throughput_tok_per_s".parse().unwrap();
    let measured = rows.clone().find(|row| row.metric == throughput).unwrap().measured.unwrap();
    let bmf: serde_json::Value = serde_json::from_str(&show("bmf")).unwrap();
    let there =
        &bmf["qwen2.5-14b-awq-marlin/max_throughput"]["output_throughput_tok_per_s"]["value"];
    assert_eq!(there.as_f64(), Some(measured));
    for format in ["github-bigger", "github-smaller", "pytorch"] {
        let list: serde_json::Value = serde_json::from_str(&show(format)).unwrap();
        assert!(!list.as_array().unwrap().is_empty(), "{format}");
    }
    let otava = show("otava");
    assert!(otava.starts_with("time,") && otava.lines().count() == 2, "{otava}");
}

#[test]
fn a_format_is_written_to_a_file_and_a_run_without_a_report_is_refused() {
    let (_, folder) = failing();
    let file = folder.join("out/junit.xml");
    let arguments =
        ["show", folder.to_str().unwrap(), "--format", "junit", "--output", file.to_str().unwrap()];
    let written = perf(&arguments).output().unwrap();
    assert!(written.status.success() && out(&written).is_empty(), "{}", out(&written));
    assert!(std::fs::read_to_string(&file).unwrap().contains("<testsuites name=\"vllm-perf\""));

    let empty = tempfile::tempdir().unwrap();
    let refused =
        perf(&["show", empty.path().to_str().unwrap(), "--format", "json"]).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("holds no report of a suite that was asked for"), "{said}");
}
