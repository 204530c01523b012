//! The text of `/metrics`: [`render`].

use std::fmt::Write;

use super::{Histogram, Metrics};

/// The values in `vllm:cache_config_info`.
#[derive(Clone, Debug)]
pub(crate) struct CacheConfig {
    pub(crate) block_size: usize,
    pub(crate) blocks: usize,
    pub(crate) prefix_caching: bool,
    pub(crate) gpu_memory_utilization: f64,
    pub(crate) max_concurrency: f64,
}

/// The page, in the order of a real one: each metric of each replica, which has the label `engine`.
pub(crate) fn render(replicas: &[Metrics], cache: &CacheConfig, model: &str) -> String {
    let mut page = Page { text: String::new(), replicas, model };
    let count = |number: usize| number as f64;
    page.gauge("num_requests_running", "Number of requests in model execution batches.", |of| {
        count(of.running)
    });
    page.gauge("num_requests_waiting", "Number of requests waiting to be processed.", |of| {
        count(of.waiting)
    });
    page.gauge("kv_cache_usage_perc", "KV-cache usage. 1 means 100 percent usage.", |of| {
        of.kv_cache_usage
    });
    page.counter(
        "prefix_cache_queries_total",
        "Prefix cache queries, in terms of number of queried tokens.",
        |of| count(of.prefix_cache_queries),
    );
    page.counter(
        "prefix_cache_hits_total",
        "Prefix cache hits, in terms of number of cached tokens.",
        |of| count(of.prefix_cache_hits),
    );
    page.counter(
        "num_preemptions_total",
        "Cumulative number of preemption from the engine.",
        |of| count(of.preemptions),
    );
    page.counter("prompt_tokens_total", "Number of prefill tokens processed.", |of| {
        count(of.prompt_tokens)
    });
    page.header("prompt_tokens_by_source_total", "Number of prompt tokens by source.", "counter");
    for (engine, of) in replicas.iter().enumerate() {
        for (source, tokens) in [
            ("local_compute", of.prompt_tokens - of.cached_prompt_tokens),
            ("local_cache_hit", of.cached_prompt_tokens),
            ("external_kv_transfer", 0),
        ] {
            let source = format!(",source=\"{source}\"");
            page.sample(engine, "prompt_tokens_by_source_total", &source, count(tokens));
        }
    }
    page.counter(
        "prompt_tokens_cached_total",
        "Number of cached prompt tokens (local + external).",
        |of| count(of.cached_prompt_tokens),
    );
    page.counter("generation_tokens_total", "Number of generation tokens processed.", |of| {
        count(of.generation_tokens)
    });
    page.drafts();
    page.header("request_success_total", "Count of successfully processed requests.", "counter");
    for (engine, of) in replicas.iter().enumerate() {
        for (reason, requests) in ["stop", "length", "abort", "error"].iter().zip(of.success) {
            // This label stands between the others in the order that vLLM prints.
            let labels =
                format!("engine=\"{engine}\",finished_reason=\"{reason}\",model_name=\"{model}\"");
            let _ =
                writeln!(page.text, "vllm:request_success_total{{{labels}}} {:?}", count(requests));
        }
    }
    page.histograms();
    page.header("cache_config_info", "Information of the LLMEngine CacheConfig", "gauge");
    let switch = if cache.prefix_caching { "True" } else { "False" };
    for engine in 0..replicas.len() {
        let _ = writeln!(
            page.text,
            "vllm:cache_config_info{{block_size=\"{}\",cache_dtype=\"auto\",enable_prefix_caching=\"{switch}\",\
             engine=\"{engine}\",gpu_memory_utilization=\"{}\",kv_cache_max_concurrency=\"{}\",\
             kv_cache_size_tokens=\"{}\",num_gpu_blocks=\"{}\"}} 1.0",
            cache.block_size,
            cache.gpu_memory_utilization,
            cache.max_concurrency,
            cache.blocks * cache.block_size,
            cache.blocks,
        );
    }
    page.text
}

struct Page<'a> {
    text: String,
    replicas: &'a [Metrics],
    model: &'a str,
}

impl Page<'_> {
    fn header(&mut self, name: &str, help: &str, kind: &str) {
        let _ = writeln!(self.text, "# HELP vllm:{name} {help}\n# TYPE vllm:{name} {kind}");
    }

    /// A sample of a replica, with labels after the common ones.
    fn sample(&mut self, engine: usize, name: &str, after: &str, value: f64) {
        let labels = format!("engine=\"{engine}\",model_name=\"{}\"{after}", self.model);
        let _ = writeln!(self.text, "vllm:{name}{{{labels}}} {value:?}");
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Fn(&Metrics) -> f64) {
        self.each(name, help, "gauge", value);
    }

    fn counter(&mut self, name: &str, help: &str, value: impl Fn(&Metrics) -> f64) {
        self.each(name, help, "counter", value);
    }

    fn each(&mut self, name: &str, help: &str, kind: &str, value: impl Fn(&Metrics) -> f64) {
        self.header(name, help, kind);
        for (engine, of) in self.replicas.iter().enumerate() {
            self.sample(engine, name, "", value(of));
        }
    }

    /// What was drafted; nothing without speculative decoding.
    fn drafts(&mut self) {
        if self.replicas.iter().all(|of| of.drafts.is_none()) {
            return;
        }
        let sum = |of: &Metrics| of.drafts.as_ref().map(|drafts| drafts.sum).unwrap_or_default();
        let name = |name: &str| format!("spec_decode_{name}_total");
        self.counter(&name("num_drafts"), "Number of spec decoding drafts.", |of| {
            sum(of).steps as f64
        });
        self.counter(&name("num_draft_tokens"), "Number of draft tokens.", |of| {
            sum(of).drafted as f64
        });
        self.counter(&name("num_accepted_tokens"), "Number of accepted tokens.", |of| {
            sum(of).accepted as f64
        });
        let name = "spec_decode_num_accepted_tokens_per_pos_total";
        self.header(name, "Accepted tokens per draft position.", "counter");
        for (engine, of) in self.replicas.iter().enumerate() {
            let accepted_at = of.drafts.iter().flat_map(|drafts| &drafts.accepted_at);
            for (position, accepted) in accepted_at.enumerate() {
                let position = format!(",position=\"{position}\"");
                self.sample(engine, name, &position, *accepted as f64);
            }
        }
    }

    fn histograms(&mut self) {
        type Of = fn(&Metrics) -> &Histogram;
        let all: [(&str, &str, Of); 16] = [
            ("request_prompt_tokens", "Number of prefill tokens processed.", |of| {
                &of.request_prompt_tokens
            }),
            ("request_generation_tokens", "Number of generation tokens processed.", |of| {
                &of.request_generation_tokens
            }),
            ("iteration_tokens_total", "Histogram of number of tokens per engine_step.", |of| {
                &of.iteration_tokens
            }),
            (
                "request_max_num_generation_tokens",
                "Histogram of maximum number of requested generation tokens.",
                |of| &of.request_max_generation_tokens,
            ),
            ("request_params_n", "Histogram of the n request parameter.", |of| &of.request_n),
            ("request_params_max_tokens", "Histogram of the max_tokens request parameter.", |of| {
                &of.request_max_tokens
            }),
            ("time_to_first_token_seconds", "Histogram of time to first token in seconds.", |of| {
                &of.time_to_first_token
            }),
            ("inter_token_latency_seconds", "Histogram of inter-token latency in seconds.", |of| {
                &of.inter_token_latency
            }),
            (
                "request_time_per_output_token_seconds",
                "Histogram of time_per_output_token_seconds per request.",
                |of| &of.time_per_output_token,
            ),
            ("e2e_request_latency_seconds", "Histogram of e2e request latency in seconds.", |of| {
                &of.e2e
            }),
            (
                "request_queue_time_seconds",
                "Histogram of time spent in WAITING phase for request.",
                |of| &of.queue,
            ),
            (
                "request_inference_time_seconds",
                "Histogram of time spent in RUNNING phase for request.",
                |of| &of.inference,
            ),
            (
                "request_prefill_time_seconds",
                "Histogram of time spent in PREFILL phase for request.",
                |of| &of.prefill,
            ),
            (
                "request_decode_time_seconds",
                "Histogram of time spent in DECODE phase for request.",
                |of| &of.decode,
            ),
            ("request_num_preemptions", "Histogram of number of preemptions per request.", |of| {
                &of.request_preemptions
            }),
            (
                "request_prefill_kv_computed_tokens",
                "Histogram of new KV tokens computed during prefill (excluding cached tokens).",
                |of| &of.request_prefill_computed,
            ),
        ];
        for (name, help, histogram) in all {
            self.histogram(name, help, histogram);
        }
    }

    fn histogram(&mut self, name: &str, help: &str, histogram: fn(&Metrics) -> &Histogram) {
        self.header(name, help, "histogram");
        for (engine, of) in self.replicas.iter().enumerate() {
            let (histogram, mut count) = (histogram(of), 0);
            for (bound, up_to) in histogram.cumulative() {
                let bound = if bound.is_finite() { format!("{bound:?}") } else { "+Inf".into() };
                let labels =
                    format!("engine=\"{engine}\",le=\"{bound}\",model_name=\"{}\"", self.model);
                let _ = writeln!(self.text, "vllm:{name}_bucket{{{labels}}} {:?}", up_to as f64);
                count = up_to;
            }
            self.sample(engine, &format!("{name}_count"), "", count as f64);
            self.sample(engine, &format!("{name}_sum"), "", histogram.sum());
        }
    }
}
