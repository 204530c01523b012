//! `cargo xtask perf published` as its user meets it, and the page that holds what it prints.

use crate::common::{out, perf, root};

/// Largest difference from a published figure, in percent: what the profiles are fitted to.
const BOUND: f64 = 5.0;

#[test]
fn every_published_figure_is_met_and_the_page_shows_what_the_command_prints() {
    let output = perf(&["published", "F1", "F3", "F4"]).output().unwrap();
    let text = out(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    let differences: Vec<f64> = text
        .lines()
        .filter(|line| line.contains('['))
        .filter_map(|line| line.strip_suffix(" %")?.rsplit(' ').next()?.parse().ok())
        .collect();
    assert_eq!(differences.len(), 26, "{text}");
    assert!(differences.iter().all(|percent| percent.abs() <= BOUND), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");

    let page = std::fs::read_to_string(root().join("docs/FIELD-REPORTS.md")).unwrap();
    assert!(
        page.contains(text.trim_end()),
        "docs/FIELD-REPORTS.md shows other figures; paste what the command prints:\n{text}"
    );
}

#[test]
fn an_unknown_report_is_named_with_those_that_there_are() {
    let output = perf(&["published", "F9"]).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("there is no field report `F9`; there are: F0, F1, "), "{error}");
}

#[test]
fn the_report_of_many_settings_is_printed_as_a_sweep() {
    let output = perf(&["published", "F2"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", out(&output));
    let snapshot = "tests/snapshots/f2_qwen3_8b_on_8_gpus__assert_as_published.snap";
    let snapshot = std::fs::read_to_string(root().join(snapshot)).unwrap();
    let (_, page) = snapshot.split_once("\nsweep ").unwrap();
    assert!(out(&output).contains(page.trim_end()), "{}", out(&output));
}
