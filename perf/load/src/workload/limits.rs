//! How much a load may ask for: [`excess`] names what no client can hold or no user would
//! wait for, so that a typing error is refused here and not when the memory is used up.

use std::time::Duration;

use perf_model::spec::load::{Arrivals, Length, Load, Prompts};

/// The most requests of a run, and of its warm-up: every request is kept until the run is over.
const REQUESTS: u64 = 1_000_000;

/// The most requests at once: each takes a connection, and an address has 65,535 ports.
const WIDTH: u64 = 50_000;

/// The longest prompt or response in tokens (words, lines, repetitions): more than any model reads.
const LENGTH: u64 = 10_000_000;

/// The most tokens of all prompts together: they are drawn before the first is sent.
const TOKENS: u64 = 1_000_000_000;

/// The most bytes of added fields in all requests together: bodies are made before the first is
/// sent.
const BODIES: u64 = 1_000_000_000;

/// The most requests per second: schedules are in microseconds.
const RATE: f64 = 1e6;

/// The slowest and the fastest replay of a trace.
const SPEED: std::ops::RangeInclusive<f64> = 1e-3..=1e6;

/// The longest pause between two turns of a conversation, in milliseconds: a day.
const PAUSE_MS: u64 = 86_400_000;

/// How long a schedule and a request may take.
const TIME: Duration = Duration::from_hours(30 * 24);

/// What of a load is too much, if anything: words for an error.
pub(crate) fn excess(load: &Load) -> Option<String> {
    let requests = u64::from(load.requests.max(load.warmup));
    let prompt = longest(&load.workload.prompts);
    let pause = load.pause_ms.map_or(0, Length::max);
    let wait = load.stall_limit.max(load.request_limit);
    let added = load.body.size() as u64;
    let limits = [
        (requests, REQUESTS, "requests"),
        (load.arrivals.width().into(), WIDTH, "requests at once"),
        (load.workload.output.limit().into(), LENGTH, "output tokens per request"),
        (prompt, LENGTH, "tokens or words per prompt"),
        (prompt * requests, TOKENS, "tokens or words in all prompts"),
        (added * requests, BODIES, "bytes of added fields in all requests"),
        (wait.as_secs(), TIME.as_secs(), "seconds to wait for a response"),
        (pause.into(), PAUSE_MS, "milliseconds of pause between turns"),
    ];
    let excess = limits.into_iter().find(|(value, most, _)| value > most);
    excess
        .map(|(value, most, what)| {
            format!("it asks for {value} {what}; at most {most} are possible")
        })
        .or_else(|| pace(load))
}

/// What of its arrivals is too fast or too slow.
fn pace(load: &Load) -> Option<String> {
    let (fastest, mean) = match load.arrivals {
        Arrivals::ConstantRate(rate) | Arrivals::Poisson(rate) | Arrivals::Gamma { rate, .. } => {
            (rate.value(), rate.value())
        }
        Arrivals::Ramp { from, to } => {
            (from.value().max(to.value()), f64::midpoint(from.value(), to.value()))
        }
        Arrivals::Recorded { speed } if !SPEED.contains(&speed) => {
            let (least, most) = (SPEED.start(), SPEED.end());
            return Some(format!(
                "it replays its trace at {speed} times its speed; from {least} to {most} is possible"
            ));
        }
        _ => return None,
    };
    if fastest > RATE {
        return Some(format!(
            "its rate is {fastest} requests per second; at most {RATE} is possible"
        ));
    }
    let seconds = f64::from(load.requests.saturating_sub(1)) / mean;
    (seconds > TIME.as_secs_f64()).then(|| {
        let (days, most) = (seconds / 86_400.0, TIME.as_secs() / 86_400);
        format!("it would send its last request after {days:.0} days; at most {most} are possible: raise the rate")
    })
}

/// How long a prompt can be, in tokens, words, lines or repetitions; 0 where a file says it.
fn longest(prompts: &Prompts) -> u64 {
    let of = |length: &Length| u64::from(length.max());
    match prompts {
        Prompts::RandomTokens { length } => of(length),
        // All prefixes are drawn, even if no prompt uses them.
        Prompts::SharedPrefix { prefixes, prefix_length, suffix_length } => {
            let all = of(prefix_length) * u64::from(*prefixes);
            if all > TOKENS { all } else { of(prefix_length) + of(suffix_length) }
        }
        Prompts::Prose { words } => of(words),
        // Every turn sends all messages before it again.
        Prompts::Conversations { turns, words } => of(words) * u64::from(*turns),
        Prompts::Verse { shared, own, .. } => u64::from(*shared) + u64::from(*own),
        Prompts::RepeatedSentence { times, .. } => u64::from(*times),
        Prompts::Text(_) | Prompts::JsonLines(_) | Prompts::ShareGpt(_) | Prompts::Trace(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use perf_model::spec::load::{OutputLength, Workload};
    use perf_model::spec::units::{millis, per_second, percent};

    use super::*;

    fn load() -> Load {
        Load {
            name: "l".to_owned(),
            workload: Workload {
                prompts: Prompts::RandomTokens { length: Length::Fixed(512) },
                output: OutputLength::Exactly(128),
                ..perf_model::fixtures::load().workload
            },
            arrivals: Arrivals::OneAtATime,
            requests: 600,
            warmup: 1,
            objectives: Vec::new(),
            stall_limit: Duration::from_mins(2),
            lateness_limit: millis(5.0),
            failures_allowed: percent(0.0),
            request_limit: Duration::from_hours(1),
            ..perf_model::fixtures::load()
        }
    }

    fn of(change: impl FnOnce(&mut Load)) -> Option<String> {
        let mut load = load();
        change(&mut load);
        excess(&load)
    }

    #[test]
    fn a_large_load_is_possible() {
        assert_eq!(of(|_| ()), None);
        assert_eq!(of(|load| load.requests = 1_000_000), None);
        assert_eq!(of(|load| load.arrivals = Arrivals::Poisson(per_second(0.01))), None);
        assert_eq!(
            of(|load| load.arrivals =
                Arrivals::Ramp { from: per_second(0.0), to: per_second(900.0) }),
            None
        );
    }

    #[test]
    fn an_excess_is_named_with_its_limit() {
        let random = |tokens| Prompts::RandomTokens { length: Length::Fixed(tokens) };
        let uniform = Length::Uniform { min: 1, max: u32::MAX };
        for (refused, why) in [
            (
                of(|load| load.requests = u32::MAX),
                "it asks for 4294967295 requests; at most 1000000 are possible",
            ),
            (of(|load| load.warmup = u32::MAX), "requests; at most 1000000 are possible"),
            (of(|load| load.arrivals = Arrivals::Waves(60_000)), "60000 requests at once"),
            (
                of(|load| load.workload.output = OutputLength::Exactly(u32::MAX)),
                "4294967295 output tokens",
            ),
            (
                of(|load| load.workload.output = OutputLength::AtMostOf(uniform)),
                "4294967295 output tokens",
            ),
            (
                of(|load| load.workload.prompts = random(u32::MAX)),
                "4294967295 tokens or words per prompt",
            ),
            (
                of(|load| load.workload.prompts = random(2_000_000)),
                "1200000000 tokens or words in all prompts",
            ),
            (
                of(|load| load.arrivals = Arrivals::Poisson(per_second(1e9))),
                "at most 1000000 is possible",
            ),
            (
                of(|load| load.arrivals = Arrivals::ConstantRate(per_second(1e-9))),
                "at most 30 are possible: raise the rate",
            ),
            (
                of(|load| load.arrivals = Arrivals::Recorded { speed: 1e-300 }),
                "from 0.001 to 1000000 is possible",
            ),
            (
                of(|load| load.pause_ms = Some(Length::Fixed(u32::MAX))),
                "4294967295 milliseconds of pause between turns; at most 86400000 are possible",
            ),
            (of(|load| load.stall_limit = Duration::MAX), "at most 2592000 are possible"),
        ] {
            assert!(refused.as_deref().is_some_and(|refused| refused.contains(why)), "{refused:?}");
        }
    }
}
