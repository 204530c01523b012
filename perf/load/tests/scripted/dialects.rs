//! More than ten thousand random streams in the dialects of eight servers, of which the truth is known:
//! what is not marked as an estimate is exact, and no failure is missed or invented.
//!
//! A token may have no text (half a character, a special token), several may
//! share a chunk, and the token that ends an answer may be counted though it has no text.

use std::collections::BTreeMap;
use std::sync::Arc;

use perf_model::record::sample::{FailureKind, Outcome, Sample};
use perf_model::spec::load::{Api, Arrivals, OutputLength};
use perf_model::spec::metric::Quantity;
use rand::RngExt;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand::seq::IndexedRandom;

use crate::dialect::{Counts, DIALECTS, Dialect, End, Error, Role};
use crate::server::{Reply, Server, chunks, load, run};

const LIMIT: u32 = 40;
const RUNS: u64 = 13;
const REQUESTS: u32 = 100;

/// What truly happened, in microseconds since the request was sent.
struct Truth {
    reply: Reply,
    failure: Option<FailureKind>,
    /// When tokens came, and how many.
    tokens: Vec<(u64, u32)>,
}

/// One chunk.
fn event(choices: &str, usage: Option<u32>) -> String {
    let usage = usage.map_or_else(
        || ",\"usage\":null".to_owned(),
        |total| format!(",\"usage\":{{\"prompt_tokens\":3,\"completion_tokens\":{total}}}"),
    );
    format!("data: {{\"id\":\"c\",\"choices\":{choices}{usage}}}\n\n")
}

impl Dialect {
    /// One choice; `form` is its delta, or its text.
    fn choice(&self, form: &str, reason: Option<&str>) -> String {
        let none = || self.no_reason.to_owned();
        let reason = reason.map_or_else(none, |reason| format!("\"{reason}\""));
        let form = if self.is_text { form.to_owned() } else { format!("\"delta\":{{{form}}}") };
        format!("[{{\"index\":0,{form},\"logprobs\":null,\"finish_reason\":{reason}}}]")
    }

    /// What a chunk says of the count that is `total` with it. `is_end` is that of a chunk with the
    /// finish reason, `has_token` that of one with a token.
    fn usage(&self, total: u32, is_end: bool, has_token: bool) -> Option<u32> {
        match self.counts {
            Counts::Running => has_token.then_some(total),
            Counts::ZerosThenAtTheEnd => Some(0),
            Counts::InTheEnd => is_end.then_some(total),
            Counts::AtTheEnd | Counts::WithEmptyChoice => None,
        }
    }

    fn draw(&self, rng: &mut ChaCha8Rng) -> Truth {
        let count = if rng.random_bool(0.2) { LIMIT } else { rng.random_range(8..LIMIT - 1) };
        let is_cut = count == LIMIT;
        let reason = if is_cut { "length" } else { "stop" };
        let has_thought = !self.is_text && rng.random_bool(0.5);
        let thoughts = if has_thought { rng.random_range(0..count) } else { 0 };
        let longest = *[0, 3, 1_000, 50_000].choose(rng).unwrap();
        let (mut now, mut total) = (0, 0);
        let mut pieces: Vec<(u64, String)> = Vec::new();
        let mut tokens = Vec::new();
        if let Role::Alone(delta) = self.role {
            // Of the servers with running counts only SGLang opens without one.
            let usage = (self.counts == Counts::Running && self.sends_empty).then_some(0);
            pieces.push((0, event(&self.choice(delta, None), usage)));
        }
        let end = match self.end {
            End::Alone(form) => Some((form, false)),
            End::AtStop(form) => Some((form, true)).filter(|_| !is_cut),
        };
        let mut is_first = true;
        while total < count {
            let some = rng.random_range(1..=self.most).min(count - total);
            total += some;
            let ends = total == count && end.is_none();
            let pause = rng.random_range(0..=longest);
            now += pause;
            // A server that holds such a token back sends it with the next.
            let is_empty = some == 1 && self.sends_empty && rng.random_bool(0.05);
            let text = if is_empty { "" } else { [" the", "é", "x", "\\n"].choose(rng).unwrap() };
            let form = match total <= thoughts {
                _ if self.is_text => r#""text":"@""#,
                true => self.thought,
                false => self.answer,
            };
            let mut form = form.replace('@', text);
            if self.role == Role::Everywhere || (self.role == Role::First && is_first) {
                form = format!("\"role\":\"assistant\",{form}");
            }
            is_first = false;
            let choice = self.choice(&form, ends.then_some(reason));
            pieces.push((pause, event(&choice, self.usage(total, ends, true))));
            tokens.push((now, some));
        }
        if let Some((form, is_of_token)) = end {
            let pause = rng.random_range(0..=longest);
            now += pause;
            if self.counts_end && !is_cut {
                total += 1;
                tokens.push((now, 1));
            }
            let choice = self.choice(form, Some(reason));
            pieces.push((pause, event(&choice, self.usage(total, true, is_of_token))));
        }
        match self.counts {
            Counts::Running | Counts::AtTheEnd | Counts::ZerosThenAtTheEnd => {
                pieces.push((0, event("[]", Some(total))));
            }
            Counts::WithEmptyChoice => {
                pieces.push((0, event("[{\"index\":0,\"delta\":{}}]", Some(total))));
            }
            Counts::InTheEnd => {}
        }
        let failure = self.fail(rng, &mut pieces);
        if failure.is_none() {
            pieces.push((0, "data: [DONE]\n\n".to_owned()));
        }
        Truth { reply: Reply::stream(pieces), failure, tokens }
    }

    /// Lets one in five answers fail, before the end and the counts of any dialect.
    fn fail(&self, rng: &mut ChaCha8Rng, pieces: &mut Vec<(u64, String)>) -> Option<FailureKind> {
        let (events, failure) = match (rng.random_range(0..10), self.error) {
            (0, _) => ("", FailureKind::CutShort),
            (1, Error::Lost(events)) => (events, FailureKind::CutShort),
            (1, Error::Said(events)) => (events, FailureKind::ErrorInBand),
            _ => return None,
        };
        pieces.truncate(rng.random_range(1..pieces.len() - 2));
        pieces.push((0, events.to_owned()));
        Some(failure)
    }
}

/// What was seen of a dialect.
#[derive(Default)]
struct Tally {
    streams: u32,
    failures: u32,
    estimated: BTreeMap<&'static str, u32>,
}

fn check(dialect: &Dialect, truth: &Truth, sample: &Sample, tally: &mut Tally) {
    let Truth { reply, failure, tokens } = truth;
    let about = || format!("{}: {sample:?}\n{reply:#?}\n{tokens:?}", dialect.name);
    let seen = match &sample.outcome {
        Outcome::Succeeded => None,
        Outcome::Failed { kind, .. } => Some(*kind),
    };
    assert_eq!(seen, *failure, "{}", about());
    tally.streams += 1;
    if failure.is_some() {
        tally.failures += 1;
        return;
    }
    let count: u32 = tokens.iter().map(|(_, tokens)| tokens).sum();
    assert_eq!(sample.output_tokens, Some(count), "{}", about());
    let measured: Vec<(u64, u32)> =
        chunks(sample).into_iter().map(|(at, tokens)| (at - sample.sent_us, tokens)).collect();
    let end = |chunks: &[(u64, u32)]| chunks.last().map(|(at, _)| *at);
    let first = |chunks: &[(u64, u32)]| chunks.first().map(|(at, _)| *at);
    for (quantity, is_exact) in [
        (Quantity::Ttft, first(&measured) == first(tokens)),
        (Quantity::E2e, end(&measured) == end(tokens)),
        (Quantity::Itl, measured == *tokens),
    ] {
        if sample.estimated.affects(quantity) {
            *tally.estimated.entry(quantity.name()).or_default() += 1;
        } else {
            assert!(is_exact, "{quantity:?} is not an estimate, and wrong: {}", about());
        }
    }
}

#[test]
fn what_is_not_an_estimate_is_exact_in_every_dialect() {
    let mut all = 0;
    for (place, dialect) in (0_u64..).zip(&DIALECTS) {
        let mut tally = Tally::default();
        for seed in 0..RUNS {
            let mut rng = ChaCha8Rng::seed_from_u64(1_000 * place + seed);
            let truths: Arc<Vec<Truth>> =
                Arc::new((0..REQUESTS).map(|_| dialect.draw(&mut rng)).collect());
            let replies = Arc::clone(&truths);
            let mut load = load(Arrivals::Concurrency(7), REQUESTS);
            load.workload.api = if dialect.is_text { Api::Completions } else { Api::Chat };
            load.workload.output = OutputLength::AtMost(LIMIT);
            let ran =
                run(&load, |clock| Server::new(clock, move |index| replies[index].reply.clone()));
            for sample in &ran.samples {
                check(dialect, &truths[sample.index as usize], sample, &mut tally);
            }
        }
        println!(
            "{:>20}: {} streams, {} failed, estimates {:?}",
            dialect.name, tally.streams, tally.failures, tally.estimated
        );
        all += tally.streams;
        assert!(tally.failures > 100, "{}", dialect.name);
        // Nothing is estimated where the server counts with every chunk, the last one included.
        let counts_all = matches!((dialect.counts, dialect.end), (Counts::Running, End::AtStop(_)));
        assert_eq!(tally.estimated.is_empty(), counts_all, "{}", dialect.name);
    }
    assert!(all >= 10_000, "{all}");
}
