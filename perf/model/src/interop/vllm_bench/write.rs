//! A run as `vllm bench serve` would have saved it: [`write`].

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::analysis::statistics::{mean, quantile, sorted};
use crate::analysis::summary::summarize;
use crate::record::sample::{Outcome, Sample};
use crate::spec::load::{Api, Arrivals, Load};
use crate::spec::metric::{Metric, Quantity};

/// The file, its keys in vLLM's order.
#[derive(serde::Serialize)]
struct File<'a> {
    date: &'a str,
    endpoint_type: &'a str,
    backend: &'a str,
    label: Option<&'a str>,
    model_id: &'a str,
    tokenizer_id: &'a str,
    num_prompts: u32,
    request_rate: Rate,
    burstiness: f64,
    max_concurrency: Option<u32>,
    duration: f64,
    completed: usize,
    failed: usize,
    total_input_tokens: u64,
    total_output_tokens: u64,
    request_throughput: Option<f64>,
    request_goodput: Option<f64>,
    output_throughput: Option<f64>,
    total_token_throughput: Option<f64>,
    input_lens: Vec<Option<u32>>,
    output_lens: Vec<u32>,
    ttfts: Vec<Option<f64>>,
    itls: Vec<Vec<f64>>,
    latencies: Vec<f64>,
    start_times: Vec<f64>,
    queue_times: Vec<f64>,
    generated_texts: Vec<&'a str>,
    errors: Vec<String>,
    max_output_tokens_per_s: f64,
    max_concurrent_requests: usize,
    rtfx: f64,
    #[serde(flatten)]
    distributions: Distributions,
}

/// A number, or the word that stands for no limit in JSON.
#[derive(serde::Serialize)]
#[serde(untagged)]
enum Rate {
    PerSecond(f64),
    Unlimited(&'static str),
}

/// Mean, median, deviation and percentiles of each quantity.
struct Distributions(Vec<(String, Option<f64>)>);

impl Serialize for Distributions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in &self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

impl Distributions {
    fn add(&mut self, name: &str, values: &[f64]) {
        let values = sorted(values);
        let mut put = |statistic: &str, value: Option<f64>| {
            self.0.push((format!("{statistic}_{name}_ms"), value));
        };
        put("mean", mean(&values));
        put("median", quantile(&values, 0.5));
        put("std", deviation(&values));
        for (statistic, share) in [("p50", 0.50), ("p90", 0.90), ("p99", 0.99)] {
            put(statistic, quantile(&values, share));
        }
    }
}

/// The run as JSON. `date` is like `20261122-013534`.
pub fn write(load: &Load, model: &str, date: &str, samples: &[Sample]) -> String {
    let summary = summarize(samples, &load.objectives);
    let mut samples: Vec<&Sample> = samples.iter().collect();
    samples.sort_by_key(|sample| sample.index);
    let succeeded: Vec<&Sample> =
        samples.iter().copied().filter(|sample| sample.succeeded()).collect();
    let rate = |quantity| {
        Metric::whole_server(quantity).and_then(|metric| summary.values.get(&metric).copied())
    };
    let endpoint_type = match load.workload.api {
        Api::Completions => "openai",
        Api::Chat => "openai-chat",
        // vLLM's client does not know this endpoint.
        Api::Responses => "openai-responses",
    };
    let file = File {
        date,
        endpoint_type,
        backend: endpoint_type,
        label: None,
        model_id: model,
        tokenizer_id: model,
        num_prompts: load.requests,
        request_rate: request_rate(load.arrivals),
        burstiness: if let Arrivals::Gamma { shape, .. } = load.arrivals { shape } else { 1.0 },
        max_concurrency: load.arrivals.is_closed_loop().then_some(load.arrivals.width()),
        duration: summary.duration_s,
        completed: succeeded.len(),
        failed: summary.failed(),
        total_input_tokens: summary.prompt_tokens,
        total_output_tokens: summary.output_tokens,
        request_throughput: rate(Quantity::RequestThroughput),
        request_goodput: rate(Quantity::Goodput),
        output_throughput: rate(Quantity::OutputThroughput),
        total_token_throughput: rate(Quantity::TotalThroughput),
        input_lens: samples.iter().map(|sample| sample.prompt_tokens).collect(),
        output_lens: samples
            .iter()
            .map(|sample| sample.output_tokens.filter(|_| sample.succeeded()).unwrap_or(0))
            .collect(),
        ttfts: samples.iter().map(|sample| ttft_s(sample)).collect(),
        itls: samples
            .iter()
            .map(|sample| gaps_ms(sample).into_iter().map(|gap| gap / 1e3).collect())
            .collect(),
        latencies: samples.iter().map(|sample| latency_s(sample)).collect(),
        start_times: samples.iter().map(|sample| seconds(sample.sent_us)).collect(),
        queue_times: samples
            .iter()
            .map(|sample| seconds(sample.sent_us.saturating_sub(sample.intended_us)))
            .collect(),
        generated_texts: vec![""; samples.len()],
        errors: samples.iter().map(|sample| error(sample)).collect(),
        max_output_tokens_per_s: busiest_second(&samples),
        max_concurrent_requests: most_at_once(&samples),
        rtfx: 0.0,
        distributions: distributions(&succeeded),
    };
    // Numbers and texts under string keys: there is nothing here that JSON could refuse.
    serde_json::to_string(&file).unwrap_or_default()
}

fn distributions(succeeded: &[&Sample]) -> Distributions {
    let of = |value: &dyn Fn(&Sample) -> Option<f64>| -> Vec<f64> {
        succeeded.iter().filter_map(|sample| value(sample)).collect()
    };
    let gaps: Vec<f64> = succeeded.iter().flat_map(|sample| gaps_ms(sample)).collect();
    let mut all = Distributions(Vec::new());
    all.add("ttft", &of(&|sample| Some(ttft_s(sample)? * 1e3)));
    all.add("tpot", &of(&Sample::tpot_ms));
    all.add("itl", &gaps);
    all.add("e2el", &of(&|sample| Some(latency_s(sample) * 1e3)));
    all
}

/// The gaps between tokens; where the tokens of each chunk are an estimate, those between chunks, as
/// vLLM's own client has them. A reader then sees that they are not one a token.
fn gaps_ms(sample: &Sample) -> Vec<f64> {
    if sample.estimated.is_nothing() {
        return sample.token_gaps_ms().collect();
    }
    let pairs = sample.chunks.iter().zip(sample.chunks.iter().skip(1));
    pairs.map(|(one, next)| next.at_us.saturating_sub(one.at_us) as f64 / 1e3).collect()
}

fn request_rate(arrivals: Arrivals) -> Rate {
    match arrivals {
        Arrivals::ConstantRate(rate) | Arrivals::Poisson(rate) | Arrivals::Gamma { rate, .. } => {
            Rate::PerSecond(rate.value())
        }
        Arrivals::Ramp { from, to } => Rate::PerSecond(f64::midpoint(from.value(), to.value())),
        Arrivals::OneAtATime
        | Arrivals::Concurrency(_)
        | Arrivals::Waves(_)
        | Arrivals::Recorded { .. } => Rate::Unlimited("inf"),
    }
}

fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}

fn ttft_s(sample: &Sample) -> Option<f64> {
    sample.first_token_us().map(|first| seconds(first.saturating_sub(sample.sent_us)))
}

fn latency_s(sample: &Sample) -> f64 {
    seconds(sample.last_token_us().saturating_sub(sample.sent_us))
}

fn error(sample: &Sample) -> String {
    match &sample.outcome {
        Outcome::Succeeded => String::new(),
        Outcome::Failed { kind, detail } => format!("{kind}: {detail}"),
    }
}

/// The standard deviation of the values themselves, as `NumPy` and so vLLM has it.
fn deviation(values: &[f64]) -> Option<f64> {
    let middle = mean(values)?;
    let squares: Vec<f64> = values.iter().map(|value| (value - middle).powi(2)).collect();
    mean(&squares).map(f64::sqrt)
}

fn busiest_second(samples: &[&Sample]) -> f64 {
    let first = samples.iter().map(|sample| sample.sent_us).min().unwrap_or(0);
    let mut seconds = std::collections::BTreeMap::<u64, u32>::new();
    for chunk in samples.iter().flat_map(|sample| &sample.chunks) {
        *seconds.entry(chunk.at_us.saturating_sub(first) / 1_000_000).or_default() += chunk.tokens;
    }
    seconds.into_values().max().map_or(0.0, f64::from)
}

fn most_at_once(samples: &[&Sample]) -> usize {
    let mut moments: Vec<(u64, bool)> = samples
        .iter()
        .flat_map(|sample| [(sample.sent_us, true), (sample.end_us, false)])
        .collect();
    // At one moment, what ends goes before what begins.
    moments.sort_unstable();
    let mut under_way = 0_usize;
    let mut most = 0;
    for (_, begins) in moments {
        under_way = if begins { under_way + 1 } else { under_way.saturating_sub(1) };
        most = most.max(under_way);
    }
    most
}
