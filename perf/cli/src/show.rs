//! `cargo xtask perf show`: the report of a run, and every figure recomputed from its records.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Result, bail};
use perf_model::judge::exit_code;
use perf_model::judge::report::SuiteReport;
use perf_model::record::file::{Header, Part, Record};
use perf_model::spec::settings::Purpose;
use perf_report::terminal;
use perf_store::{atomic, record_file, sweep_file};

use crate::cli::Show;
use crate::error::unmeasurable;
use crate::format::Format;
use crate::formats;
use crate::run_data::RunData;
use crate::stdout::{say, say_as_it_is};
use crate::{filters, runs, sweep};

/// Prints the verdicts of the run, then a table of figures for each load. A record that cannot be
/// read does not hide the others.
pub(crate) fn show(asked: &Show) -> Result<u8> {
    let run = runs::find(&asked.run)?;
    if asked.format != Format::Terminal {
        return in_format(asked, &run);
    }
    if let Some(file) = &asked.output {
        bail!(
            "{}: give a --format; the terminal's tables are not written to a file",
            file.display()
        );
    }
    let data = RunData::read(&run, &asked.filters)?;
    let mut has_report = !data.reports.is_empty();
    let is_judged =
        data.request.as_ref().is_none_or(|request| request.settings.purpose != Purpose::Refresh);
    if has_report && is_judged {
        say(terminal::overview(&data.overview()));
    }
    // The worst last, so that it is what a terminal shows.
    let mut reports: Vec<&SuiteReport> = data.reports.iter().collect();
    reports.sort_by_key(|report| report.verdict);
    for report in reports {
        say(terminal::suite(report));
    }
    let has_sweep = sweep::show(&run, &asked.filters)?;
    has_report |= has_sweep;
    let mut loads: BTreeMap<(String, String, Part), Vec<Record>> = BTreeMap::new();
    let mut unread = 0;
    // The records of a sweep are too many to be shown unasked.
    let records = if has_sweep && asked.filters.is_empty() {
        Vec::new()
    } else {
        perf_store::runs::files(&run, "jsonl")?
    };
    for path in records.into_iter().filter(|path| !path.ends_with(sweep_file::JOURNAL)) {
        if !filters::matches(
            &path.strip_prefix(&run).unwrap_or(&path).display().to_string(),
            &asked.filters,
        ) {
            continue;
        }
        match record_file::read(&path) {
            Ok(mut record) => {
                if let Some(suite) = suite_of_a_part(&path, &run, &record.header.suite) {
                    record.header.suite = suite;
                }
                let Header { suite, load, part, .. } = &record.header;
                loads.entry((suite.clone(), load.clone(), *part)).or_default().push(record);
            }
            Err(why) => {
                unread += 1;
                eprintln!("error: {why}");
            }
        }
    }
    for records in loads.values_mut() {
        records.sort_by_key(|record| (record.header.start, record.header.run));
        if records.iter().all(|record| record.header.search.is_none()) {
            say(terminal::figures(records));
            continue;
        }
        // The probes of a search make one figure.
        let run = |record: &Record| (record.header.start, record.header.run);
        for probes in records.chunk_by(|one, next| run(one) == run(next)) {
            say(terminal::search(probes));
        }
    }
    match (unread, loads.is_empty()) {
        (0, true) if has_report => Ok(exit_code::HELD),
        (0, true) => bail!("{} holds no records that were asked for", run.display()),
        (0, false) => Ok(exit_code::HELD),
        _ => bail!(
            "{unread} records of {} cannot be read, and are in no figure above",
            run.display()
        ),
    }
}

/// The name that a suite has in a merged run where several parts measured it: with that of its part.
fn suite_of_a_part(record: &Path, run: &Path, suite: &str) -> Option<String> {
    let top = record.strip_prefix(run).ok()?.iter().next()?.to_str()?;
    top.strip_prefix(suite)?.starts_with('@').then(|| top.to_owned())
}

/// Writes the run in another format than the terminal's.
fn in_format(asked: &Show, run: &Path) -> Result<u8> {
    let mut data = RunData::read(run, &asked.filters)?;
    let text = formats::render(asked.format, &mut data, run)?;
    match &asked.output {
        Some(file) => atomic::write(file, &text).map_err(unmeasurable)?,
        None => say_as_it_is(text.trim_end_matches(['\r', '\n'])),
    }
    if data.unread > 0 {
        bail!("{} files of {} cannot be read, and are left out", data.unread, run.display());
    }
    Ok(exit_code::HELD)
}
