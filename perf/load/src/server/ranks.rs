//! What each engine of a server has counted: vLLM counts for every data-parallel rank under a label of
//! its own. [`ranks`] reads it, [`grown`] is how it has grown.

use std::collections::BTreeMap;

use perf_model::record::rank_counts::RankCounts;

use crate::server::exposition::{count, is_success, sample};

/// The most engines of one address that are counted one by one.
const MOST: usize = 1_024;

/// The counters of each engine in a text of Prometheus' format, which came from this address of several.
pub(crate) fn ranks(server: u32, text: &str) -> Vec<RankCounts> {
    let mut found: BTreeMap<u32, RankCounts> = BTreeMap::new();
    for (name, labels, value) in text.lines().filter_map(sample) {
        let Some((engine, value)) = engine(labels).zip(count(value)) else { continue };
        if found.len() >= MOST && !found.contains_key(&engine) {
            continue;
        }
        let counter: fn(&mut RankCounts) -> &mut u64 = match name {
            "vllm:prompt_tokens_total" => |rank| &mut rank.prompt_tokens,
            "vllm:generation_tokens_total" => |rank| &mut rank.output_tokens,
            "vllm:request_success_total" if is_success(labels) => |rank| &mut rank.requests,
            _ => continue,
        };
        let rank = found.entry(engine).or_insert_with(|| RankCounts::of(server, engine));
        let counter = counter(rank);
        *counter = counter.saturating_add(value);
    }
    found.into_values().collect()
}

/// By how much each has grown. Nothing where there is only one, or where one is gone, new or has
/// shrunk.
pub(crate) fn grown(before: &[RankCounts], after: &[RankCounts]) -> Vec<RankCounts> {
    if after.len() < 2 || before.len() != after.len() {
        return Vec::new();
    }
    let grown = before.iter().zip(after).map(|(before, after)| after.since(before));
    grown.collect::<Option<_>>().unwrap_or_default()
}

/// The number in the label `engine` of a counter: `engine="1"`.
fn engine(labels: &str) -> Option<u32> {
    let (before, rest) = labels.split_once("engine=\"")?;
    if !(before.is_empty() || before.ends_with(',')) {
        return None;
    }
    rest.split('"').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "vllm:generation_tokens_total{engine=\"0\",model_name=\"m\"} 10\n\
        vllm:generation_tokens_total{engine=\"1\",model_name=\"m\"} 20\n\
        vllm:request_success_total{engine=\"0\",finished_reason=\"length\"} 1\n\
        vllm:request_success_total{engine=\"0\",finished_reason=\"abort\"} 7\n\
        vllm:prompt_tokens_total{engine=\"1\"} 5\n\
        vllm:e2e_request_latency_seconds_sum{engine=\"1\"} 5\n";

    #[test]
    fn each_engine_is_counted_by_itself() {
        let of = |engine, prompt_tokens, output_tokens, requests| RankCounts {
            prompt_tokens,
            output_tokens,
            requests,
            ..RankCounts::of(0, engine)
        };
        assert_eq!(ranks(0, BEFORE), [of(0, 0, 10, 1), of(1, 5, 20, 0)]);
        let after = BEFORE.replace(" 20\n", " 50\n").replace(" 10\n", " 11\n");
        let grown_by = grown(&ranks(0, BEFORE), &ranks(0, &after));
        assert_eq!(grown_by, [of(0, 0, 1, 0), of(1, 0, 30, 0)]);
    }

    #[test]
    fn one_engine_alone_and_counters_that_were_lost_say_nothing() {
        let (both, one) = (ranks(0, BEFORE), ranks(0, BEFORE.lines().next().unwrap()));
        assert_eq!(grown(&one, &one), []);
        assert_eq!(grown(&both, &one), []);
        let shrunk = ranks(0, &BEFORE.replace(" 20\n", " 2\n"));
        assert_eq!(grown(&both, &shrunk), []);
    }

    #[test]
    fn labels_without_a_number_of_an_engine_are_left_out() {
        for labels in ["", "model_name=\"m\"", "engine=\"x\"", "not_engine=\"1\""] {
            assert_eq!(engine(labels), None, "{labels}");
        }
        assert_eq!(engine("model_name=\"m\",engine=\"12\""), Some(12));
    }
}
