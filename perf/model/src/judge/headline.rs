//! The figures that are worth seeing even where nothing guards them: [`is_headline`].

use crate::spec::metric::Metric;

/// Whether reports and baselines show a metric that nothing guards.
pub(crate) fn is_headline(metric: Metric) -> bool {
    [
        "output_throughput_tok_per_s",
        "request_throughput_req_per_s",
        "ttft_p50_ms",
        "ttft_p99_ms",
        "tpot_mean_ms",
        "itl_p99_ms",
        "e2e_mean_ms",
        "e2e_p50_ms",
        "e2e_p99_ms",
        "first_answer_p50_ms",
        "tool_call_p50_ms",
        "longest_silence_p99_ms",
        "reasoning_tokens_mean_tok",
        "answer_tokens_mean_tok",
        "acceptance_length_tok",
        "acceptance_rate_percent",
        "busiest_rank_percent",
    ]
    .contains(&metric.to_string().as_str())
}
