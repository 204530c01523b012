//! `cargo xtask perf history`: each guarded figure over the accepted baselines, as git has them, and over
//! the runs of this checkout.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Result, bail};
use perf_model::judge::anchor::AnchorLookup;
use perf_model::judge::baseline::{Baseline, StartsFile, starts_file};
use perf_model::judge::exit_code;
use perf_model::judge::history::{self, Accepted, Ran};
use perf_model::judge::report::LoadReport;
use perf_model::judge::verdict::Verdict;
use perf_model::spec::metric::Metric;
use perf_report::{history as rendered, html, terminal};
use perf_store::runs::{Runs, asked_at};
use perf_store::{anchors, atomic, report_file};

use crate::cli::{History, HistoryFormat};
use crate::error::unmeasurable;
use crate::git::git;
use crate::runs;
use crate::stdout::{say, say_as_it_is};

/// The figures of runs, by the file of their baseline.
type RanByFile = BTreeMap<(String, Metric), Vec<Ran>>;

/// Shows the histories of the baselines that were named.
pub(crate) fn history(asked: &History) -> Result<u8> {
    let root = runs::root();
    let folder = root.join("baselines");
    if !folder.is_dir() {
        bail!("there are no baselines yet; `cargo xtask perf refresh` makes them");
    }
    if git(&root, &["rev-parse", "--git-dir"]).is_none() {
        eprintln!(
            "warning: git knows no history of {}; only the baselines as they are now are shown",
            root.display()
        );
    }
    let ran = ran(&root);
    let mut histories = Vec::new();
    for (name, file) in runs::baselines(&folder, &asked.filters)? {
        let place = format!("baselines/{name}");
        let accepted = accepted(&root, &place);
        let Some(last) = accepted.last() else {
            eprintln!("warning: {place} cannot be read in any commit, and is left out");
            continue;
        };
        let anchor = match anchors::find(&file) {
            AnchorLookup::At(anchor) => Some(anchor),
            AnchorLookup::Nowhere | AnchorLookup::Unusable(_) => None,
        };
        for metric in last.baseline.slacks.keys() {
            let ran = ran.get(&(place.clone(), *metric)).map_or(&[][..], Vec::as_slice);
            histories.extend(history::History::of(
                &place,
                *metric,
                &accepted,
                ran,
                anchor.as_deref(),
            ));
        }
    }
    show(asked, &histories)
}

fn show(asked: &History, histories: &[history::History]) -> Result<u8> {
    let (format, output) = match &asked.html {
        Some(file) => (HistoryFormat::Html, Some(file)),
        None => (asked.format, asked.output.as_ref()),
    };
    let text = match format {
        HistoryFormat::Terminal => {
            histories.iter().map(terminal::history).collect::<Vec<_>>().join("\n")
        }
        HistoryFormat::Html => html::history(histories),
        HistoryFormat::Json => rendered::json(histories)? + "\n",
        HistoryFormat::Csv => rendered::csv(histories),
    };
    match output {
        Some(file) => {
            atomic::write(file, &text).map_err(unmeasurable)?;
            say(format!("wrote {}", file.display()));
        }
        None => say_as_it_is(text.trim_end_matches(['\r', '\n'])),
    }
    Ok(exit_code::HELD)
}

/// The baseline of a file in each commit that changed it, oldest first, and as it is now if that is not
/// committed. A commit whose baseline cannot be read is left out, and said.
fn accepted(root: &Path, file: &str) -> Vec<Accepted> {
    let log = git(root, &["log", "--reverse", "--format=%h%x09%ct%x09%s", "--", file]);
    let log = log.unwrap_or_default();
    let starts = starts_file(Path::new(file)).display().to_string();
    let mut found: Vec<Accepted> = Vec::new();
    let mut unread: Vec<String> = Vec::new();
    for line in log.lines() {
        let mut parts = line.splitn(3, '\t');
        let (Some(commit), Some(at), subject) = (parts.next(), parts.next(), parts.next()) else {
            continue;
        };
        let text = |file: &str| git(root, &["show", &format!("{commit}:./{file}")]);
        // A commit that deletes the file has no baseline.
        let Some(snapshot) = text(file) else { continue };
        let beside = text(&starts);
        let beside = StartsFile { name: &starts, text: beside.as_deref().ok_or("it is missing") };
        match perf_store::baselines::parse(&snapshot, &beside) {
            Ok(baseline) => found.push(Accepted {
                commit: Some(commit.to_owned()),
                at_unix_s: at.parse().unwrap_or_default(),
                subject: subject.unwrap_or_default().to_owned(),
                baseline,
            }),
            Err(why) => unread.push(format!("{commit}: {why}")),
        }
    }
    if let Some(last) = unread.last() {
        let count = unread.len();
        eprintln!("warning: {file} of {count} commits is left out, the last of them {last}");
    }
    found.extend(not_committed(&root.join(file), found.last().map(|last| &last.baseline)));
    found
}

/// The baseline as it is now, where that is not the last one of git.
fn not_committed(file: &Path, last: Option<&Baseline>) -> Option<Accepted> {
    let now = runs::baseline(file).ok().filter(|now| last != Some(now))?;
    let changed = std::fs::metadata(file).and_then(|found| found.modified()).ok();
    let since = changed.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    Some(Accepted {
        commit: None,
        at_unix_s: since.map_or(0, |since| since.as_secs()),
        subject: "not committed".to_owned(),
        baseline: now,
    })
}

/// The guarded figures of every run of this checkout. A run that cannot be read has none.
fn ran(root: &Path) -> RanByFile {
    let mut found = RanByFile::new();
    for (number, run) in Runs::of(root).all() {
        let name = format!("{number:04}");
        let reports = report_file::all_in(&run).unwrap_or_default();
        for report in reports.iter().filter_map(|path| report_file::read(path).ok()) {
            for load in report.loads.iter().filter(|load| is_comparable(load)) {
                add(&mut found, load, &name, asked_at(&run));
            }
        }
    }
    found
}

/// Whether what was measured is the same thing as the baseline.
fn is_comparable(load: &LoadReport) -> bool {
    !matches!(
        load.verdict,
        Verdict::Invalid | Verdict::Incomparable | Verdict::Unrecorded | Verdict::Skipped
    )
}

fn add(found: &mut RanByFile, load: &LoadReport, name: &str, at_unix_s: u64) {
    for row in &load.rows {
        let (Some(guard), Some(value)) = (&row.guard, row.measured) else { continue };
        let run = Ran { name: name.to_owned(), at_unix_s, value, verdict: guard.judgement.verdict };
        found.entry((load.baseline_file.clone(), row.metric)).or_default().push(run);
    }
}
