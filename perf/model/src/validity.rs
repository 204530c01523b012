//! Whether a run may be judged at all: [`faults`] names every reason why not.

use crate::record::ServerCounts;
use crate::summary::Summary;

/// How late, at the 99th percentile, open-loop sends may be before the client and not the server was measured, in ms.
///
/// Five times the resolution of the timers that pace the sends.
pub const LATENESS_LIMIT_MS: f64 = 5.0;

/// Every reason not to trust a run; empty for one that may be judged.
///
/// `expected` is the number of requests that the load asked for; `lateness_p99_ms` is given for open loops.
pub fn faults(
    summary: &Summary,
    expected: u32,
    server: Option<&ServerCounts>,
    lateness_p99_ms: Option<f64>,
) -> Vec<String> {
    let mut faults = Vec::new();
    if summary.requests != expected as usize {
        faults.push(format!("{} of {expected} requests were made", summary.requests));
    }
    for (kind, count) in &summary.failures {
        faults.push(format!("{count} of {} requests failed: {kind}", summary.requests));
    }
    if let Some(lateness) = lateness_p99_ms.filter(|lateness| *lateness > LATENESS_LIMIT_MS) {
        faults.push(format!(
            "sends were {lateness:.1} ms late at P99 (limit {LATENESS_LIMIT_MS} ms): the client was the limit"
        ));
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
    use super::*;
    use crate::sample::FailureKind;

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
        assert!(faults(&summary(), 10, Some(&server), Some(1.0)).is_empty());
        assert!(faults(&summary(), 10, None, None).is_empty());
    }

    #[test]
    fn one_token_more_on_the_server_is_a_fault() {
        let server = ServerCounts { output_tokens: Some(641), ..ServerCounts::default() };
        assert_eq!(faults(&summary(), 10, Some(&server), None).len(), 1);
    }

    #[test]
    fn a_failed_request_is_a_fault_and_named() {
        let mut summary = summary();
        summary.failures.insert(FailureKind::ErrorInBand, 2);
        assert_eq!(faults(&summary, 10, None, None), ["2 of 10 requests failed: error inside a response"]);
    }

    #[test]
    fn missing_requests_and_late_sends_are_faults() {
        assert_eq!(faults(&summary(), 12, None, Some(9.0)).len(), 2);
    }
}
