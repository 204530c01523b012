//! A load as a test declares it: [`Load`], and the words for its parts.

use std::path::PathBuf;
use std::time::Duration;

use perf_model::judge::results::Published;
use perf_model::spec::extra_body::ExtraBody;
use perf_model::spec::guard::Guard;
use perf_model::spec::load::{
    Api, Arrivals, Length, Load as Declared, OutputLength, Prompts, Workload,
};
use perf_model::spec::model_mix::ModelMix;
use perf_model::spec::tier::Tier;
use perf_model::spec::units::{PerSecond, Percent, percent};

use crate::guards::GoodputObjective;

/// How long a request may stay silent before it counts as failed, unless a load says otherwise.
///
/// Longer than any sane response that is not streamed; a server that hangs must not take the night.
const STALL_LIMIT: Duration = Duration::from_mins(2);

/// How long a request may take in all, unless a load says otherwise: far longer than any answer
/// that is worth waiting for.
const REQUEST_LIMIT: Duration = Duration::from_hours(1);

/// How late the sends of an open loop may be at P99, unless a load says otherwise.
///
/// Five times the resolution of the timers that pace the sends; far below any TTFT worth guarding
/// on a GPU.
const LATENESS_LIMIT: Duration = Duration::from_millis(5);

/// One load on the server: what is asked, when, how often, and what is guarded.
#[derive(Clone, Debug)]
pub struct Load {
    pub(crate) declared: Declared,
    pub(crate) guards: Vec<Guard>,
    pub(crate) published: Vec<Published>,
    warmup: Option<u32>,
    pub(crate) tier: Tier,
    pub(crate) once_per_start: bool,
}

impl Load {
    /// A load with a name, which becomes its baseline's file name: letters, digits, `_`, `-` and
    /// `.`.
    ///
    /// The defaults: one request at a time, 64 random prompt tokens, exactly 64 output
    /// tokens, completions, streamed, greedy.
    pub fn new(name: &str) -> Self {
        let workload = Workload {
            prompts: random_tokens(64),
            output: exactly(64),
            api: Api::Completions,
            stream: true,
            temperature: 0.0,
        };
        let declared = Declared {
            name: name.to_owned(),
            workload,
            arrivals: one_at_a_time(),
            requests: 20,
            warmup: 1,
            samples_kv_cache: false,
            leave_out: Vec::new(),
            body: ExtraBody::default(),
            model_mix: ModelMix::default(),
            objectives: Vec::new(),
            stall_limit: STALL_LIMIT,
            lateness_limit: LATENESS_LIMIT,
            failures_allowed: percent(0.0),
            request_limit: REQUEST_LIMIT,
            contents: None,
            pause_ms: None,
            search: None,
        };
        Self {
            declared,
            guards: Vec::new(),
            published: Vec::new(),
            warmup: None,
            tier: Tier::default(),
            once_per_start: false,
        }
    }

    /// Where the prompts come from.
    #[must_use]
    pub fn prompts(mut self, prompts: Prompts) -> Self {
        self.declared.workload.prompts = prompts;
        self
    }

    /// How long the answers are.
    #[must_use]
    pub fn output_tokens(mut self, output: OutputLength) -> Self {
        self.declared.workload.output = output;
        self
    }

    /// When the requests are sent.
    #[must_use]
    pub fn arrivals(mut self, arrivals: Arrivals) -> Self {
        self.declared.arrivals = arrivals;
        self
    }

    /// In [`conversations`], the time from each answer to the next message: what a user reads and
    /// types, or an agent's tool takes. The next message's latency counts from then.
    #[must_use]
    pub fn pause(self, pause: Duration) -> Self {
        let millis = u32::try_from(pause.as_millis()).unwrap_or(u32::MAX);
        self.pause_of(Length::Fixed(millis))
    }

    /// As [`Load::pause`], with times in milliseconds that differ: `pause_of(lognormal(800, 0.8,
    /// 20_000))`. A run takes them at even steps through the distribution, so that the pauses of
    /// every run add up to the same time.
    #[must_use]
    pub fn pause_of(mut self, millis: Length) -> Self {
        self.declared.pause_ms = Some(millis);
        self
    }

    /// How many measured requests.
    #[must_use]
    pub fn requests(mut self, requests: u32) -> Self {
        self.declared.requests = requests;
        self
    }

    /// How many requests before the measured ones; without it, as many as are under way at once.
    #[must_use]
    pub fn warmup(mut self, requests: u32) -> Self {
        self.warmup = Some(requests);
        self
    }

    /// Runs it once in each engine start, also where other loads are repeated: for what only a fresh
    /// server shows. Make it the suite's first load, with `.warmup(0)`.
    #[must_use]
    pub fn once_per_start(mut self) -> Self {
        self.once_per_start = true;
        self
    }

    /// Samples how much of the KV cache is in use, every 100 ms during the load, and shows the
    /// most. It costs the server an answer of `/metrics` each time.
    #[must_use]
    pub fn sample_kv_cache(mut self) -> Self {
        self.declared.samples_kv_cache = true;
        self
    }

    /// Asks for whole responses. TTFT, TPOT and ITL do not exist then.
    #[must_use]
    pub fn not_streamed(mut self) -> Self {
        self.declared.workload.stream = false;
        self
    }

    /// The sampling temperature; 0 is greedy.
    #[must_use]
    pub fn temperature(mut self, temperature: f64) -> Self {
        self.declared.workload.temperature = temperature;
        self
    }

    /// How long a request may stay without an event before it counts as failed. Comments that keep
    /// a connection alive are no events.
    #[must_use]
    pub fn stall_limit(mut self, limit: Duration) -> Self {
        self.declared.stall_limit = limit;
        self
    }

    /// How long a request may take in all before it counts as failed, an hour by default.
    #[must_use]
    pub fn request_limit(mut self, limit: Duration) -> Self {
        self.declared.request_limit = limit;
        self
    }

    /// How late the sends of an open loop may be at P99, and half of how late the client's event
    /// loop may wake in any load. Later, and the client was measured: the run is invalid.
    #[must_use]
    pub fn lateness_limit(mut self, limit: Duration) -> Self {
        self.declared.lateness_limit = limit;
        self
    }

    /// The share of requests that may fail. None by default: one failure makes the run invalid.
    /// What failed counts in no figure, and the report names it.
    #[must_use]
    pub fn failures_allowed(mut self, share: Percent) -> Self {
        self.declared.failures_allowed = share;
        self
    }

    /// Adds a bound that a request must meet to count for goodput:
    /// `.objective(ttft().within(millis(200.0)))`.
    #[must_use]
    pub fn objective(mut self, objective: GoodputObjective) -> Self {
        self.declared.objectives.push(objective.0);
        self
    }

    /// From which tier on it is measured: `Tier::PullRequest` unless this or the suite says otherwise.
    #[must_use]
    pub fn tier(mut self, tier: Tier) -> Self {
        self.tier = tier;
        self
    }

    /// Guards a metric.
    #[must_use]
    pub fn guard(mut self, guard: Guard) -> Self {
        self.guards.push(guard);
        self
    }

    /// A figure that somebody else published, to stand beside the measured one, marked as imported.
    #[must_use]
    pub fn published(mut self, published: Published) -> Self {
        self.published.push(published);
        self
    }

    /// The load with what was left open filled in.
    pub(crate) fn finished(mut self) -> Self {
        if let Some(search) = self.declared.search
            && self.declared.arrivals == one_at_a_time()
        {
            self.declared.arrivals = search.usual_arrivals();
        }
        self.declared.warmup = self.warmup.unwrap_or_else(|| self.declared.usual_warmup());
        self
    }
}

/// One text for every request.
pub fn text(text: &str) -> Prompts {
    Prompts::Text(text.to_owned())
}

/// One sentence said `times` times over, for every request. End it with a space.
pub fn repeated_sentence(sentence: &str, times: u32) -> Prompts {
    Prompts::RepeatedSentence { sentence: sentence.to_owned(), times }
}

/// Random token ids, exactly `length` of them, others for each request. Completions only.
pub fn random_tokens(length: u32) -> Prompts {
    random_tokens_of(Length::Fixed(length))
}

/// Random token ids in prompts whose lengths differ: `random_tokens_of(uniform(256, 1_024))`.
/// Completions only.
pub fn random_tokens_of(length: Length) -> Prompts {
    Prompts::RandomTokens { length }
}

/// Random token ids behind one of `prefixes` shared beginnings, which the prefix cache can serve.
/// Completions only.
pub fn shared_prefix(prefixes: u32, prefix_length: u32, suffix_length: u32) -> Prompts {
    Prompts::SharedPrefix {
        prefixes,
        prefix_length: Length::Fixed(prefix_length),
        suffix_length: Length::Fixed(suffix_length),
    }
}

/// Lines of verse: `own` at random for each request, behind `shared` lines that open every prompt.
/// About 12 tokens each.
pub fn verse(shared: u32, own: u32) -> Prompts {
    Prompts::Verse { file: None, shared, own }
}

/// As [`verse`], with the lines of a text file; a path from the repository's root.
pub fn verse_of(file: impl Into<PathBuf>, shared: u32, own: u32) -> Prompts {
    Prompts::Verse { file: Some(file.into()), shared, own }
}

/// Random ordinary words, others for each request, for chat and completions:
/// `prose(lognormal(256, 0.8, 4_096))`.
///
/// Lengths are in words, because only the server knows its tokenizer: English takes about four
/// tokens for three words. The report shows the true number of prompt tokens, from the server's
/// `usage`. As with every length, a run takes them at even steps through the distribution, and its
/// seed decides only their order and the words.
pub fn prose(words: Length) -> Prompts {
    Prompts::Prose { words }
}

/// A JSON file in `ShareGPT`'s format: each conversation's first question is a prompt, and the
/// answer beside it gives the output's length, up to the load's number. A path from the
/// repository's root.
pub fn share_gpt(path: impl Into<PathBuf>) -> Prompts {
    Prompts::ShareGpt(path.into())
}

/// Conversations of `turns` messages of so many random words. Each request waits for the answer
/// before it and carries all that was said; `concurrent(8)` keeps eight conversations going. Chat
/// only.
pub fn conversations(turns: u32, words: Length) -> Prompts {
    Prompts::Conversations { turns, words }
}

/// Recorded traffic: a file of JSON lines with `timestamp`, `input_length` and `output_length`,
/// each as random token ids. A path from the repository's root. Completions only.
pub fn trace(path: impl Into<PathBuf>) -> Prompts {
    Prompts::Trace(path.into())
}

/// Any length from one to another, all equally often.
pub fn uniform(min: u32, max: u32) -> Length {
    Length::Uniform { min, max }
}

/// Lengths as those of real prompts and answers: half below the median, few very long, none above
/// `max`.
pub fn lognormal(median: u32, sigma: f64, max: u32) -> Length {
    Length::Lognormal { median, sigma, max }
}

/// A file of JSON lines with a `prompt` each; a path from the repository's root.
pub fn json_lines(path: impl Into<PathBuf>) -> Prompts {
    Prompts::JsonLines(path.into())
}

/// Exactly so many output tokens: the model's own end is ignored, and any other length is a
/// failure.
pub fn exactly(tokens: u32) -> OutputLength {
    OutputLength::Exactly(tokens)
}

/// Exactly as many output tokens as were drawn for the request: `exactly_of(lognormal(256, 0.7,
/// 2_048))`.
pub fn exactly_of(length: Length) -> OutputLength {
    OutputLength::ExactlyOf(length)
}

/// Until the model stops, and at most so many output tokens.
pub fn at_most(tokens: u32) -> OutputLength {
    OutputLength::AtMost(tokens)
}

/// Until the model stops, and at most as many output tokens as were drawn for the request:
/// `at_most_of(uniform(64, 256))`.
pub fn at_most_of(length: Length) -> OutputLength {
    OutputLength::AtMostOf(length)
}

/// The next request when the last has ended.
pub fn one_at_a_time() -> Arrivals {
    Arrivals::OneAtATime
}

/// So many requests under way at all times: whenever one ends, the next is sent.
pub fn concurrent(requests: u32) -> Arrivals {
    Arrivals::Concurrency(requests)
}

/// So many requests at once; the next wave when the whole last one has ended.
pub fn waves_of(requests: u32) -> Arrivals {
    Arrivals::Waves(requests)
}

/// Evenly spaced; sends do not wait for responses.
pub fn constant_rate(rate: PerSecond) -> Arrivals {
    Arrivals::ConstantRate(rate)
}

/// At random with this mean rate; sends do not wait for responses.
pub fn poisson(rate: PerSecond) -> Arrivals {
    Arrivals::Poisson(rate)
}

/// At random with this mean rate and gamma-distributed gaps: bursts below shape 1, evener than
/// Poisson above it.
pub fn gamma(rate: PerSecond, shape: f64) -> Arrivals {
    Arrivals::Gamma { rate, shape }
}

/// Evenly spaced at a rate that goes linearly from one to another over the run.
pub fn ramp(from: PerSecond, to: PerSecond) -> Arrivals {
    Arrivals::Ramp { from, to }
}

/// At the time stamps of the [trace] that the prompts come from.
pub fn as_recorded() -> Arrivals {
    Arrivals::Recorded { speed: 1.0 }
}

/// As [`as_recorded`], so many times as fast.
pub fn as_recorded_at(speed: f64) -> Arrivals {
    Arrivals::Recorded { speed }
}
