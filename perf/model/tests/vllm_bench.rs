//! The file of `vllm bench serve`, against one that vLLM 0.32.0 wrote.

#![expect(clippy::unwrap_used, reason = "a helper that unwraps fails the test that calls it")]

use std::collections::BTreeMap;

use perf_model::analysis::run_analysis::RunAnalysis;
use perf_model::analysis::summary::{Summary, summarize};
use perf_model::interop::vllm_bench::{ReadError, read, read_all, write};
use perf_model::record::chunks::Chunk;
use perf_model::record::chunks::Chunks;
use perf_model::record::sample::{FailureKind, Outcome, Sample};
use perf_model::spec::load::{Arrivals, Length, Load, OutputLength, Prompts, Workload};
use perf_model::spec::metric::Metric;
use perf_model::spec::units::per_second;
use serde_json::Value;

const SAVED: &str = include_str!("fixtures/vllm-bench-serve-0.32.0.json");
/// 64 at a time, with several tokens in most chunks. Texts are left out, and times rounded to a
/// tenth of a microsecond.
const CROWDED: &str = include_str!("fixtures/vllm-bench-serve-0.32.0-c64.json");

fn load(arrivals: Arrivals) -> Load {
    Load {
        name: "l".into(),
        workload: Workload {
            prompts: Prompts::RandomTokens { length: Length::Fixed(64) },
            output: OutputLength::Exactly(64),
            ..perf_model::fixtures::load().workload
        },
        arrivals,
        requests: 64,
        warmup: 0,
        objectives: vec![],
        ..perf_model::fixtures::load()
    }
}

fn kind(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "boolean".to_owned(),
        Value::Number(number) => if number.is_f64() { "float" } else { "integer" }.to_owned(),
        Value::String(_) => "string".to_owned(),
        Value::Array(values) => {
            format!("list of {}", values.first().map_or_else(|| "nothing".to_owned(), kind))
        }
        Value::Object(_) => "object".to_owned(),
    }
}

fn kinds(text: &str) -> BTreeMap<String, String> {
    let file: serde_json::Map<String, Value> = serde_json::from_str(text).unwrap();
    file.into_iter().map(|(key, value)| (key, kind(&value))).collect()
}

fn value(summary: &Summary, key: &str) -> f64 {
    summary.values[&key.parse::<Metric>().unwrap()]
}

#[test]
fn every_key_of_vllm_is_written_with_a_value_of_its_type() {
    let record = read(SAVED, "l").unwrap();
    let written =
        write(&load(Arrivals::Concurrency(8)), "tiny", "20261122-013534", &record.samples);
    assert_eq!(kinds(&written), kinds(SAVED));
}

#[test]
fn the_keys_stand_in_the_order_of_vllm() {
    let record = read(SAVED, "l").unwrap();
    let written =
        write(&load(Arrivals::Concurrency(8)), "tiny", "20261122-013534", &record.samples);
    let places = |text: &str| {
        let mut keys: Vec<(usize, String)> = kinds(text)
            .into_keys()
            .map(|key| (text.find(&format!("\"{key}\":")).unwrap(), key))
            .collect();
        keys.sort();
        keys.into_iter().map(|(_, key)| key).collect::<Vec<_>>()
    };
    assert_eq!(places(&written), places(SAVED));
}

#[test]
fn the_figures_of_a_saved_run_come_out_as_vllm_says() {
    let record = read(SAVED, "c8").unwrap();
    let saved: Value = serde_json::from_str(SAVED).unwrap();
    let summary = summarize(&record.samples, &[]);
    assert_eq!((summary.requests, summary.failed(), summary.output_tokens), (64, 0, 4_096));
    assert_eq!(summary.prompt_tokens, 4_110);
    for (ours, theirs) in [
        ("ttft_mean_ms", "mean_ttft_ms"),
        ("ttft_p99_ms", "p99_ttft_ms"),
        ("tpot_mean_ms", "mean_tpot_ms"),
        ("itl_p50_ms", "median_itl_ms"),
        ("e2e_p90_ms", "p90_e2el_ms"),
    ] {
        let (ours, theirs) = (value(&summary, ours), saved[theirs].as_f64().unwrap());
        assert!((ours - theirs).abs() < 2e-3, "{ours} for {theirs}");
    }
    // Their duration ends when the last task was gathered, ours with the last response.
    assert!(
        (value(&summary, "output_throughput_tok_per_s")
            / saved["output_throughput"].as_f64().unwrap()
            - 1.0)
            .abs()
            < 0.01
    );
    assert!(record.is_complete());
    assert_eq!(record.header.arrivals, "8 concurrent, 64 requests");
    assert_eq!(record.header.fingerprint.vllm, None);
}

#[test]
fn the_figures_of_a_crowded_run_come_out_too_and_its_token_times_are_called_estimated() {
    let record = read(CROWDED, "c64").unwrap();
    let saved: Value = serde_json::from_str(CROWDED).unwrap();
    let analysis = RunAnalysis::of(&record);
    let summary = &analysis.summary;
    assert_eq!((summary.requests, summary.failed(), summary.output_tokens), (256, 0, 16_384));
    for (ours, theirs) in [
        ("ttft_mean_ms", "mean_ttft_ms"),
        ("ttft_p50_ms", "median_ttft_ms"),
        ("ttft_p99_ms", "p99_ttft_ms"),
        ("tpot_mean_ms", "mean_tpot_ms"),
        ("tpot_p99_ms", "p99_tpot_ms"),
        ("e2e_p50_ms", "median_e2el_ms"),
        ("e2e_p99_ms", "p99_e2el_ms"),
    ] {
        let (ours, theirs) = (value(summary, ours), saved[theirs].as_f64().unwrap());
        assert!((ours - theirs).abs() < 2e-3, "{ours} for {theirs}");
    }
    let throughput = value(summary, "output_throughput_tok_per_s")
        / saved["output_throughput"].as_f64().unwrap();
    assert!((throughput - 1.0).abs() < 0.01, "{throughput}");
    assert_eq!(record.header.pattern, Some(Arrivals::Concurrency(64)));
    assert!(analysis.steady.is_some() && analysis.lateness.is_none());
    // vLLM's client takes a chunk for a token; here 24 to 27 chunks held 64 of them.
    assert!(record.samples.iter().all(|sample| sample.estimated.chunk_tokens));
    assert!(
        record.samples.iter().all(|sample| sample
            .chunks
            .iter()
            .map(|chunk| chunk.tokens)
            .sum::<u32>()
            == 64)
    );
    assert_eq!(
        perf_model::fixtures::sentences(&analysis.remarks),
        [
            "256 of 256 responses did not report the number of tokens in each chunk; estimates (≈): ITL"
        ]
    );
    assert!(!read(SAVED, "c8").unwrap().samples.iter().any(|sample| sample.estimated.chunk_tokens));
}

#[test]
fn a_time_that_cannot_be_is_refused_with_its_key_and_request() {
    let file: Value = serde_json::from_str(SAVED).unwrap();
    let refused = |key: &str, place: usize, value: Value| {
        let mut file = file.clone();
        file[key][place] = value;
        read(&file.to_string(), "l").unwrap_err().to_string()
    };
    for key in ["start_times", "ttfts", "latencies"] {
        assert_eq!(
            refused(key, 3, (-0.5).into()),
            format!(
                "its `{key}` has -0.5 s for request 3, and no time is below 0; the file is damaged"
            )
        );
    }
    assert!(
        refused("itls", 7, serde_json::json!([0.01, -0.01]))
            .starts_with("its `itls` has -0.01 s for request 7")
    );
    // An entry more, which Python writes as NaN, is one too many.
    let place = |text: &str| SAVED.replacen("\"ttfts\": [", &format!("\"ttfts\": [{text}, "), 1);
    let error = read(&place("NaN"), "l").unwrap_err().to_string();
    assert_eq!(error, "its `ttfts` has 65 entries for 64 requests; the file is damaged");
    let error = read(&place("\"soon\""), "l").unwrap_err().to_string();
    assert!(error.starts_with("it is not what `vllm bench serve` saves: in `ttfts`: "), "{error}");
    let mut ragged = file;
    ragged["latencies"].as_array_mut().unwrap().pop();
    let error = read(&ragged.to_string(), "l").unwrap_err().to_string();
    assert_eq!(error, "its `latencies` has 63 entries for 64 requests; the file is damaged");
}

#[test]
fn a_ramp_is_no_closed_loop_although_its_rate_is_unlimited() {
    let mut file: Value = serde_json::from_str(SAVED).unwrap();
    for (key, value) in
        [("ramp_up_strategy", Value::from("linear")), ("max_concurrency", Value::Null)]
    {
        file[key] = value;
    }
    (file["ramp_up_start_rps"], file["ramp_up_end_rps"]) = (1.into(), 40.into());
    let record = read(&file.to_string(), "l").unwrap();
    assert_eq!(
        record.header.arrivals,
        "ramp from 1 to 40 requests/s (linear, estimated from its ends), 64 requests"
    );
    assert_eq!(
        record.header.pattern,
        Some(Arrivals::Ramp { from: per_second(1.0), to: per_second(40.0) })
    );
    assert!(RunAnalysis::of(&record).lateness.is_some(), "its queue times are how late it sent");
}

#[test]
fn what_was_written_is_read_again() {
    let before = read(SAVED, "l").unwrap().samples;
    let after =
        read(&write(&load(Arrivals::Concurrency(8)), "tiny", "d", &before), "l").unwrap().samples;
    assert_eq!(after.len(), before.len());
    let (before, after) = (summarize(&before, &[]), summarize(&after, &[]));
    for (metric, value) in &before.values {
        assert!((value - after.values[metric]).abs() < 2e-3, "{metric}");
    }
}

#[test]
fn failures_and_what_was_not_measured_are_said() {
    let sample = |index: u32, streamed: bool, outcome: Outcome| Sample {
        index,
        sent_us: 2_000,
        chunks: if streamed {
            [(52_000, 1), (92_000, 4)].map(Chunk::from).into_iter().collect()
        } else {
            Chunks::default()
        },
        end_us: 100_000,
        prompt_tokens: Some(7),
        output_tokens: Some(5),
        outcome,
        ..perf_model::fixtures::sample()
    };
    let failed = Outcome::Failed { kind: FailureKind::CutShort, detail: "no [DONE]".into() };
    let samples = [
        sample(1, true, failed),
        sample(0, true, Outcome::Succeeded),
        sample(2, false, Outcome::Succeeded),
    ];
    let poisson = load(Arrivals::Poisson(per_second(10.0)));
    let file: Value = serde_json::from_str(&write(&poisson, "tiny", "d", &samples)).unwrap();
    assert_eq!((&file["completed"], &file["failed"]), (&2.into(), &1.into()));
    assert_eq!(file["errors"], serde_json::json!(["", "response cut short: no [DONE]", ""]));
    assert_eq!(file["ttfts"], serde_json::json!([0.05, 0.05, null]));
    assert_eq!(file["itls"][0].as_array().unwrap().len(), 4);
    assert_eq!(file["queue_times"][0], 0.002);
    assert_eq!((&file["request_rate"], &file["max_concurrency"]), (&10.0.into(), &Value::Null));
    assert_eq!(file["max_concurrent_requests"], 3);
    let record = read(&file.to_string(), "l").unwrap();
    assert_eq!(
        record.samples[1].outcome,
        Outcome::Failed {
            kind: FailureKind::Imported,
            detail: "response cut short: no [DONE]".into()
        }
    );
    assert_eq!(record.samples[0].intended_us + 2_000, record.samples[0].sent_us);
    assert!(!record.is_complete());
    // Nothing was streamed: there is no TTFT, and it is not 0.
    let file: Value = serde_json::from_str(&write(&poisson, "tiny", "d", &samples[2..])).unwrap();
    assert!(file["mean_ttft_ms"].is_null() && file["mean_e2el_ms"].is_f64());
}

#[test]
fn a_file_that_is_no_run_is_refused_with_the_next_step() {
    assert!(
        read("[]", "l").unwrap_err().to_string().ends_with("give the file of its --save-result")
    );
    let mut file: serde_json::Map<String, Value> = serde_json::from_str(SAVED).unwrap();
    file.remove("itls");
    let error = read(&Value::Object(file.clone()).to_string(), "l").unwrap_err();
    assert_eq!(error, ReadError::NoDetail("itls"));
    file.insert("itls".into(), Value::Array(vec![]));
    let error = read(&Value::Object(file).to_string(), "l").unwrap_err();
    assert_eq!(error.to_string(), "its `itls` has 0 entries for 64 requests; the file is damaged");
}

#[test]
fn a_file_with_several_results_gives_a_record_for_each() {
    let records = read_all(&format!("{SAVED}\n{SAVED}"), "c8").unwrap();
    let names: Vec<&str> = records.iter().map(|record| record.header.load.as_str()).collect();
    assert_eq!(names, ["c8", "c8-2"]);
    assert_eq!(records[0].samples, records[1].samples);
    assert!(read_all("", "c8").is_err() && read_all(&format!("{SAVED}\n{{"), "c8").is_err());
}

#[test]
fn one_entry_without_a_number_is_named_and_the_others_are_read() {
    let mut file: Value = serde_json::from_str(SAVED).unwrap();
    let requests = file["start_times"].as_array().unwrap().len();
    file["itls"][3][1] = Value::Null;
    file["itls"][4] = Value::Null;
    file["output_lens"][6] = Value::Null;
    file["errors"][0] = Value::Null;
    file["start_times"][5] = Value::Null;
    file["ttfts"][7] = 0.0.into();
    file.as_object_mut().unwrap().remove("latencies");
    // As Python writes it; a text may hold the same word.
    let text = file.to_string().replace("null", "NaN").replace("tiny", "tiny \\\"NaN");
    let record = read(&text, "c8").unwrap();
    assert_eq!(record.header.fingerprint.model, "tiny \"NaN");
    let failed: Vec<(u32, String)> = record
        .samples
        .iter()
        .filter(|sample| !sample.succeeded())
        .map(|sample| (sample.index, format!("{:?}", sample.outcome)))
        .collect();
    let wanted = [
        (3, "`itls`"),
        (4, "its `itls` has no list"),
        (5, "`start_times`"),
        (6, "its `output_lens` has no number"),
        (7, "its end is unknown"),
    ];
    assert_eq!((failed.len(), record.samples.len()), (wanted.len(), requests));
    for ((index, said), (wanted, why)) in failed.iter().zip(wanted) {
        assert!(*index == wanted && said.contains(why), "{failed:?}");
    }
    let remarks = RunAnalysis::of(&record).remarks;
    let skipped = format!(
        "5 of {requests} requests in c8 were skipped; the first is request 3: its `itls` has an entry that is no number"
    );
    assert!(remarks.iter().any(|remark| remark.message == skipped), "{remarks:?}");
    // What vLLM itself reports as an error is a failed request, and no fault of the file.
    let mut file: Value = serde_json::from_str(SAVED).unwrap();
    file["errors"][2] = "cut".into();
    assert_eq!(read(&file.to_string(), "c8").unwrap().end.unwrap().skipped_entries, None);
}
