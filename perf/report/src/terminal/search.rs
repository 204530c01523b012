//! A search for the highest load, followed again on its records: [`search`].

use std::fmt::Write;

use perf_model::analysis::search::{SearchAnalysis, number};
use perf_model::record::file::Record;
use perf_model::spec::engine_kind::EngineKind;

use super::table::{align_right, plain, shorten, trimmed};
use super::wrap::{broken, folded, wrapped};

/// The probes of one search, a row each, and what it found.
///
/// The records must be of one search; without one there is no text.
pub fn search(records: &[Record]) -> String {
    let (Some(first), Some(found)) =
        (records.first().map(|record| &record.header), SearchAnalysis::of(records))
    else {
        return String::new();
    };
    let unit = found.of.metric().unit();
    let mut table = plain(&[
        "probe".to_owned(),
        format!("[{unit}]"),
        "requests".to_owned(),
        "met".to_owned(),
        "at least".to_owned(),
        "at most".to_owned(),
        "worth".to_owned(),
        String::new(),
    ]);
    for probe in &found.probes {
        let percent = |of: Option<f64>| {
            of.map_or_else(|| "–".to_owned(), |share| format!("{:.2} %", share * 100.0))
        };
        table.add_row([
            probe.number.to_string(),
            number(probe.at),
            probe.requests.to_string(),
            percent(probe.share.map(|share| share.value)),
            percent(probe.share.map(|share| share.low)),
            percent(probe.share.map(|share| share.high)),
            probe.share.map_or_else(|| "–".to_owned(), |share| format!("{:.0}", share.effective)),
            broken(probe.in_words(), 15),
        ]);
    }
    align_right(&mut table, 0..7);
    let run = first.part.folder(first.start, first.run).replace('-', " ").replace('/', ", ");
    let mut text = folded(&format!("{} / {}   {run}\n", first.suite, first.load));
    let engine =
        if first.fingerprint.engine == EngineKind::Simulated { "SIMULATED" } else { "measured" };
    let ran = format!("{engine} · {} · {}", first.fingerprint.hardware, found.of);
    text.push_str(&wrapped(&ran, "  "));
    text.push_str(&wrapped(&shorten(&first.workload), "  "));
    let _ = writeln!(text, "\n{}", trimmed(&table));
    let sentence = found.sentence();
    text.push_str(&wrapped(&sentence, "  "));
    for remark in &found.remarks {
        text.push_str(&wrapped(&remark.to_string(), "  "));
    }
    for fault in found.faults.iter().filter(|fault| fault.message != sentence) {
        text.push_str(&wrapped(&format!("INVALID: {fault}"), "  "));
    }
    text
}

#[cfg(test)]
mod tests {
    use perf_model::fixtures;
    use perf_model::record::file::{End, Header};
    use perf_model::record::sample::Sample;
    use perf_model::record::search_probe::SearchProbe;
    use perf_model::spec::load::{Arrivals, Load, Objective};
    use perf_model::spec::load_search::{Axis, LoadSearch};
    use perf_model::spec::metric::Quantity;
    use perf_model::spec::units::{millis, per_second};

    use super::*;

    /// A probe at a rate, in which each request took so long.
    fn record(number: u32, at: f64, e2e_us: u64) -> Record {
        let axis = Axis::Rate { from: per_second(1.0), to: per_second(64.0) };
        let load = Load {
            arrivals: Arrivals::ConstantRate(per_second(at)),
            requests: 1_000,
            objectives: vec![Objective { quantity: Quantity::E2e, limit: millis(50.0) }],
            ..fixtures::load()
        };
        let search = Some(SearchProbe { number, at, of: LoadSearch::along(axis) });
        let fingerprint = fixtures::fingerprint();
        let samples = (0..1_000).map(|index| {
            let intended_us = u64::from(index) * 60_000;
            let end_us = intended_us + e2e_us;
            Sample { index, intended_us, sent_us: intended_us, end_us, ..fixtures::sample() }
        });
        Record {
            header: Header { search, ..Header::of(&load, "suite", fingerprint) },
            samples: samples.collect(),
            gpu_readings: Vec::new(),
            end: Some(End { complete: number != 3, ..End::default() }),
        }
    }

    #[test]
    fn every_probe_has_a_row_and_the_search_its_answer() {
        insta::assert_snapshot!(search(&[record(2, 17.0, 60_000), record(1, 16.0, 20_000)]));
    }

    #[test]
    fn a_search_that_found_nothing_says_why() {
        insta::assert_snapshot!(search(&[record(1, 16.0, 20_000), record(3, 24.5, 90_000)]));
        assert_eq!(search(&[]), "");
    }
}
