//! A search for the highest rate and the highest concurrency of a server on a port. How fast the
//! server is depends on how busy this machine is, so what is checked is that the answer follows from
//! the records, and lies where it must.

use std::fs;
use std::path::Path;

use perf_gate::{Answer, ProbeVerdict};
use perf_model::analysis::search::SearchAnalysis;
use perf_model::record::file::Record;

use crate::server;
use crate::{code, load, text};

/// Answers 8 tokens a request in steps of 2 ms, two requests at once: 125 requests/s at most.
const PROFILE: &str = "
name = \"two-at-once\"
description = \"Two requests at once, 2 ms a token.\"
machine = { gpu = \"CPU\", memory_gib = 16.0, gpus = 0 }
defaults = { max_num_seqs = 2, max_num_batched_tokens = 2048 }
step = { base_ms = 2, prefill_token_us = 0.1, decode_seq_us = 0, context_token_ns = 0, eager_factor = 1.0 }
http = { admission_ms = 0.1, merged_chunk_share = 0.0 }
noise = { start_cv = 0.0, drift_cv = 0.0, drift_s = 5.0, step_cv = 0.0 }
natural_length = { quantiles = [[0.0, 16], [1.0, 400]] }
startup = { init_s = 1, weights_s = 0.1, capture_s = 1 }

[model]
weights_gib = 0.01
kv_bytes_per_token = 512
kv_cache_tokens = 65536
max_model_len = 4096
vocab_size = 4096
activation_gib = 0.1
graph_gib = 0
graph_gib_per_1k_len = 0
";

/// The most requests a second that the server can answer, and a margin for the end of a probe. Of
/// more than 21 at once, the last waits for longer than 150 ms.
const MOST: f64 = 150.0;

fn records(folder: &Path) -> Vec<Record> {
    let mut files: Vec<_> = fs::read_dir(folder.join("load/start-1"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files.iter().map(|file| Record::parse(&fs::read_to_string(file).unwrap()).unwrap()).collect()
}

#[test]
fn the_highest_rate_and_concurrency_of_a_server_on_a_port_follow_from_the_records_of_their_probes()
{
    let folder = tempfile::tempdir().unwrap();
    let profile = folder.path().join("profile.toml");
    fs::write(&profile, PROFILE).unwrap();
    let server = server::start_with(&[], &[("PERF_SIM_PROFILE", profile.to_str().unwrap())]);
    for (name, searched, unit, most) in [
        ("rate", "--arrivals constant:20 --max-rate 32..512", "req/s", MOST),
        ("width", "--max-concurrency 1..64", "requests", 24.0),
    ] {
        let shown = folder.path().join(name);
        let options = format!(
            "{searched} --prompts random:8 --output exactly:8 --requests 60 --objective ttft=150 --share 90 --seed 3 \
             --records {}",
            shown.display()
        );
        let output = load(&server.url, &options);
        let (table, said) = (text(&output.stdout), text(&output.stderr));
        let records = records(&shown);
        let found = SearchAnalysis::of(&records).unwrap();
        assert!(table.contains(&found.sentence()), "{table}\n{said}");
        assert_eq!(found.probes.len(), records.len());
        for probe in &found.probes {
            assert!(said.contains(&format!("probe {}: {probe}", probe.number)), "{said}");
            assert!(probe.requests >= 60 && probe.unit == unit, "{probe:?}");
            let is_sustained = probe.verdict == ProbeVerdict::Sustained;
            assert!(!is_sustained || probe.at <= most, "no server is that fast: {said}");
        }
        match found.answer {
            Answer::Found { value, low, high } => {
                assert_eq!(code(&output), 0, "{said}");
                assert!(low <= value && value <= high && value <= most, "{table}");
            }
            // On a machine that is so busy that the server falls behind.
            Answer::Unresolved { .. } => {
                assert_eq!(code(&output), 4, "{said}");
                assert!(table.contains("is unresolved"), "{table}");
            }
        }
    }
}
