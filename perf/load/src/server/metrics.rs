//! What the server itself counts: [`MetricsReader`] reads the counters of `/metrics` and gives
//! their growth.

use std::time::Duration;

use http::StatusCode;
use perf_clock::{Clock, Stamp};
use perf_model::record::counter_source::CounterSource;
use perf_model::record::file::ServerCounts;
use perf_model::record::rank_counts::RankCounts;

use crate::http::endpoint::Endpoint;
use crate::server::draft_positions::{grown_at, position};
use crate::server::exposition::{count, is_success, sample};
use crate::server::ranks::{grown, ranks};
use crate::server::replicas::{Process, Sightings};
use crate::workload::error::LoadError;

/// The longest that the counters may lag behind the last response.
const LAG: Duration = Duration::from_secs(3);

/// How long to wait before the counters are read again.
const PAUSE: Duration = Duration::from_millis(50);

/// Microseconds in a second, the unit of the server's latencies.
const MICROSECONDS: f64 = 1e6;

/// How often the counters are looked at before the load, each time on a new connection: behind a
/// load balancer every look may reach another server.
const LOOKS: u32 = 6;

/// Looks that follow each other within this time: no server is started again in between.
const AT_ONCE: Duration = Duration::from_secs(2);

/// The counters at one moment, and how they have grown since.
#[derive(Debug)]
pub(crate) struct MetricsReader {
    /// `None` when the server has no such counters.
    last: Option<Look>,
    /// One for each address.
    sightings: Vec<Sightings>,
    /// When the last look was.
    looked: Stamp,
}

/// The counters of every address that is looked at.
#[derive(Clone, Debug, Default)]
struct Look {
    /// Over all of them.
    sum: ServerCounts,
    each: Vec<ServerCounts>,
    /// Those of each engine.
    ranks: Vec<RankCounts>,
}

impl MetricsReader {
    /// Reads the counters for the first time.
    ///
    /// # Errors
    /// When an address that was given for the counters has none.
    pub(crate) async fn read(endpoint: &Endpoint, clock: Clock) -> Result<Self, LoadError> {
        let mut reader = Self { last: None, sightings: Vec::new(), looked: clock.now() };
        reader.last = reader.look(false, endpoint, clock).await.map_err(|(url, cause)| {
            LoadError::Metrics {
                url,
                cause: format!("{cause}; correct --metrics-url, or leave it out"),
            }
        })?;
        let looks = if reader.last.is_some() && !clock.is_virtual() { LOOKS } else { 1 };
        reader.look_again(looks, endpoint, clock).await;
        Ok(reader)
    }

    /// Looks more often, to tell several servers apart.
    async fn look_again(&mut self, looks: u32, endpoint: &Endpoint, clock: Clock) {
        for _ in 1..looks {
            if self.is_several() {
                return;
            }
            if let Ok(Some(look)) = self.look(true, endpoint, clock).await {
                self.last = Some(look);
            }
        }
    }

    /// By how much the counters have grown since they were last read, after so many output tokens
    /// and requests.
    ///
    /// They may lag a moment behind the last response, or a busy server may not answer at once, so
    /// they are read until they hold at least what the client saw, for [`LAG`] at most. In real time
    /// they are also read until then where they hold something else: another server may have
    /// answered. `None` when the server never had any counters, or where several answer at one
    /// address; a single counter that the server lacks is `None` in the result. Where one is gone
    /// that was there, or has shrunk because the server started again, the result says so: see
    /// [`ServerCounts::lost`].
    pub(crate) async fn growth(
        &mut self,
        output_tokens: u64,
        requests: u64,
        endpoint: &Endpoint,
        clock: Clock,
    ) -> Option<ServerCounts> {
        let before = self.last.clone().filter(|_| !self.is_several())?;
        let deadline = clock.now() + LAG;
        // Since the last look there was a load.
        let mut follows = false;
        loop {
            let after = self.look(follows, endpoint, clock).await.ok().flatten();
            follows = true;
            if self.is_several() {
                return None;
            }
            let growth = before.grown_to(&after.clone().unwrap_or_default());
            let is_complete = !growth.lost
                && growth.output_tokens.is_none_or(|seen| seen >= output_tokens)
                && growth.requests.is_none_or(|seen| seen >= requests);
            let is_exact = growth.output_tokens.is_none_or(|seen| seen == output_tokens);
            if is_complete && (is_exact || clock.is_virtual()) || clock.now() >= deadline {
                // What could not be read is still known from before; the next growth would hold
                // both.
                self.last = after.or(self.last.take());
                return Some(growth);
            }
            clock.sleep(PAUSE).await;
        }
    }

    /// Where the counters come from, where that is not the one server of the load.
    pub(crate) fn source(&self, endpoint: &Endpoint) -> Option<CounterSource> {
        let several = self.sightings.iter().find(|sightings| sightings.is_several());
        several.map(|sightings| CounterSource::Several { seen: sightings.count() }).or_else(|| {
            let listed = endpoint.metrics().len();
            (listed > 0).then(|| CounterSource::Listed {
                servers: u32::try_from(listed).unwrap_or(u32::MAX),
            })
        })
    }

    fn is_several(&self) -> bool {
        self.sightings.iter().any(Sightings::is_several)
    }

    /// The counters of every address; whether this look `follows` another one directly. The error is an
    /// address that was listed and has none, with the reason.
    async fn look(
        &mut self,
        follows: bool,
        endpoint: &Endpoint,
        clock: Clock,
    ) -> Result<Option<Look>, (String, String)> {
        let listed = endpoint.metrics();
        let at_once = follows && clock.now().saturating_sub(self.looked) < AT_ONCE;
        let mut texts = Vec::new();
        if listed.is_empty() {
            // A kept connection of a load balancer leads to one server for good.
            let is_known = self.last.is_some();
            let Some(text) = endpoint.get_text_anew("/metrics", is_known, clock).await else {
                return Ok(None);
            };
            texts.push(text);
        }
        for (source, path) in listed {
            let got = source.get(path, true, clock).await;
            let text = got.and_then(|got| {
                let body = String::from_utf8_lossy(&got.body).into_owned();
                if got.status == StatusCode::OK { Ok(body) } else { Err(got.said) }
            });
            texts.push(text.map_err(|cause| (source.shown(path), cause))?);
        }
        self.looked = clock.now();
        self.sightings.resize_with(texts.len(), Sightings::default);
        let mut each = Vec::new();
        for (text, sightings) in texts.iter().zip(&mut self.sightings) {
            let counts = parse(text);
            if counts != ServerCounts::default() {
                sightings.see(Process::of(text), at_once);
            } else if let Some((source, path)) = listed.get(each.len()) {
                let cause = "it has no counters of vLLM".to_owned();
                return Err((source.shown(path), cause));
            }
            each.push(counts);
        }
        let sum = parse(&texts.join("\n"));
        let ranks = (0..).zip(&texts).flat_map(|(place, text)| ranks(place, text)).collect();
        Ok((sum != ServerCounts::default()).then_some(Look { sum, each, ranks }))
    }
}

impl Look {
    /// By how much the sum has grown. Of several servers each must have kept its counters.
    fn grown_to(&self, after: &Self) -> ServerCounts {
        let growth = difference(&self.sum, &after.sum);
        let none = ServerCounts::default();
        let lost =
            self.each.iter().enumerate().any(|(place, before)| {
                difference(before, after.each.get(place).unwrap_or(&none)).lost
            });
        let ranks = grown(&self.ranks, &after.ranks);
        ServerCounts { lost: growth.lost || lost, ranks, ..growth }
    }
}

/// The counters that the client's own count is held against.
const COUNTED: [fn(&ServerCounts) -> Option<u64>; 3] =
    [|counts| counts.prompt_tokens, |counts| counts.output_tokens, |counts| counts.requests];

fn difference(before: &ServerCounts, after: &ServerCounts) -> ServerCounts {
    let grown =
        |counter: fn(&ServerCounts) -> Option<u64>| counter(after)?.checked_sub(counter(before)?);
    ServerCounts {
        prompt_tokens: grown(|counts| counts.prompt_tokens),
        output_tokens: grown(|counts| counts.output_tokens),
        requests: grown(|counts| counts.requests),
        prefix_queries: grown(|counts| counts.prefix_queries),
        prefix_hits: grown(|counts| counts.prefix_hits),
        preemptions: grown(|counts| counts.preemptions),
        drafts: grown(|counts| counts.drafts),
        draft_tokens: grown(|counts| counts.draft_tokens),
        accepted_tokens: grown(|counts| counts.accepted_tokens),
        accepted_at: grown_at(&before.accepted_at, &after.accepted_at),
        ttft_sum_us: grown(|counts| counts.ttft_sum_us),
        ttft_count: grown(|counts| counts.ttft_count),
        e2e_sum_us: grown(|counts| counts.e2e_sum_us),
        e2e_count: grown(|counts| counts.e2e_count),
        kv_use_max_ppm: None,
        kv_use: Vec::new(),
        ranks: Vec::new(),
        lost: COUNTED
            .into_iter()
            .any(|counter| counter(before).is_some() && grown(counter).is_none()),
    }
}

/// The counters in a text of Prometheus' format, each summed over its label sets: a server with
/// several engines counts for each.
pub(crate) fn parse(text: &str) -> ServerCounts {
    let mut counts = ServerCounts::default();
    for line in text.lines() {
        let Some((name, labels, value)) = sample(line) else { continue };
        let mut scale = 1.0;
        let counter = match name {
            "vllm:prompt_tokens_total" => &mut counts.prompt_tokens,
            "vllm:generation_tokens_total" => &mut counts.output_tokens,
            "vllm:request_success_total" => {
                if !is_success(labels) {
                    continue;
                }
                &mut counts.requests
            }
            "vllm:prefix_cache_queries_total" => &mut counts.prefix_queries,
            "vllm:prefix_cache_hits_total" => &mut counts.prefix_hits,
            "vllm:num_preemptions_total" => &mut counts.preemptions,
            // Without the ending in what some versions of the metrics library write.
            "vllm:spec_decode_num_drafts_total" | "vllm:spec_decode_num_drafts" => {
                &mut counts.drafts
            }
            "vllm:spec_decode_num_draft_tokens_total" | "vllm:spec_decode_num_draft_tokens" => {
                &mut counts.draft_tokens
            }
            "vllm:spec_decode_num_accepted_tokens_total"
            | "vllm:spec_decode_num_accepted_tokens" => &mut counts.accepted_tokens,
            "vllm:spec_decode_num_accepted_tokens_per_pos_total"
            | "vllm:spec_decode_num_accepted_tokens_per_pos" => {
                if let (Some(at), Some(value)) = (position(labels), count(value)) {
                    let length = counts.accepted_at.len().max(at + 1);
                    counts.accepted_at.resize(length, 0);
                    counts.accepted_at[at] = counts.accepted_at[at].saturating_add(value);
                }
                continue;
            }
            "vllm:time_to_first_token_seconds_sum" => {
                scale = MICROSECONDS;
                &mut counts.ttft_sum_us
            }
            "vllm:time_to_first_token_seconds_count" => &mut counts.ttft_count,
            "vllm:e2e_request_latency_seconds_sum" => {
                scale = MICROSECONDS;
                &mut counts.e2e_sum_us
            }
            "vllm:e2e_request_latency_seconds_count" => &mut counts.e2e_count,
            _ => continue,
        };
        if let Some(value) = count(value * scale) {
            *counter = Some(counter.unwrap_or(0).saturating_add(value));
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{body_of, capture};

    fn captured(name: &str) -> ServerCounts {
        parse(std::str::from_utf8(body_of(&capture(name))).unwrap())
    }

    #[test]
    fn the_counters_of_a_real_server_are_read() {
        let counts = captured("metrics-after-load");
        assert_eq!(counts.output_tokens, Some(104_448));
        assert_eq!(counts.prompt_tokens, Some(104_448));
        assert_eq!(counts.requests, Some(1_632));
        assert_eq!((counts.prefix_queries, counts.prefix_hits), (Some(104_448), Some(0)));
        assert_eq!(counts.preemptions, Some(0));
        assert_eq!((counts.ttft_count, counts.e2e_count), (Some(1_632), Some(1_632)));
        let (ttft, e2e) = (counts.ttft_mean_ms().unwrap(), counts.e2e_mean_ms().unwrap());
        assert!(0.0 < ttft && ttft < e2e, "{ttft} ms to the first token, {e2e} ms to the last");
    }

    #[test]
    fn growth_is_the_difference_of_each_counter() {
        let growth = difference(&captured("metrics-before"), &captured("metrics-after-load"));
        assert_eq!(growth.output_tokens.zip(growth.requests), Some((104_448, 1_632)));
    }

    #[test]
    fn what_speculative_decoding_did_is_read_under_old_and_new_names() {
        let text = "vllm:spec_decode_num_drafts_total{engine=\"0\"} 10.0\n\
                    vllm:spec_decode_num_draft_tokens_total{engine=\"0\"} 30.0\n\
                    vllm:spec_decode_num_accepted_tokens_total{engine=\"0\"} 21.0\n\
                    vllm:spec_decode_num_accepted_tokens_per_pos_total{engine=\"0\",position=\"1\"} 7.0\n\
                    vllm:spec_decode_num_accepted_tokens_per_pos_total{engine=\"0\",position=\"0\"} 9.0\n\
                    vllm:spec_decode_num_accepted_tokens_per_pos_total{engine=\"1\",position=\"1\"} 1.0\n\
                    vllm:spec_decode_num_accepted_tokens_per_pos_created{position=\"0\"} 1.7e9\n";
        let counts = parse(text);
        assert_eq!(parse(&text.replace("_total", "")), counts);
        assert_eq!(counts.accepted_at, [9, 8]);
        let none = ServerCounts { accepted_at: vec![], ..counts.clone() };
        assert_eq!(difference(&none, &counts).accepted_at, [9, 8]);
        assert_eq!(difference(&counts, &counts).accepted_at, [0, 0]);
        // Counters that are gone or have shrunk say nothing.
        let (gone, shrunk) = (none, ServerCounts { accepted_at: vec![9, 7], ..counts.clone() });
        assert!(
            [gone, shrunk].iter().all(|after| difference(&counts, after).accepted_at.is_empty())
        );
        assert_eq!((counts.acceptance_length(), counts.acceptance_rate()), (Some(3.1), Some(0.7)));
        // vLLM before 0.9 does not count its drafts.
        let old = parse(&text.replace("num_drafts_total", "efficiency"));
        assert_eq!((old.acceptance_length(), old.acceptance_rate()), (None, Some(0.7)));
    }

    #[test]
    fn a_counter_that_shrank_or_is_missing_is_unknown() {
        let before =
            ServerCounts { output_tokens: Some(9), requests: Some(1), ..ServerCounts::default() };
        let after =
            ServerCounts { output_tokens: Some(3), requests: Some(1), ..ServerCounts::default() };
        let growth = difference(&before, &after);
        assert_eq!(
            (growth.output_tokens, growth.requests, growth.preemptions),
            (None, Some(0), None)
        );
        assert!(growth.lost);
        assert!(
            !difference(&before, &before).lost
                && difference(&before, &ServerCounts::default()).lost
        );
    }

    #[test]
    fn a_counter_is_summed_over_engines_and_reasons_that_are_successes() {
        let text = "# TYPE vllm:generation_tokens_total counter\n\
                    vllm:generation_tokens_total{engine=\"0\",model_name=\"a}b c\"} 1.0e+06\n\
                    vllm:generation_tokens_total{engine=\"1\",model_name=\"a}b c\"} 5 1795311184000\n\
                    vllm:generation_tokens_created{engine=\"1\"} 1.7e9\n\
                    vllm:num_preemptions_total 2\n\
                    vllm:request_success_total{finished_reason=\"stop\"} 3\n\
                    vllm:request_success_total{finished_reason=\"abort\"} 7\n\
                    vllm:request_success_total{finished_reason=\"error\"} 7\n\
                    vllm:prefix_cache_hits_total NaN\n\n garbage {\n";
        let counts = parse(text);
        assert_eq!(counts.output_tokens, Some(1_000_005));
        assert_eq!(counts.requests, Some(3));
        assert_eq!((counts.preemptions, counts.prefix_hits), (Some(2), None));
    }
}
