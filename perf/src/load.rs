//! A load as a test declares it: [`Load`], and the words for its parts.

use std::path::PathBuf;
use std::time::Duration;

use perf_model::compare::Published;
use perf_model::guard::Guard;
use perf_model::load::{Api, Arrivals, Load as Declared, OutputLength, Prompts, Workload};
use perf_model::units::PerSecond;

use crate::guards::GoodputObjective;

/// How long a request may stay silent before it counts as failed, unless a load says otherwise.
///
/// Longer than any sane response that is not streamed; a server that hangs must not take the night.
const STALL_LIMIT: Duration = Duration::from_mins(2);

/// How late the sends of an open loop may be at P99, unless a load says otherwise.
///
/// Five times the resolution of the timers that pace the sends; far below any TTFT worth guarding on a GPU.
const LATENESS_LIMIT: Duration = Duration::from_millis(5);

/// One load on the server: what is asked, when, how often, and what is guarded.
#[derive(Clone, Debug)]
pub struct Load {
    pub(crate) declared: Declared,
    pub(crate) guards: Vec<Guard>,
    pub(crate) published: Vec<Published>,
    warmup: Option<u32>,
}

impl Load {
    /// A load with a name, which becomes its baseline's file name: letters, digits, `_`, `-` and `.`.
    ///
    /// Until told otherwise: one request at a time, 64 random prompt tokens, exactly 64 output tokens, completions,
    /// streamed, greedy.
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
            objectives: Vec::new(),
            stall_limit: STALL_LIMIT,
            lateness_limit: LATENESS_LIMIT,
        };
        Self { declared, guards: Vec::new(), published: Vec::new(), warmup: None }
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

    /// Asks `/v1/chat/completions`, each prompt as one user message.
    #[must_use]
    pub fn chat(mut self) -> Self {
        self.declared.workload.api = Api::Chat;
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

    /// How long a request may stay silent before it counts as failed.
    #[must_use]
    pub fn stall_limit(mut self, limit: Duration) -> Self {
        self.declared.stall_limit = limit;
        self
    }

    /// How late the sends of an open loop may be at P99. Later, and the client was measured: the run is invalid.
    #[must_use]
    pub fn lateness_limit(mut self, limit: Duration) -> Self {
        self.declared.lateness_limit = limit;
        self
    }

    /// Adds a bound that a request must meet to count for goodput: `.objective(ttft().within(millis(200.0)))`.
    #[must_use]
    pub fn objective(mut self, objective: GoodputObjective) -> Self {
        self.declared.objectives.push(objective.0);
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
        self.declared.warmup = self.warmup.unwrap_or_else(|| self.declared.arrivals.width());
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
    Prompts::RandomTokens { length }
}

/// A file of JSON lines with a `prompt` each; a path from the repository's root.
pub fn json_lines(path: impl Into<PathBuf>) -> Prompts {
    Prompts::JsonLines(path.into())
}

/// Exactly so many output tokens: the model's own end is ignored, and any other length is a failure.
pub fn exactly(tokens: u32) -> OutputLength {
    OutputLength::Exactly(tokens)
}

/// Until the model stops, and at most so many output tokens.
pub fn at_most(tokens: u32) -> OutputLength {
    OutputLength::AtMost(tokens)
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

/// Evenly spaced, whatever the responses do.
pub fn constant_rate(rate: PerSecond) -> Arrivals {
    Arrivals::ConstantRate(rate)
}

/// At random with this mean rate, whatever the responses do.
pub fn poisson(rate: PerSecond) -> Arrivals {
    Arrivals::Poisson(rate)
}
