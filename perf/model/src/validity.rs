//! Whether a run may be judged at all: [`faults`] names every reason why not.

use crate::load::Load;
use crate::record::ServerCounts;
use crate::summary::Summary;
use crate::units::as_millis;

/// Every reason not to trust a run; empty for one that may be judged.
///
/// `lateness_p99_ms` is given for open loops.
pub fn faults(
    load: &Load,
    summary: &Summary,
    server: Option<&ServerCounts>,
    lateness_p99_ms: Option<f64>,
) -> Vec<String> {
    let mut faults = Vec::new();
    if summary.requests != load.requests as usize {
        faults.push(format!("{} of {} requests were made", summary.requests, load.requests));
    }
    for (kind, count) in &summary.failures {
        faults.push(format!("{count} of {} requests failed: {kind}", summary.requests));
    }
    let limit = as_millis(load.lateness_limit);
    if let Some(lateness) = lateness_p99_ms.filter(|lateness| *lateness > limit) {
        faults.push(format!("sends were {lateness:.1} ms late at P99 (limit {limit} ms): the client was the limit"));
    }
    if let Some(server) = server.filter(|_| summary.failed() == 0) {
        let mut compare = |what: &str, client: u64, server: Option<u64>| {
            if let Some(server) = server.filter(|server| *server != client) {
                faults.push(format!(
                    "the client counted {client} {what}, the server {server}: someone else uses it, or one miscounts"
                ));
            }
        };
        compare("output tokens", summary.output_tokens, server.output_tokens);
        compare("prompt tokens", summary.prompt_tokens, server.prompt_tokens);
        compare("requests", summary.requests as u64, server.requests);
    }
    faults
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::load::{Api, Arrivals, OutputLength, Prompts, Workload};
    use crate::sample::FailureKind;

    fn load(requests: u32) -> Load {
        Load {
            name: "l".into(),
            workload: Workload {
                prompts: Prompts::RandomTokens { length: 10 },
                output: OutputLength::Exactly(64),
                api: Api::Completions,
                stream: true,
                temperature: 0.0,
            },
            arrivals: Arrivals::OneAtATime,
            requests,
            warmup: 0,
            objectives: vec![],
            stall_limit: Duration::from_mins(1),
            lateness_limit: Duration::from_millis(5),
        }
    }

    fn summary() -> Summary {
        Summary { requests: 10, output_tokens: 640, prompt_tokens: 100, ..Summary::default() }
    }

    #[test]
    fn counts_that_agree_are_no_fault() {
        let server = ServerCounts {
            output_tokens: Some(640),
            prompt_tokens: Some(100),
            requests: Some(10),
            ..ServerCounts::default()
        };
        assert!(faults(&load(10), &summary(), Some(&server), Some(1.0)).is_empty());
        assert!(faults(&load(10), &summary(), None, None).is_empty());
    }

    #[test]
    fn one_token_more_on_the_server_is_a_fault() {
        let server = ServerCounts { output_tokens: Some(641), ..ServerCounts::default() };
        assert_eq!(faults(&load(10), &summary(), Some(&server), None).len(), 1);
    }

    #[test]
    fn a_failed_request_is_a_fault_and_named() {
        let mut summary = summary();
        summary.failures.insert(FailureKind::ErrorInBand, 2);
        assert_eq!(faults(&load(10), &summary, None, None), ["2 of 10 requests failed: error inside a response"]);
    }

    #[test]
    fn missing_requests_and_late_sends_are_faults() {
        assert_eq!(faults(&load(12), &summary(), None, Some(9.0)).len(), 2);
    }
}
