//! The text of `/metrics`: [`render`].

use std::fmt::Write;

use super::{Histogram, Metrics};
use crate::speculation::AllDrafts;

/// The values in `vllm:cache_config_info`.
#[derive(Clone, Debug)]
pub(crate) struct CacheConfig {
    pub(crate) block_size: usize,
    pub(crate) blocks: usize,
    pub(crate) prefix_caching: bool,
    pub(crate) gpu_memory_utilization: f64,
    pub(crate) max_concurrency: f64,
}

/// The page, in the order of a real one.
pub(crate) fn render(metrics: &Metrics, cache: &CacheConfig, model: &str) -> String {
    let mut page =
        Page { text: String::new(), labels: format!("engine=\"0\",model_name=\"{model}\"") };
    let count = |number: usize| number as f64;
    page.gauge(
        "num_requests_running",
        "Number of requests in model execution batches.",
        count(metrics.running),
    );
    page.gauge(
        "num_requests_waiting",
        "Number of requests waiting to be processed.",
        count(metrics.waiting),
    );
    page.gauge(
        "kv_cache_usage_perc",
        "KV-cache usage. 1 means 100 percent usage.",
        metrics.kv_cache_usage,
    );
    page.counter(
        "prefix_cache_queries_total",
        "Prefix cache queries, in terms of number of queried tokens.",
        count(metrics.prefix_cache_queries),
    );
    page.counter(
        "prefix_cache_hits_total",
        "Prefix cache hits, in terms of number of cached tokens.",
        count(metrics.prefix_cache_hits),
    );
    page.counter(
        "num_preemptions_total",
        "Cumulative number of preemption from the engine.",
        count(metrics.preemptions),
    );
    page.counter(
        "prompt_tokens_total",
        "Number of prefill tokens processed.",
        count(metrics.prompt_tokens),
    );
    page.header("prompt_tokens_by_source_total", "Number of prompt tokens by source.", "counter");
    let computed = metrics.prompt_tokens - metrics.cached_prompt_tokens;
    for (source, tokens) in [
        ("local_compute", computed),
        ("local_cache_hit", metrics.cached_prompt_tokens),
        ("external_kv_transfer", 0),
    ] {
        page.sample(
            "prompt_tokens_by_source_total",
            "",
            &format!(",source=\"{source}\""),
            count(tokens),
        );
    }
    page.counter(
        "prompt_tokens_cached_total",
        "Number of cached prompt tokens (local + external).",
        count(metrics.cached_prompt_tokens),
    );
    page.counter(
        "generation_tokens_total",
        "Number of generation tokens processed.",
        count(metrics.generation_tokens),
    );
    if let Some(drafts) = &metrics.drafts {
        page.drafts(drafts);
    }
    page.header("request_success_total", "Count of successfully processed requests.", "counter");
    for (reason, requests) in ["stop", "length", "abort", "error"].iter().zip(metrics.success) {
        // This label stands between the others in the order that vLLM prints.
        let labels = format!("engine=\"0\",finished_reason=\"{reason}\",model_name=\"{model}\"");
        let _ = writeln!(page.text, "vllm:request_success_total{{{labels}}} {:?}", count(requests));
    }
    page.histograms(metrics);
    page.header("cache_config_info", "Information of the LLMEngine CacheConfig", "gauge");
    let switch = if cache.prefix_caching { "True" } else { "False" };
    let _ = writeln!(
        page.text,
        "vllm:cache_config_info{{block_size=\"{}\",cache_dtype=\"auto\",enable_prefix_caching=\"{switch}\",engine=\"0\",\
         gpu_memory_utilization=\"{}\",kv_cache_max_concurrency=\"{}\",kv_cache_size_tokens=\"{}\",num_gpu_blocks=\"{}\"}} \
         1.0",
        cache.block_size,
        cache.gpu_memory_utilization,
        cache.max_concurrency,
        cache.blocks * cache.block_size,
        cache.blocks,
    );
    page.text
}

struct Page {
    text: String,
    labels: String,
}

impl Page {
    fn header(&mut self, name: &str, help: &str, kind: &str) {
        let _ = writeln!(self.text, "# HELP vllm:{name} {help}\n# TYPE vllm:{name} {kind}");
    }

    /// A sample with labels before and after the common ones.
    fn sample(&mut self, name: &str, before: &str, after: &str, value: f64) {
        let _ = writeln!(self.text, "vllm:{name}{{{before}{}{after}}} {value:?}", self.labels);
    }

    fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.header(name, help, "gauge");
        self.sample(name, "", "", value);
    }

    fn counter(&mut self, name: &str, help: &str, value: f64) {
        self.header(name, help, "counter");
        self.sample(name, "", "", value);
    }

    fn drafts(&mut self, drafts: &AllDrafts) {
        for (name, help, value) in [
            ("num_drafts", "Number of spec decoding drafts.", drafts.sum.steps),
            ("num_draft_tokens", "Number of draft tokens.", drafts.sum.drafted),
            ("num_accepted_tokens", "Number of accepted tokens.", drafts.sum.accepted),
        ] {
            self.counter(&format!("spec_decode_{name}_total"), help, value as f64);
        }
        let name = "spec_decode_num_accepted_tokens_per_pos_total";
        self.header(name, "Accepted tokens per draft position.", "counter");
        for (position, accepted) in drafts.accepted_at.iter().enumerate() {
            self.sample(name, "", &format!(",position=\"{position}\""), *accepted as f64);
        }
    }

    fn histograms(&mut self, metrics: &Metrics) {
        let all = [
            (
                "request_prompt_tokens",
                "Number of prefill tokens processed.",
                &metrics.request_prompt_tokens,
            ),
            (
                "request_generation_tokens",
                "Number of generation tokens processed.",
                &metrics.request_generation_tokens,
            ),
            (
                "iteration_tokens_total",
                "Histogram of number of tokens per engine_step.",
                &metrics.iteration_tokens,
            ),
            (
                "request_max_num_generation_tokens",
                "Histogram of maximum number of requested generation tokens.",
                &metrics.request_max_generation_tokens,
            ),
            ("request_params_n", "Histogram of the n request parameter.", &metrics.request_n),
            (
                "request_params_max_tokens",
                "Histogram of the max_tokens request parameter.",
                &metrics.request_max_tokens,
            ),
            (
                "time_to_first_token_seconds",
                "Histogram of time to first token in seconds.",
                &metrics.time_to_first_token,
            ),
            (
                "inter_token_latency_seconds",
                "Histogram of inter-token latency in seconds.",
                &metrics.inter_token_latency,
            ),
            (
                "request_time_per_output_token_seconds",
                "Histogram of time_per_output_token_seconds per request.",
                &metrics.time_per_output_token,
            ),
            (
                "e2e_request_latency_seconds",
                "Histogram of e2e request latency in seconds.",
                &metrics.e2e,
            ),
            (
                "request_queue_time_seconds",
                "Histogram of time spent in WAITING phase for request.",
                &metrics.queue,
            ),
            (
                "request_inference_time_seconds",
                "Histogram of time spent in RUNNING phase for request.",
                &metrics.inference,
            ),
            (
                "request_prefill_time_seconds",
                "Histogram of time spent in PREFILL phase for request.",
                &metrics.prefill,
            ),
            (
                "request_decode_time_seconds",
                "Histogram of time spent in DECODE phase for request.",
                &metrics.decode,
            ),
            (
                "request_num_preemptions",
                "Histogram of number of preemptions per request.",
                &metrics.request_preemptions,
            ),
            (
                "request_prefill_kv_computed_tokens",
                "Histogram of new KV tokens computed during prefill (excluding cached tokens).",
                &metrics.request_prefill_computed,
            ),
        ];
        for (name, help, histogram) in all {
            self.histogram(name, help, histogram);
        }
    }

    fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) {
        self.header(name, help, "histogram");
        let mut count = 0;
        for (bound, up_to) in histogram.cumulative() {
            let bound = if bound.is_finite() { format!("{bound:?}") } else { "+Inf".into() };
            let labels = self.labels.replacen(',', &format!(",le=\"{bound}\","), 1);
            let _ = writeln!(self.text, "vllm:{name}_bucket{{{labels}}} {:?}", up_to as f64);
            count = up_to;
        }
        self.sample(&format!("{name}_count"), "", "", count as f64);
        self.sample(&format!("{name}_sum"), "", "", histogram.sum());
    }
}
