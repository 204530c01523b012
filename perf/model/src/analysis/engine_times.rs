//! A server's own time for each request, [`ServerTimes`], compared with the client's measurement.
//!
//! vLLM reports it with `--enable-per-request-metrics`. Its clock runs from the moment at which the
//! engine has the request to the moment at which it has the token; the client's, here, from the
//! send to the token's arrival. The server's time lies inside the client's: if the client's
//! is much longer, the request waited on the way; if it is shorter, one clock is wrong.

use crate::record::finding::{Finding, FindingCode};
use crate::record::sample::{Sample, ServerTimes};

/// How much longer a latency may be at the client than by the server's own clock, in milliseconds:
/// the way there and back, and the HTTP on both sides.
pub(crate) const WAY_MS: f64 = 5.0;

/// The same as a share of the latency, for servers whose HTTP queues when they are busy. The larger
/// of both counts.
pub(crate) const WAY_SHARE: f64 = 0.15;

/// How much shorter a latency may be at the client, in milliseconds: the resolution of the clocks.
const RESOLUTION_MS: f64 = 1.0;

/// The same as a share: how far two clocks may drift apart.
const DRIFT: f64 = 0.001;

/// One latency of a request by both clocks, in milliseconds.
#[derive(Clone, Copy)]
struct Pair {
    request: u32,
    client: f64,
    server: f64,
}

impl Pair {
    fn apart(&self) -> f64 {
        self.client - self.server
    }

    fn is_kept_waiting(&self) -> bool {
        self.apart() > WAY_MS.max(self.client * WAY_SHARE)
    }

    fn is_impossible(&self) -> bool {
        -self.apart() > RESOLUTION_MS.max(self.server * DRIFT)
    }
}

/// Both latencies of every request that has them on both clocks, each with its name.
fn pairs(samples: &[Sample]) -> [(&'static str, Vec<Pair>); 2] {
    let all = |of: fn(&Sample, &ServerTimes) -> Option<(u64, f64)>| {
        let pair = |sample: &Sample| {
            let (until_us, server) = of(sample, sample.server.as_ref()?)?;
            let client = until_us.saturating_sub(sample.sent_us) as f64 / 1_000.0;
            Some(Pair { request: sample.index, client, server })
        };
        samples.iter().filter(|sample| sample.succeeded()).filter_map(pair).collect()
    };
    [
        ("TTFT", all(|sample, server| Some((sample.first_token_us()?, server.ttft_ms()?)))),
        ("E2E", all(|sample, server| Some((sample.last_token_us(), server.e2e_ms()?)))),
    ]
}

/// A line for each latency that is longer at the client, in any request, than by the engine's own
/// clock, by more than 5 ms and by more than 15 %: how many there are, and the one that is furthest
/// apart.
pub(crate) fn remarks(samples: &[Sample]) -> Vec<Finding> {
    let line = |(name, pairs): &(&str, Vec<Pair>)| {
        let line = apart(name, pairs, Pair::is_kept_waiting, "longer", '+')?;
        Some(Finding::new(FindingCode::LatenciesDisagree, line))
    };
    pairs(samples).iter().filter_map(line).collect()
}

/// A line for each latency that is shorter at the client, in any request, than by the engine's own
/// clock, by more than 1 ms and by more than 0.1 %: a token cannot arrive before it was generated.
pub(crate) fn faults(samples: &[Sample]) -> Vec<Finding> {
    let line = |(name, pairs): &(&str, Vec<Pair>)| {
        let line = apart(name, pairs, Pair::is_impossible, "shorter", '-')?;
        Some(Finding::new(
            FindingCode::TimesImpossible,
            format!(
                "{line}; a token cannot arrive before it is made, so one of the clocks is wrong"
            ),
        ))
    };
    pairs(samples).iter().filter_map(line).collect()
}

/// How many requests are apart in such a way, by how much half of them, and which of them the most.
fn apart(
    name: &str,
    pairs: &[Pair],
    is_apart: fn(&Pair) -> bool,
    what: &str,
    sign: char,
) -> Option<String> {
    let mut apart: Vec<&Pair> = pairs.iter().filter(|pair| is_apart(pair)).collect();
    apart.sort_by(|a, b| a.apart().abs().total_cmp(&b.apart().abs()));
    let (middle, most) = (apart.get(apart.len() / 2)?, apart.last()?);
    Some(format!(
        "for {} of {} requests the client measured a {what} {name} than the engine (median {sign}{:.1} ms; worst: request {}, \
         client {:.1} ms, engine {:.1} ms)",
        apart.len(),
        pairs.len(),
        middle.apart().abs(),
        u64::from(most.request) + 1,
        most.client,
        most.server
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::sentences;
    use crate::record::chunks::Chunk;
    use crate::record::sample::Outcome;

    /// A request that was sent a second late; its first token came after 100 ms, its last after 200
    /// ms.
    fn sample(index: u32, queue_us: u64, prefill_us: u64, decode_us: u64) -> Sample {
        Sample {
            index,
            sent_us: 1_000_000,
            chunks: [1_100_000, 1_200_000]
                .map(|at_us| Chunk { at_us, tokens: 1 })
                .into_iter()
                .collect(),
            end_us: 1_300_000,
            prompt_tokens: Some(1),
            output_tokens: Some(2),
            server: Some(ServerTimes {
                queue_us: Some(queue_us),
                prefill_us: Some(prefill_us),
                decode_us: Some(decode_us),
            }),
            ..crate::fixtures::sample()
        }
    }

    #[test]
    fn clocks_that_agree_are_nothing_to_remark() {
        let samples = [
            sample(0, 10_000, 88_000, 100_000),
            sample(1, 0, 86_000, 90_000),
            sample(2, 0, 101_000, 100_000),
        ];
        assert!(remarks(&samples).is_empty() && faults(&samples).is_empty());
    }

    #[test]
    fn a_request_that_waited_on_its_way_is_reported_even_among_many_that_did_not() {
        let mut samples: Vec<Sample> =
            (0..99).map(|index| sample(index, 0, 99_000, 100_000)).collect();
        samples.extend([sample(99, 1_000, 59_000, 100_000), sample(100, 0, 80_000, 100_000)]);
        assert_eq!(
            sentences(&remarks(&samples)),
            [
                "for 2 of 101 requests the client measured a longer TTFT than the engine (median +40.0 ms; worst: request 100, \
                 client 100.0 ms, engine 60.0 ms)",
                "for 1 of 101 requests the client measured a longer E2E than the engine (median +40.0 ms; worst: request 100, \
                 client 200.0 ms, engine 160.0 ms)",
            ]
        );
        assert!(faults(&samples).is_empty());
    }

    #[test]
    fn the_highest_request_number_is_named() {
        let late = [sample(u32::MAX, 1_000, 59_000, 100_000)];
        assert!(remarks(&late)[0].message.contains("worst: request 4294967296,"));
    }

    #[test]
    fn a_token_that_arrived_before_it_was_made_is_a_fault() {
        let samples = [sample(0, 0, 99_000, 100_000), sample(1, 2_000, 99_500, 98_000)];
        let found = faults(&samples);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].message.starts_with("for 1 of 2 requests the client measured a shorter TTFT"),
            "{}",
            found[0]
        );
        assert!(
            found[0].message.contains("worst: request 2, client 100.0 ms, engine 101.5 ms);"),
            "{}",
            found[0]
        );
    }

    #[test]
    fn what_the_server_did_not_say_is_not_compared() {
        let mut silent = sample(0, 0, 1_000, 0);
        silent.server = Some(ServerTimes { queue_us: Some(9_000_000), ..ServerTimes::default() });
        let mut failed = sample(1, 0, 1_000, 0);
        failed.outcome = Outcome::Failed {
            kind: crate::record::sample::FailureKind::CutShort,
            detail: String::new(),
        };
        assert!(
            remarks(&[silent.clone(), failed.clone()]).is_empty()
                && faults(&[silent, failed]).is_empty()
        );
    }
}
