//! Ten thousand random streams in the dialects of eight servers, of which the truth is known: what is
//! not marked as an estimate is exact, and no failure is missed or invented.
//!
//! The dialects follow the servers' public documentation. vLLM's was checked on its source, llama.cpp's
//! and `LiteLLM`'s on public threads; the others were not held against recorded streams. A token may have no text
//! (half a character, a special token), several may share a chunk, and the token that ends an answer
//! may be counted though it has no text.

use std::collections::BTreeMap;
use std::sync::Arc;

use perf_model::record::sample::{FailureKind, Outcome, Sample};
use perf_model::spec::load::{Api, Arrivals, OutputLength};
use perf_model::spec::metric::Quantity;
use rand::RngExt;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand::seq::IndexedRandom;

use crate::server::{Reply, Server, chunks, load, run};

const LIMIT: u32 = 40;
const RUNS: u64 = 13;
const REQUESTS: u32 = 100;

/// Where the role stands.
#[derive(Clone, Copy, PartialEq)]
enum Role {
    /// In a chunk of its own, the first, with this content.
    Alone(&'static str),
    /// In every chunk.
    Everywhere,
    /// In the first chunk with output.
    First,
}

/// Where the end stands.
#[derive(Clone, Copy, PartialEq)]
enum End {
    /// In the chunk of the last token.
    WithLast,
    /// In a chunk of its own, with this delta.
    Alone(&'static str),
}

/// Where the token counts stand.
#[derive(Clone, Copy, PartialEq)]
enum Counts {
    /// In every chunk, and at the end.
    Running,
    /// In a chunk without choices.
    AtTheEnd,
    /// In a chunk with an empty choice.
    WithEmptyChoice,
    /// In the chunk that ends the answer.
    InTheEnd,
}

#[derive(Clone, Copy)]
struct Dialect {
    name: &'static str,
    role: Role,
    /// How a chunk of reasoning is written: `@` stands for the text.
    thought: &'static str,
    end: End,
    counts: Counts,
    /// Whether the token that ends an answer is counted.
    counts_end: bool,
    /// The most tokens of a chunk.
    most: u32,
    /// Whether a token without text is sent in a chunk of its own.
    sends_empty: bool,
    error: &'static str,
}

const DIALECTS: [Dialect; 8] = [
    Dialect {
        name: "vLLM",
        role: Role::Alone("\"\""),
        thought: r#""reasoning":"@""#,
        end: End::WithLast,
        counts: Counts::Running,
        counts_end: false,
        most: 4,
        sends_empty: true,
        error: "data: {\"error\": {\"message\": \"no\", \"code\": 500}}\n\ndata: [DONE]\n\n",
    },
    Dialect {
        name: "SGLang",
        role: Role::Alone("\"\""),
        thought: r#""content":null,"reasoning_content":"@""#,
        end: End::Alone(r#""role":null,"content":null,"reasoning_content":null,"tool_calls":null"#),
        counts: Counts::AtTheEnd,
        counts_end: true,
        most: 3,
        sends_empty: false,
        error: "data: {\"error\":{\"object\":\"error\",\"message\":\"no\",\"code\":500}}\n\n",
    },
    Dialect {
        name: "llama.cpp",
        role: Role::Alone("null"),
        thought: r#""reasoning_content":"@""#,
        end: End::Alone(""),
        counts: Counts::AtTheEnd,
        counts_end: true,
        most: 1,
        sends_empty: false,
        error: "error: {\"code\":500,\"message\":\"no\",\"type\":\"server_error\"}\n\n",
    },
    Dialect {
        name: "Ollama",
        role: Role::Everywhere,
        thought: r#""content":"","reasoning":"@""#,
        end: End::Alone(r#""role":"assistant","content":"""#),
        counts: Counts::AtTheEnd,
        counts_end: true,
        most: 1,
        sends_empty: false,
        error: "data: {\"error\":{\"message\":\"no\",\"type\":\"api_error\"}}\n\n",
    },
    Dialect {
        name: "TGI",
        role: Role::Everywhere,
        thought: r#""content":"@""#,
        end: End::WithLast,
        counts: Counts::AtTheEnd,
        counts_end: false,
        most: 1,
        sends_empty: true,
        error: "data: {\"error\":\"no\",\"error_type\":\"generation\"}\n\n",
    },
    Dialect {
        name: "TensorRT-LLM",
        role: Role::First,
        thought: r#""content":null,"reasoning_content":"@","tool_calls":[]"#,
        end: End::WithLast,
        counts: Counts::Running,
        counts_end: false,
        most: 2,
        sends_empty: true,
        error: "data: {\"object\":\"error\",\"message\":\"no\",\"code\":500}\n\n",
    },
    Dialect {
        name: "LMDeploy",
        role: Role::Everywhere,
        thought: r#""content":null,"reasoning_content":"@","tool_calls":null"#,
        end: End::Alone(r#""role":"assistant","content":"""#),
        counts: Counts::InTheEnd,
        counts_end: false,
        most: 2,
        sends_empty: false,
        error: "data: {\"object\":\"error\",\"message\":\"no\",\"code\":500}\n\n",
    },
    Dialect {
        name: "LiteLLM",
        role: Role::First,
        thought: r#""content":"","reasoning_content":"@","provider_specific_fields":{"reasoning_content":"@"}"#,
        end: End::Alone(""),
        counts: Counts::WithEmptyChoice,
        counts_end: true,
        most: 2,
        sends_empty: false,
        error: "data: {\"error\":{\"message\":\"no\",\"type\":\"None\",\"code\":\"500\"}}\n\n",
    },
];

/// What truly happened, in microseconds since the request was sent.
struct Truth {
    reply: Reply,
    failure: Option<FailureKind>,
    /// When tokens came, and how many.
    tokens: Vec<(u64, u32)>,
}

/// One line of a chunk.
fn event(choices: &str, usage: Option<u32>) -> String {
    let usage = usage.map_or_else(
        || ",\"usage\":null".to_owned(),
        |total| format!(",\"usage\":{{\"prompt_tokens\":3,\"completion_tokens\":{total}}}"),
    );
    format!(
        "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"choices\":{choices}{usage}}}\n\n"
    )
}

fn choice(delta: &str, reason: Option<&str>) -> String {
    let reason = reason.map_or_else(|| "null".to_owned(), |reason| format!("\"{reason}\""));
    format!("[{{\"index\":0,\"delta\":{{{delta}}},\"logprobs\":null,\"finish_reason\":{reason}}}]")
}

impl Dialect {
    fn draw(&self, rng: &mut ChaCha8Rng) -> Truth {
        let count = if rng.random_bool(0.2) { LIMIT } else { rng.random_range(8..LIMIT - 1) };
        let is_cut = count == LIMIT;
        let reason = if is_cut { "length" } else { "stop" };
        let thoughts = if rng.random_bool(0.5) { rng.random_range(0..count) } else { 0 };
        let is_running = self.counts == Counts::Running;
        let longest = *[0, 3, 1_000, 50_000].choose(rng).unwrap();
        let (mut now, mut total) = (0, 0);
        let mut pieces: Vec<(u64, String)> = Vec::new();
        let mut tokens = Vec::new();
        if let Role::Alone(content) = self.role {
            let delta = format!("\"role\":\"assistant\",\"content\":{content}");
            pieces.push((0, event(&choice(&delta, None), is_running.then_some(0))));
        }
        let mut is_first = true;
        while total < count {
            let some = rng.random_range(1..=self.most).min(count - total);
            total += some;
            let is_last = total == count;
            let pause = rng.random_range(0..=longest);
            now += pause;
            // A server that holds such a token back sends it with the next.
            let is_empty = some == 1 && self.sends_empty && rng.random_bool(0.05);
            let text = if is_empty { "" } else { [" the", "é", "x", "\\n"].choose(rng).unwrap() };
            let form = if total <= thoughts { self.thought } else { r#""content":"@""# };
            let mut delta = form.replace('@', text);
            if self.role == Role::Everywhere || (self.role == Role::First && is_first) {
                delta = format!("\"role\":\"assistant\",{delta}");
            }
            is_first = false;
            let ends = is_last && self.end == End::WithLast;
            pieces.push((
                pause,
                event(&choice(&delta, ends.then_some(reason)), is_running.then_some(total)),
            ));
            tokens.push((now, some));
        }
        if let End::Alone(delta) = self.end {
            let pause = rng.random_range(0..=longest);
            now += pause;
            if self.counts_end && !is_cut {
                total += 1;
                tokens.push((now, 1));
            }
            let usage = (self.counts == Counts::InTheEnd).then_some(total);
            pieces.push((pause, event(&choice(delta, Some(reason)), usage)));
        }
        match self.counts {
            Counts::Running | Counts::AtTheEnd => pieces.push((0, event("[]", Some(total)))),
            Counts::WithEmptyChoice => {
                pieces.push((0, event("[{\"index\":0,\"delta\":{}}]", Some(total))));
            }
            Counts::InTheEnd => {}
        }
        let failure = match rng.random_range(0..10) {
            0 => {
                // Before the end and the counts of any dialect.
                pieces.truncate(rng.random_range(1..pieces.len() - 2));
                Some(FailureKind::CutShort)
            }
            1 => {
                pieces.truncate(rng.random_range(1..pieces.len() - 2));
                pieces.push((0, self.error.to_owned()));
                Some(FailureKind::ErrorInBand)
            }
            _ => {
                pieces.push((0, "data: [DONE]\n\n".to_owned()));
                None
            }
        };
        Truth { reply: Reply::stream(pieces), failure, tokens }
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
            load.workload.api = Api::Chat;
            load.workload.output = OutputLength::AtMost(LIMIT);
            let ran =
                run(&load, |clock| Server::new(clock, move |index| replies[index].reply.clone()));
            for sample in &ran.samples {
                check(dialect, &truths[sample.index as usize], sample, &mut tally);
            }
        }
        println!(
            "{:>13}: {} streams, {} failed, estimates {:?}",
            dialect.name, tally.streams, tally.failures, tally.estimated
        );
        all += tally.streams;
        assert!(tally.failures > 100, "{}", dialect.name);
        // Nothing is estimated where the server counts with every chunk.
        assert_eq!(tally.estimated.is_empty(), dialect.counts == Counts::Running);
    }
    assert!(all >= 10_000, "{all}");
}
