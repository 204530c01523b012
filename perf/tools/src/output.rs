//! Shows and saves what came of the loads: [`result`].

use std::io::{ErrorKind, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use perf_model::analysis::run_analysis::RunAnalysis;
use perf_model::analysis::steady_state::Steady;
use perf_model::analysis::summary::Summary;
use perf_model::interop::vllm_bench;
use perf_model::record::client_load::{Calibration, ClientUse};
use perf_model::record::file::{CacheReset, ServerCounts};
use perf_model::record::finding::Finding;
use perf_model::record::left_out::LeftOut;
use perf_report::terminal;
use serde::Serialize;

use crate::cli::{Cli, Format};
use crate::date::stamp;
use crate::outcome::Outcome;
use crate::save::Save;

/// One load in JSON.
#[derive(Serialize)]
struct JsonResult<'a> {
    load: &'a str,
    url: &'a str,
    model: &'a str,
    vllm: Option<&'a str>,
    seed: u64,
    workload: &'a str,
    arrivals: &'a str,
    complete: bool,
    /// Why it is incomplete, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    faults: Vec<&'a str>,
    remarks: Vec<&'a str>,
    /// How late the sends of an open loop were.
    #[serde(skip_serializing_if = "Option::is_none")]
    lateness_p50_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lateness_p99_ms: Option<f64>,
    /// The share of prompt tokens that the prefix cache served.
    #[serde(skip_serializing_if = "Option::is_none")]
    prefix_hit_rate: Option<f64>,
    /// The figures of the steady part.
    #[serde(skip_serializing_if = "Option::is_none")]
    steady: Option<&'a Steady>,
    server: Option<&'a ServerCounts>,
    client: Option<&'a ClientUse>,
    cache_reset: Option<&'a CacheReset>,
    /// The fields that were not sent.
    #[serde(skip_serializing_if = "<[LeftOut]>::is_empty")]
    left_out: &'a [LeftOut],
    calibration: Option<&'a Calibration>,
    summary: &'a Summary,
    record: Option<String>,
}

/// Prints the result in the format that was asked for; one that is saved is printed as a table. A
/// result that cannot be saved is printed even so.
pub(crate) fn result(asked: &Cli, all: &[Outcome], save: Option<Save>) -> Result<()> {
    let text = text(asked, all)?;
    let (shown, saved) = match save {
        None => (text, Ok(())),
        Some(save) => (table(asked, all), save.finish(&text)),
    };
    // A closed pipe (`| head`) is not a failure: its reader has what it wanted.
    let written = match writeln!(std::io::stdout().lock(), "{}", shown.trim_end()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other.context("cannot write the result to standard output"),
    };
    for ran in all {
        // A table of figures has those of the record already.
        for remark in ran.analysis.remarks.iter().filter(|remark| !shown.contains(&remark.message))
        {
            eprintln!("{}: {remark}", ran.load.name);
        }
        for fault in &ran.analysis.faults {
            eprintln!("invalid: {}: {fault}", ran.load.name);
        }
        if !ran.record.is_complete() {
            let reason = ran
                .record
                .end
                .as_ref()
                .and_then(|end| end.reason.as_deref())
                .unwrap_or("interrupted");
            let (kept, all) = (ran.record.samples.len(), ran.load.requests);
            eprintln!(
                "{}: {reason} after {kept} of {all} requests; the figures are of these",
                ran.load.name
            );
        }
        if let Some(path) = &ran.path {
            eprintln!("record in {}", path.display());
        }
    }
    written.and(saved)
}

fn text(asked: &Cli, all: &[Outcome]) -> Result<String> {
    match asked.format {
        Format::Table => Ok(table(asked, all)),
        Format::Json => {
            let results: Vec<JsonResult> = all.iter().map(|ran| json_result(asked, ran)).collect();
            let text = match &results[..] {
                [one] if asked.sweep.is_none() => serde_json::to_string_pretty(one),
                all => serde_json::to_string_pretty(all),
            };
            text.context("the result cannot be written as JSON")
        }
        Format::VllmBench => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let one = |ran: &Outcome| {
                let model = &ran.record.header.fingerprint.model;
                vllm_bench::write(&ran.load, model, &stamp(now.as_secs()), &ran.record.samples)
            };
            Ok(all.iter().map(one).collect())
        }
    }
}

fn table(asked: &Cli, all: &[Outcome]) -> String {
    if asked.sweep.is_none() {
        return all
            .iter()
            .map(|ran| terminal::figures(std::slice::from_ref(&ran.record)))
            .collect();
    }
    let point = |ran: &Outcome| {
        let mark = if ran.record.is_complete() { "" } else { " (incomplete)" };
        format!("{}{mark}", ran.load.arrivals)
    };
    let rows: Vec<(String, &RunAnalysis)> =
        all.iter().map(|ran| (point(ran), &ran.analysis)).collect();
    let head = all.first().map_or_else(String::new, |ran| ran.record.header.workload.clone());
    format!("{}\n\n{}", terminal::folded(&head), terminal::sweep(&rows))
}

/// Findings as the sentences that they are in this format.
fn sentences(findings: &[Finding]) -> Vec<&str> {
    findings.iter().map(|finding| finding.message.as_str()).collect()
}

fn json_result<'a>(asked: &'a Cli, ran: &'a Outcome) -> JsonResult<'a> {
    let (header, end) = (&ran.record.header, ran.record.end.as_ref());
    JsonResult {
        load: &header.load,
        url: &asked.url,
        model: &header.fingerprint.model,
        vllm: header.fingerprint.vllm.as_deref(),
        seed: header.seed,
        workload: &header.workload,
        arrivals: &header.arrivals,
        complete: ran.record.is_complete(),
        reason: end.and_then(|end| end.reason.as_deref()),
        faults: sentences(&ran.analysis.faults),
        remarks: sentences(&ran.analysis.remarks),
        lateness_p50_ms: ran.analysis.lateness.map(|late| late.p50_ms),
        lateness_p99_ms: ran.analysis.lateness.map(|late| late.p99_ms),
        prefix_hit_rate: ran.analysis.prefix_hit_rate,
        steady: ran.analysis.steady.as_ref(),
        server: end.and_then(|end| end.server.as_ref()),
        client: end.and_then(|end| end.client.as_ref()),
        cache_reset: end.and_then(|end| end.cache_reset.as_ref()),
        left_out: end.map_or(&[], |end| &end.left_out),
        calibration: header.calibration.as_ref(),
        summary: &ran.analysis.summary,
        record: ran.path.as_ref().map(|path| path.display().to_string()),
    }
}
