//! What a duet is held with, and what it says of a verdict.

use perf_gate::Design;

use super::*;
use crate::analysis::summary::Summary;
use crate::fixtures;
use crate::judge::anchor::AnchorLookup;
use crate::judge::compare::{BaselineLookup, Places, Reference, compare};
use crate::judge::results::LoadResults;
use crate::spec::units::percent;

fn docker(digest: &str, under_test: &[&str]) -> Fingerprint {
    Fingerprint {
        under_test: under_test.iter().map(|word| (*word).to_owned()).collect(),
        image: Some("vllm:1".into()),
        image_digest: Some(digest.into()),
        vllm: Some("1".into()),
        driver: Some("565".into()),
        ..Fingerprint::new(EngineKind::Docker, "1 × NVIDIA H200", "m")
    }
}

#[test]
fn a_faulty_side_is_named_by_its_engine_start_and_repetition() {
    let mut side: Vec<RepetitionResult> = [1, 1, 2, 2].map(crate::fixtures::repetition).into();
    side[3].faults.push(Finding::new(FindingCode::RequestsFailed, "it stalled"));
    assert_eq!(faults(&side).as_deref(), Some("start 2, repetition 2 of one side: it stalled"));
}

fn of(baseline: &Fingerprint, now: &Fingerprint) -> Result<Variant, String> {
    base(baseline, now, &Settings::default(), 4)
}

#[test]
fn the_base_of_an_upgrade_is_the_image_that_the_baseline_was_measured_on() {
    let base = of(
        &docker("sha256:a", &["--max-num-seqs=8", "OMP_NUM_THREADS=1"]),
        &docker("sha256:b", &[]),
    )
    .unwrap();
    assert_eq!(base.image.as_deref(), Some("sha256:a"));
    assert_eq!(base.arguments, ["--max-num-seqs=8"]);
    assert_eq!(base.environment["OMP_NUM_THREADS"], "1");
}

#[test]
fn an_argument_under_test_is_switched_on_the_same_image() {
    let base = of(&docker("sha256:a", &[]), &docker("sha256:a", &["--enforce-eager"])).unwrap();
    assert_eq!((base.image.as_deref(), base.arguments.len()), (Some("sha256:a"), 0));
}

#[test]
fn what_cannot_be_switched_is_never_overturned() {
    let now = docker("sha256:b", &[]);
    let driver = Fingerprint { driver: Some("570".into()), ..now.clone() };
    assert!(of(&docker("sha256:a", &[]), &driver).unwrap_err().contains("the driver changed"));
    assert!(of(&now, &now).unwrap_err().contains("what changed is the machine"));
    let as_engine = |engine, vllm: &str| Fingerprint {
        engine,
        vllm: Some(vllm.into()),
        ..docker("", &["--x"])
    };
    let before = Fingerprint { under_test: vec![], ..as_engine(EngineKind::Process, "1") };
    assert!(
        of(&before, &as_engine(EngineKind::Process, "2"))
            .unwrap_err()
            .contains("give it with `--base-vllm PATH`")
    );
    assert!(of(&before, &as_engine(EngineKind::Remote, "1")).unwrap_err().contains("remote"));
}

#[test]
fn a_local_vllm_is_the_base_where_it_was_given_or_where_only_arguments_differ() {
    let now = |vllm: &str, under_test: &[&str]| Fingerprint {
        engine: EngineKind::Process,
        vllm: Some(vllm.into()),
        ..docker("", under_test)
    };
    let at = |path: &str| Variant { vllm: Some(path.into()), ..Variant::default() };
    let mut settings = Settings { candidate: at("new/vllm"), ..Settings::default() };
    let eager = base(&now("1", &[]), &now("1", &["--enforce-eager"]), &settings, 4).unwrap();
    assert_eq!(eager.vllm, settings.candidate.vllm);
    settings.base = Some(at("old/vllm"));
    assert_eq!(
        base(&now("1", &[]), &now("2", &[]), &settings, 4).unwrap().vllm,
        Some("old/vllm".into())
    );
    // A build of one's own may call itself what the release is called.
    assert_eq!(
        base(&now("1", &[]), &now("1", &[]), &settings, 4).unwrap().vllm,
        Some("old/vllm".into())
    );
    settings.base = Some(at("new/vllm"));
    assert!(
        base(&now("1", &[]), &now("1", &[]), &settings, 4)
            .unwrap_err()
            .contains("what changed is the machine")
    );
}

fn throughput() -> Metric {
    "output_throughput_tok_per_s".parse().unwrap()
}

/// A start each, of one run.
fn starts(values: &[f64]) -> Vec<RepetitionResult> {
    (1..)
        .zip(values)
        .map(|(start, value)| RepetitionResult {
            summary: Summary { values: [(throughput(), *value)].into(), ..Summary::default() },
            fingerprint: docker("sha256:a", &[]),
            ..fixtures::repetition(start)
        })
        .collect()
}

const BEFORE: [f64; 5] = [100.0, 101.0, 99.0, 100.5, 99.5];

/// What is left of a load that measured these throughputs, when a duet of two sides says so: its
/// verdict, its reason, and whether another pair is wanted.
fn settled(measured: &[f64], base: &[f64], candidate: &[f64]) -> (Verdict, String, bool) {
    after(measured, &starts(base), &starts(candidate))
}

fn after(
    measured: &[f64],
    base: &[RepetitionResult],
    candidate: &[RepetitionResult],
) -> (Verdict, String, bool) {
    let (load, guards) = (fixtures::load(), [Guard::new(throughput(), percent(2.5))]);
    let (before, measured) = (starts(&BEFORE), starts(measured));
    let results =
        |starts| LoadResults { suite: "s", load: &load, guards: &guards, published: &[], starts };
    let baseline = results(&before).as_baseline().unwrap();
    let gate = Gate::new(Design::of(1)).unwrap();
    let places = Places { baseline_file: "b.snap".into(), records: "r".into() };
    let found = BaselineLookup::Baseline(Box::new(baseline.clone()));
    let reference = Reference::Baseline(&gate);
    let mut report =
        compare(&results(&measured), &found, &AnchorLookup::Nowhere, reference, places);
    let mut open = suspects(&report, &guards);
    assert_eq!(open.len(), 1, "{report:?}");
    let raised_by =
        Suspicion { baseline: &baseline, starts: &measured, most_pairs: 4, suspects: 1 };
    settle(&mut report, &mut open, &gate, &raised_by, base, candidate);
    let judgement = judgement(&report, throughput()).unwrap();
    let notes = fixtures::sentences(&report.notes).join("; ");
    (judgement.verdict, judgement.reason.clone().unwrap_or(notes), !open.is_empty())
}

const WORSE: [f64; 3] = [90.0, 90.2, 89.9];

#[test]
fn a_loss_that_the_sides_show_as_well_is_confirmed_with_their_figures() {
    let (verdict, reason, is_open) =
        settled(&WORSE, &[100.0, 100.2, 99.9, 100.1], &[90.0, 90.1, 89.8, 90.2]);
    assert_eq!((verdict, is_open), (Verdict::Regressed, false));
    assert!(reason.starts_with("confirmed in a duet of 4 pairs: -10.0 % ("), "{reason}");
}

#[test]
fn a_loss_that_the_sides_do_not_show_is_overturned() {
    let (verdict, reason, is_open) =
        settled(&WORSE, &[90.0, 90.2, 89.9, 90.1], &[90.1, 90.1, 89.8, 90.2]);
    assert_eq!((verdict, is_open), (Verdict::Held, false));
    assert!(
        reason.starts_with("the difference to the baseline does not show side by side"),
        "{reason}"
    );
}

#[test]
fn a_gain_that_the_sides_show_as_well_is_confirmed_as_one() {
    let (verdict, reason, is_open) = settled(
        &[110.0, 110.2, 109.9],
        &[100.0, 100.2, 99.9, 100.1],
        &[110.0, 110.1, 109.8, 110.2],
    );
    assert_eq!((verdict, is_open), (Verdict::Improved, false));
    assert!(reason.starts_with("confirmed in a duet of 4 pairs: +10.0 % ("), "{reason}");
}

#[test]
fn one_pair_decides_nothing_and_another_is_wanted() {
    let (verdict, _, is_open) = settled(&WORSE, &[100.0], &[90.0]);
    assert_eq!((verdict, is_open), (Verdict::Regressed, true));
}

#[test]
fn a_side_that_failed_leaves_the_verdict_as_it_was_and_says_why() {
    let mut base = starts(&[100.0, 100.2, 99.9, 100.1]);
    base[1].faults.push(Finding::new(FindingCode::RequestsFailed, "it stalled"));
    let (verdict, why, is_open) = after(&WORSE, &base, &starts(&[90.0, 90.1, 89.8, 90.2]));
    assert_eq!((verdict, is_open), (Verdict::Regressed, false));
    assert!(why.contains("the duet gave no result: start 2 of one side: it stalled"), "{why}");
}

#[test]
fn a_base_of_another_vllm_than_the_baselines_confirms_nothing() {
    let mut base = starts(&[100.0, 100.2, 99.9, 100.1]);
    for start in &mut base {
        start.fingerprint.vllm = Some("0.9".into());
    }
    let (verdict, why, is_open) = after(&WORSE, &base, &starts(&[90.0, 90.1, 89.8, 90.2]));
    assert_eq!((verdict, is_open), (Verdict::Regressed, false));
    assert!(
        why.contains("the baseline was measured on vLLM 1, but the duet started vLLM 0.9"),
        "{why}"
    );
}

#[test]
fn a_gain_without_a_duet_is_not_reported_where_the_baseline_knows_no_days() {
    let mut base = starts(&[100.0, 100.2, 99.9, 100.1]);
    base[0].faults.push(Finding::new(FindingCode::RequestsFailed, "it stalled"));
    let (verdict, reason, _) = after(&[110.0, 110.2, 109.9], &base, &starts(&[110.0; 4]));
    assert_eq!(verdict, Verdict::Held);
    assert!(
        reason.contains("not reported as an improvement, because no duet confirmed it"),
        "{reason}"
    );
}

#[test]
fn a_duet_says_whose_clock_it_was_when_it_ends_and_not_before() {
    let clock = Metric::whole_server(crate::spec::quantity::Quantity::MeanSmClock).unwrap();
    let at = |values: &[f64], mhz: f64| {
        let mut side = starts(values);
        for start in &mut side {
            start.summary.values.insert(clock, mhz);
        }
        side
    };
    let noted = |pairs: usize| {
        let (base, candidate) = ([100.0, 100.2, 99.9, 100.1], [90.0, 90.1, 89.8, 90.2]);
        let results = LoadResults {
            suite: "s",
            load: &fixtures::load(),
            guards: &[Guard::new(throughput(), percent(2.5))],
            published: &[],
            starts: &at(&WORSE, 1_740.0),
        };
        let before = at(&BEFORE, 1_905.0);
        let baseline = LoadResults { starts: &before, ..results.clone() }.as_baseline().unwrap();
        let gate = Gate::new(Design::of(1)).unwrap();
        let places = Places { baseline_file: "b.snap".into(), records: "r".into() };
        let found = BaselineLookup::Baseline(Box::new(baseline.clone()));
        let reference = Reference::Baseline(&gate);
        let mut report = compare(&results, &found, &AnchorLookup::Nowhere, reference, places);
        let mut open = suspects(&report, results.guards);
        let raised_by =
            Suspicion { baseline: &baseline, starts: results.starts, most_pairs: 4, suspects: 1 };
        let (base, candidate) = (at(&base[..pairs], 1_890.0), at(&candidate[..pairs], 1_740.0));
        settle(&mut report, &mut open, &gate, &raised_by, &base, &candidate);
        report.notes.iter().filter(|note| note.code == FindingCode::ClockDiffers).count()
    };
    // The one is of the baseline, the other of the duet.
    assert_eq!((noted(1), noted(4)), (1, 2));
}
