//! How long a server took to start and what the time went to, and the size of its KV cache, as its
//! log says: [`StartUp`].

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::spec::metric::{Metric, Quantity};

/// The start of a server. Times are seconds on the client's clock; what the log does not tell is
/// absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StartUp {
    /// From the command that starts the container or process until the server answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_s: Option<f64>,
    /// Until the first line of vLLM itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub launch_s: Option<f64>,
    /// From there until the engine begins to initialise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine_process_s: Option<f64>,
    /// From there until it begins to load the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine_init_s: Option<f64>,
    /// From there until the weights are loaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights_s: Option<f64>,
    /// What vLLM calls "profile, create kv cache, warmup model", without compilation and capture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profiling_s: Option<f64>,
    /// `torch.compile`, as vLLM counts it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compilation_s: Option<f64>,
    /// The capture of CUDA graphs, as vLLM counts it: in whole seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub graph_capture_s: Option<f64>,
    /// From the engine's readiness until the server answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_s: Option<f64>,
    /// Tokens that fit into the KV cache of one engine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kv_cache_tokens: Option<u64>,
    /// Requests of the longest context that fit into it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kv_cache_requests: Option<f64>,
}

impl StartUp {
    /// The phases that are known, in order.
    pub fn phases(&self) -> impl Iterator<Item = (Quantity, f64)> {
        [
            (Quantity::StartLaunch, self.launch_s),
            (Quantity::StartEngineProcess, self.engine_process_s),
            (Quantity::StartEngineInit, self.engine_init_s),
            (Quantity::StartWeights, self.weights_s),
            (Quantity::StartProfiling, self.profiling_s),
            (Quantity::StartCompilation, self.compilation_s),
            (Quantity::StartGraphCapture, self.graph_capture_s),
            (Quantity::StartApi, self.api_s),
        ]
        .into_iter()
        .filter_map(|(phase, seconds)| Some((phase, seconds?)))
    }

    /// What is known of the KV cache, without the times.
    #[must_use]
    pub fn only_kv_cache(&self) -> Self {
        let Self { kv_cache_tokens, kv_cache_requests, .. } = *self;
        Self { kv_cache_tokens, kv_cache_requests, ..Self::default() }
    }

    /// The time that no phase explains. Below zero where vLLM counted more than passed. Absent without
    /// a phase: all of it would be the remainder.
    pub fn remainder_s(&self) -> Option<f64> {
        self.phases().next()?;
        Some(self.total_s? - self.phases().map(|(_, seconds)| seconds).sum::<f64>())
    }

    /// Everything as metrics.
    pub fn values(&self) -> impl Iterator<Item = (Metric, f64)> {
        #[expect(clippy::cast_precision_loss, reason = "tokens, far below 2^53")]
        let tokens = self.kv_cache_tokens.map(|tokens| tokens as f64);
        let rest = [
            (Quantity::StartUp, self.total_s),
            (Quantity::StartRemainder, self.remainder_s()),
            (Quantity::KvCacheTokens, tokens),
            (Quantity::KvCacheRequests, self.kv_cache_requests),
        ];
        let known = rest.into_iter().filter_map(|(quantity, value)| Some((quantity, value?)));
        self.phases()
            .chain(known)
            .filter_map(|(quantity, value)| Some((Metric::whole_server(quantity)?, value)))
    }
}

/// One line: the whole, its phases and the remainder, and the KV cache.
impl fmt::Display for StartUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before = "";
        if let Some(total_s) = self.total_s {
            write!(f, "start-up {total_s:.1} s")?;
            before = ": ";
        }
        for (phase, seconds) in self.phases() {
            write!(f, "{before}{} {seconds:.1}", phase.label().trim_start_matches("start: "))?;
            before = ", ";
        }
        if let Some(remainder_s) = self.remainder_s() {
            write!(f, ", not explained {remainder_s:.1}")?;
        }
        if let Some(tokens) = self.kv_cache_tokens {
            let before = if before.is_empty() { "" } else { "; " };
            write!(f, "{before}KV cache {tokens} tokens")?;
        }
        if let Some(requests) = self.kv_cache_requests {
            write!(f, ", {requests:.1} requests of the longest context")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_phase_explains_is_shown_and_what_is_unknown_is_absent() {
        let start = StartUp {
            total_s: Some(20.0),
            launch_s: Some(5.5),
            weights_s: Some(12.25),
            kv_cache_tokens: Some(121_072),
            ..StartUp::default()
        };
        assert_eq!(
            start.to_string(),
            "start-up 20.0 s: launch 5.5, weights 12.2, not explained 2.2; KV cache 121072 tokens"
        );
        assert_eq!(start.only_kv_cache().to_string(), "KV cache 121072 tokens");
        assert_eq!(start.only_kv_cache().values().count(), 1);
        let keys: Vec<String> = start.values().map(|(metric, _)| metric.to_string()).collect();
        assert_eq!(
            keys,
            [
                "start_launch_s",
                "start_weights_s",
                "start_up_s",
                "start_remainder_s",
                "kv_cache_tokens"
            ]
        );
        let bare = StartUp { total_s: Some(3.0), ..StartUp::default() };
        assert_eq!((bare.values().count(), bare.to_string().as_str()), (1, "start-up 3.0 s"));
        let json = serde_json::to_string(&bare).unwrap();
        assert_eq!(json, r#"{"total_s":3.0}"#);
        assert_eq!(serde_json::from_str::<StartUp>(&json).unwrap(), bare);
    }
}
