//! Every verdict as a comment, and the limit of its length.

use super::*;
use crate::testing;

#[test]
fn every_verdict_as_a_comment() {
    let request = testing::request();
    let pages: Vec<String> = testing::every_verdict()
        .iter()
        .map(|reports| markdown(&Overview { reports, request: Some(&request), is_complete: true }))
        .collect();
    insta::assert_snapshot!(pages.join("\n========\n\n"));
}

#[test]
fn all_verdicts_of_one_run_in_one_summary() {
    let reports = testing::VERDICTS.map(testing::suite);
    insta::assert_snapshot!(markdown(&Overview {
        reports: &reports,
        request: Some(&testing::request()),
        is_complete: true
    }));
}

#[test]
fn a_suite_of_any_size_fits_and_says_what_it_left_out() {
    let request = testing::request();
    for guards in [1, 40, 200, 3_000] {
        let reports = [testing::large(guards)];
        let run = Overview { reports: &reports, request: Some(&request), is_complete: true };
        let page = markdown(&run);
        assert!(page.len() < MOST, "{guards} guards: {} bytes", page.len());
        let shown = page.matches("<details>").count();
        assert_eq!(shown, page.matches("</details>").count());
        assert_eq!(
            page.contains("left out here"),
            shown < guards,
            "{guards} guards, {shown} shown"
        );
        assert!(page.starts_with("**REGRESSED: "), "{}", &page[..80]);
        assert!(page.lines().next().unwrap().contains("`cargo xtask perf refresh awq"));
    }
}

#[test]
fn what_did_not_hold_is_kept_before_what_held() {
    let reports = [testing::large(200)];
    let page = markdown(&Overview { reports: &reports, request: None, is_complete: true });
    let regressed = page.matches(": REGRESSED</summary>").count();
    assert_eq!(regressed, 40, "every load that regressed has its details");
    assert!(page.matches(": held</summary>").count() < 160);
}

#[test]
fn an_interrupted_run_says_so_in_its_first_line() {
    let reports = [testing::suite(Verdict::Held)];
    let page = markdown(&Overview { reports: &reports, request: None, is_complete: false });
    assert!(page.starts_with("**held: 1 of 1 guard; the run was interrupted**"), "{page}");
}
