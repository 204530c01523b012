//! Damaged and hostile files: no number in one makes the readers or the analysis panic or take all
//! memory.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::analysis::run_analysis::RunAnalysis;
use crate::fixtures;
use crate::interop::vllm_bench;
use crate::record::client_load::{Calibration, ClientUse};
use crate::record::file::{End, Header, Line, Record, ServerCounts, line};
use crate::record::sample::{Sample, ServerTimes};
use crate::spec::load::Arrivals;

const EXTREME: [&str; 12] = [
    "0",
    "1",
    "-1",
    "255",
    "2000000000",
    "4294967295",
    "4294967296",
    "9223372036854775808",
    "18446744073709551615",
    "1e308",
    "1e-300",
    "null",
];

const SAVED: &str = include_str!("../../tests/fixtures/vllm-bench-serve-0.32.0-c64.json");

fn record(arrivals: Arrivals) -> String {
    let mut header = Header::of(&fixtures::load(), "s", fixtures::fingerprint());
    header.pattern = Some(arrivals);
    header.calibration = Some(Calibration::default());
    let sample = |index: u32| {
        let at = u64::from(index) * 1_000;
        Sample {
            index,
            intended_us: at,
            sent_us: at + 5,
            chunks: [(at + 900, 1), (at + 1_400, 3)].into_iter().map(Into::into).collect(),
            end_us: at + 2_500,
            prompt_tokens: Some(64),
            output_tokens: Some(4),
            server: Some(ServerTimes {
                queue_us: Some(1),
                prefill_us: Some(2),
                decode_us: Some(3),
            }),
            ..fixtures::sample()
        }
    };
    let server = ServerCounts {
        prompt_tokens: Some(640),
        output_tokens: Some(40),
        requests: Some(10),
        prefix_queries: Some(9),
        prefix_hits: Some(3),
        preemptions: Some(0),
        ttft_sum_us: Some(9_000),
        ttft_count: Some(10),
        e2e_sum_us: Some(25_000),
        e2e_count: Some(10),
        kv_use_max_ppm: None,
        kv_use: Vec::new(),
        lost: false,
        ..ServerCounts::default()
    };
    let client =
        ClientUse { wall_us: 9, cpu_us: 9, threads: 1, ticks: 200, ..ClientUse::default() };
    let end = End { complete: true, server: Some(server), client: Some(client), ..End::default() };
    let mut text = line(Line::Header(&header));
    text.extend((0..10).map(|index| line(Line::Sample(&sample(index)))));
    text + &line(Line::End(&end))
}

/// A text with some of its numbers replaced.
fn changed(text: &str, changes: &[(Index, &str)]) -> String {
    let mut text = text.to_owned();
    for (place, value) in changes {
        let is_digit = |byte: u8| byte.is_ascii_digit();
        let bytes = text.as_bytes();
        let starts: Vec<usize> = (1..bytes.len())
            .filter(|at| is_digit(bytes[*at]) && b":[, ".contains(&bytes[at - 1]))
            .collect();
        let start = starts[place.index(starts.len())];
        let length = bytes[start..].iter().take_while(|byte| is_digit(**byte)).count();
        text.replace_range(start..start + length, value);
    }
    text
}

proptest! {
    #[test]
    fn no_number_in_a_record_makes_the_reader_or_the_analysis_panic(
        changes in prop::collection::vec((any::<Index>(), select(EXTREME.to_vec())), 1..5),
        arrivals in select(vec![Arrivals::Concurrency(2), Arrivals::Waves(2), fixtures::load().arrivals]),
    ) {
        if let Ok(record) = Record::parse(&changed(&record(arrivals), &changes)) {
            let _ = RunAnalysis::of(&record);
        }
    }

    #[test]
    fn no_line_makes_the_reader_of_records_panic(text in "(\\{\"(header|sample|end)\":.{0,40}\n?){0,3}") {
        let _ = Record::parse(&text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_number_in_an_import_makes_the_reader_or_the_analysis_panic(
        changes in prop::collection::vec((any::<Index>(), select(EXTREME.to_vec())), 1..4),
    ) {
        if let Ok(record) = vllm_bench::read(&changed(SAVED, &changes), "l") {
            let _ = RunAnalysis::of(&record);
        }
    }
}

#[test]
fn a_number_that_no_run_reaches_is_refused_in_an_import_with_its_key() {
    let mut saved: serde_json::Value = serde_json::from_str(SAVED).unwrap();
    let mut refused = |key: &str, place: Option<usize>, value: serde_json::Value| {
        let before = saved.clone();
        match place {
            Some(place) => saved[key][place] = value,
            None => saved[key] = value,
        }
        let error = vllm_bench::read(&saved.to_string(), "l").unwrap_err().to_string();
        saved = before;
        error
    };
    let said = refused("ttfts", Some(3), 1e308.into());
    assert!(
        said.starts_with("its `ttfts` has 1000000") && said.contains("for request 3"),
        "{said}"
    );
    let said = refused("output_lens", Some(0), 2_000_000_000_u32.into());
    assert!(said.starts_with("its `output_lens` has 2000000000 for request 0, and the"), "{said}");
    let said = refused("num_prompts", None, 9_223_372_036_854_775_808_u64.into());
    assert!(said.starts_with("its `num_prompts` has 922337203685477"), "{said}");
    let said = refused("num_prompts", None, serde_json::Value::Null);
    assert!(said.contains("in `num_prompts`: invalid type: null"), "{said}");
}
