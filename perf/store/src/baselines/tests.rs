//! The two files of a baseline: their place, what a killed writer leaves, and the form of older
//! versions.

use perf_model::judge::anchor::AnchorLookup;
use perf_model::judge::baseline::starts_file;
use perf_model::spec::units::percent;

use super::*;

fn baseline(runs: &[f64]) -> Baseline {
    let metric = "ttft_p50_ms".parse().unwrap();
    let starts = runs.iter().map(|run| vec![*run]).collect();
    Baseline {
        suite: "s".into(),
        load: "l".into(),
        workload: String::new(),
        arrivals: String::new(),
        fingerprint: perf_model::fixtures::fingerprint(),
        measured_on: None,
        gpu_s_per_start: 0.0,
        slacks: [(metric, percent(5.0))].into(),
        estimated: [].into(),
        metrics: [(metric, vec![starts])].into(),
    }
}

/// A folder with this baseline in it.
fn recorded(baseline: &Baseline) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("s/l.snap");
    write(&Lock::on(&file).unwrap(), &file, baseline).unwrap();
    (folder, file)
}

fn found(file: &Path) -> Baseline {
    match find(file) {
        BaselineLookup::Baseline(baseline) => *baseline,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_baseline_of_another_suite_or_load_than_its_path_says_is_unusable() {
    let folder = tempfile::tempdir().unwrap();
    for (path, is_usable) in [("s/l.snap", true), ("s/m.snap", false), ("t/l.snap", false)] {
        let file = folder.path().join(path);
        write(&Lock::on(&file).unwrap(), &file, &baseline(&[1.0])).unwrap();
        match find(&file) {
            BaselineLookup::Baseline(_) => assert!(is_usable, "{path}"),
            BaselineLookup::Unusable(why) => {
                assert!(!is_usable && why.contains("s/l.snap, and its path is "), "{why}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_writer_that_is_killed_between_two_files_leaves_the_old_baseline_or_the_new_one() {
    let (old, new) = (baseline(&[1.0, 1.1]), baseline(&[2.0, 2.1]));
    let (_folder, file) = recorded(&old);
    let Texts { snapshot, starts } = texts(&new);
    std::fs::write(pending_starts_file(&file), &starts).unwrap();
    assert_eq!(found(&file), old);
    std::fs::write(&file, &snapshot).unwrap();
    assert_eq!(found(&file), new);
    assert!(has_pending_starts(&file));
    // A refresh after that, which is killed early, loses none of what was accepted.
    let newer = baseline(&[3.0]);
    write_files(&file, &newer).unwrap();
    assert_eq!(found(&file), newer);
    assert!(!pending_starts_file(&file).exists());
}

#[test]
fn a_baseline_that_cannot_be_written_stays_as_it_was_with_its_engine_starts() {
    let old = baseline(&[1.0, 1.1]);
    let (_folder, file) = recorded(&old);
    // In the place of the pending engine starts, which are written first.
    std::fs::create_dir_all(pending_starts_file(&file).join("in its place")).unwrap();
    assert!(write_files(&file, &baseline(&[2.0])).is_err());
    assert_eq!(found(&file), old);
}

#[test]
fn pending_engine_starts_go_when_nothing_waits_for_them() {
    let (_folder, file) = recorded(&baseline(&[1.0]));
    assert!(leave_pending_starts(&file, &baseline(&[2.0])).unwrap());
    assert!(pending_starts_file(&file).exists() && !has_pending_starts(&file));
    settle_pending_starts(&file);
    assert!(!pending_starts_file(&file).exists());
    // Those of a snapshot that was accepted stay, and no others take their place.
    let accepted = texts(&baseline(&[2.0]));
    std::fs::write(pending_starts_file(&file), &accepted.starts).unwrap();
    std::fs::write(&file, &accepted.snapshot).unwrap();
    settle_pending_starts(&file);
    assert!(!leave_pending_starts(&file, &baseline(&[3.0])).unwrap());
    assert_eq!(found(&file), baseline(&[2.0]));
}

/// As version 0.1 wrote it before engine starts had a file of their own.
const OLD: &str = "---
source: perf/src/baselines.rs
---
schema: 2
suite: \"s\"
load: \"l\"
workload: \"\"
arrivals: \"\"
engine: process
hardware: \"1 × NVIDIA H200\"
model: \"m\"
arguments: []
environment: []
under_test: []
image: null
image_digest: null
vllm: \"0.23.0\"
driver: null
gpu_s_per_start: 61.8
metrics: # 1, each with its median, and the engine starts of every session
  ttft_p50_ms: { median: 265.661, starts: [[265.661, 265.942, 256.482]] }
";

#[test]
fn the_form_of_older_versions_is_read_and_rewritten_once_and_so_is_its_anchor() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("s/l.snap");
    let lock = Lock::on(&file).unwrap();
    std::fs::write(&file, OLD).unwrap();
    let body = OLD.split_once("\n---\n").unwrap().1;
    std::fs::write(anchor_file(&file), format!("reason: \"because\"\n{body}")).unwrap();
    let old = found(&file);
    assert_eq!(old.rests_on(), (3, 1));
    let mut new = old.clone();
    new.slacks.insert("ttft_p50_ms".parse().unwrap(), percent(5.0));
    assert!(rewrite(&lock, &file, &new).unwrap());
    assert_eq!(found(&file), new);
    assert_eq!(Baseline { slacks: [].into(), ..new.clone() }, old);
    let AnchorLookup::At(anchor) = anchors::find(&file) else { panic!("the anchor is gone") };
    assert_eq!((anchor.reason.as_str(), &anchor.baseline), ("because", &new));
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("schema: 4\n") && starts_file(&file).exists(), "{text}");
    assert!(!rewrite(&lock, &file, &new).unwrap(), "it was rewritten twice");
}
