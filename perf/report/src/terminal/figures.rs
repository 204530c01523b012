//! Figures recomputed from records: [`figures`].

use std::fmt::Write;

use perf_model::analysis::lateness::Lateness;
use perf_model::analysis::run_analysis::RunAnalysis;
use perf_model::analysis::steady_state::Steady;
use perf_model::analysis::summary::Summary;
use perf_model::record::client_load::ClientUse;
use perf_model::record::file::{CacheReset, Header, Part, Record};
use perf_model::spec::engine_kind::EngineKind;
use perf_model::spec::metric::{Metric, Quantity, Statistic};

use super::columns::Columns;
use super::table::{align_right, narrow_first, plain, shorten, trimmed};
use super::wrap::{folded, wrapped};

/// The latencies of the steady part that are shown; the record has the others.
const STEADY: [(Quantity, Statistic); 7] = [
    (Quantity::Ttft, Statistic::P50),
    (Quantity::Ttft, Statistic::P99),
    (Quantity::Tpot, Statistic::Mean),
    (Quantity::Itl, Statistic::P50),
    (Quantity::Itl, Statistic::P99),
    (Quantity::E2e, Statistic::P50),
    (Quantity::E2e, Statistic::P99),
];

/// What stands above the figures of a run.
fn column(header: &Header) -> String {
    match header.run {
        1 => format!("start {}", header.start),
        run => format!("{}.{run}", header.start),
    }
}

/// Every figure of one load, recomputed from the records of its starts: a column each, and their
/// median.
///
/// The records must be of the same load; at least one.
pub fn figures(records: &[Record]) -> String {
    let Some(first) = records.first().map(|record| &record.header) else {
        return String::new();
    };
    let analyses: Vec<RunAnalysis> = records.iter().map(RunAnalysis::of).collect();
    let summaries: Vec<&Summary> = analyses.iter().map(|analysis| &analysis.summary).collect();
    let mut head = vec![String::new()];
    // One repetition is its own median, and of many there is no room for each.
    let columns = Columns::of(records.len());
    head.extend(columns.head(records.iter().map(|record| column(&record.header))));
    let mut rows: Vec<Vec<String>> = Vec::new();
    let count = |name: &str, of: &dyn Fn(&Summary) -> u64| {
        let counts: Vec<u64> = summaries.iter().map(|summary| of(summary)).collect();
        let cells = columns.counts(&counts);
        std::iter::once(name.to_owned()).chain(cells).collect::<Vec<_>>()
    };
    rows.push(count("requests", &|summary| summary.requests as u64));
    rows.push(count("failed", &|summary| summary.failed() as u64));
    rows.push(count("prompt tokens", &|summary| summary.prompt_tokens));
    rows.push(count("output tokens", &|summary| summary.output_tokens));
    let mut shown = |name: String, values: Vec<Option<f64>>, estimated: Vec<bool>| {
        let cells = columns.values(&values, &estimated);
        rows.push(std::iter::once(name).chain(cells).collect());
    };
    let exact = vec![false; records.len()];
    let marks = |metric: Metric| summaries.iter().map(|it| it.is_estimated(metric)).collect();
    let mut line = |name: String, values| shown(name, values, exact.clone());
    line(
        "duration [s]".to_owned(),
        summaries.iter().map(|summary| Some(summary.duration_s)).collect(),
    );
    let hits = analyses.iter().map(|analysis| Some(analysis.prefix_hit_rate? * 100.0));
    line("prefix-cache hits [%]".to_owned(), hits.collect());
    let of = |value: fn(&Steady) -> Option<f64>| {
        analyses.iter().map(|analysis| analysis.steady.as_ref().and_then(value)).collect()
    };
    line("steady state [s]".to_owned(), of(|steady| Some(steady.to_s - steady.from_s)));
    let throughput = Metric::whole_server(Quantity::OutputThroughput).map_or(exact.clone(), marks);
    let values = of(|steady| steady.output_throughput);
    shown("steady output throughput [tok/s]".to_owned(), values, throughput);
    let values = of(|steady| Some(steady.request_throughput));
    shown("steady request throughput [req/s]".to_owned(), values, exact.clone());
    for metric in
        STEADY.into_iter().filter_map(|(quantity, statistic)| Metric::of(quantity, statistic))
    {
        let value =
            |analysis: &RunAnalysis| analysis.steady.as_ref()?.latencies.get(&metric).copied();
        let values: Vec<Option<f64>> = analyses.iter().map(value).collect();
        if values.iter().any(Option::is_some) {
            shown(format!("steady {} [{}]", metric.label(), metric.unit()), values, marks(metric));
        }
    }
    for (name, values) in of_the_client(records, &analyses) {
        if values.iter().any(Option::is_some) {
            shown(name.to_owned(), values, exact.clone());
        }
    }
    for metric in Metric::all().chain(Metric::minima()) {
        let values: Vec<Option<f64>> =
            summaries.iter().map(|summary| summary.values.get(&metric).copied()).collect();
        if values.iter().any(Option::is_some) {
            shown(format!("{} [{}]", metric.label(), metric.unit()), values, marks(metric));
        }
    }
    narrow_first(&head, &mut rows);
    let mut table = plain(&head);
    table.add_rows(rows);
    align_right(&mut table, 1..head.len());
    let part = match first.part {
        Part::Judged => "",
        Part::Base => "base of a side-by-side confirmation",
        Part::Candidate => "candidate of a side-by-side confirmation",
    };
    let mut text = folded(&format!("{} / {}\n", first.suite, first.load));
    if !part.is_empty() {
        let _ = writeln!(text, "  {part}");
    }
    if columns == Columns::Range {
        let _ = writeln!(text, "  {} runs", records.len());
    }
    let engine =
        if first.fingerprint.engine == EngineKind::Simulated { "SIMULATED" } else { "measured" };
    let ran = format!("{engine} · {} · {}", first.fingerprint.hardware, first.arrivals);
    text.push_str(&wrapped(&ran, "  "));
    text.push_str(&wrapped(&shorten(&first.workload), "  "));
    let _ = writeln!(text, "\n{}", trimmed(&table));
    for line in messages(records, &analyses).lines() {
        text.push_str(&wrapped(line, "  "));
    }
    text
}

/// What the records say besides figures: calibration, cache reset, failures, remarks and faults.
fn messages(records: &[Record], analyses: &[RunAnalysis]) -> String {
    let mut text = String::new();
    for (record, calibration) in
        records.iter().filter_map(|record| Some((record, record.header.calibration?)))
    {
        let _ = writeln!(
            text,
            "  start {}: calibration of the load generator: {calibration}",
            record.header.start
        );
    }
    for record in records {
        let what = match record.end.as_ref().and_then(|end| end.cache_reset.as_ref()) {
            Some(CacheReset::Done) => "the prefix cache was reset before the load".to_owned(),
            Some(CacheReset::Refused(why)) => {
                format!("the server refused to reset its prefix cache before the load: {why}")
            }
            Some(CacheReset::NotOffered) | None => continue,
        };
        let _ = writeln!(text, "  start {}: {what}", record.header.start);
    }
    for record in records.iter().filter(|record| !record.is_complete()) {
        let reason = record
            .end
            .as_ref()
            .and_then(|end| end.reason.as_deref())
            .unwrap_or("the process that wrote it was killed");
        let _ = writeln!(text, "  start {} is incomplete: {reason}", record.header.start);
    }
    for (analysis, record) in analyses.iter().zip(records) {
        for (kind, count) in &analysis.summary.failures {
            let _ =
                writeln!(text, "  start {}: {count} requests failed: {kind}", record.header.start);
        }
    }
    for (analysis, record) in analyses.iter().zip(records) {
        for what in &analysis.remarks {
            let _ = writeln!(text, "  start {}: {what}", record.header.start);
        }
        for what in &analysis.faults {
            let _ = writeln!(text, "  start {} is INVALID: {what}", record.header.start);
        }
    }
    text
}

/// What the client used of its machine, and how late it sent: a value for each record.
fn of_the_client(
    records: &[Record],
    analyses: &[RunAnalysis],
) -> [(&'static str, Vec<Option<f64>>); 5] {
    let client = |value: fn(&ClientUse) -> Option<f64>| {
        records.iter().map(|record| value(record.end.as_ref()?.client.as_ref()?)).collect()
    };
    let lateness = |value: fn(Lateness) -> f64| {
        analyses.iter().map(|analysis| analysis.lateness.map(value)).collect()
    };
    [
        ("sends late P50 [ms]", lateness(|late| late.p50_ms)),
        ("sends late P99 [ms]", lateness(|late| late.p99_ms)),
        ("client [cores]", client(ClientUse::cores)),
        (
            "client's event loop late P99 [ms]",
            client(|client| Some(client.lag_p99_us as f64 / 1_000.0)),
        ),
        (
            "client's event loop late at most [ms]",
            client(|client| Some(client.lag_max_us as f64 / 1_000.0)),
        ),
    ]
}
