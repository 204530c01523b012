//! How much a load may ask for: [`excess`] names what no client could hold or nobody would wait
//! for. A slip of a finger is refused here, not when memory is used up.

use std::time::Duration;

use perf_model::spec::load::{Arrivals, Length, Load, Prompts};

/// The most requests of a run, and of its warm-up: every request is kept until the run is over.
const REQUESTS: u32 = 1_000_000;

/// The most at once: each takes a connection, of which there are so many from one address to
/// another.
const WIDTH: u32 = 50_000;

/// The longest prompt or answer in tokens, more than any model reads; for verse in lines, for a
/// sentence in repetitions.
const LENGTH: u32 = 10_000_000;

/// The most tokens of all prompts together: they are drawn before the first is sent.
const TOKENS: u64 = 1_000_000_000;

/// The most requests per second: as many microseconds as a second has.
const RATE: f64 = 1e6;

/// The slowest and the fastest that a trace is followed.
const SPEED: std::ops::RangeInclusive<f64> = 1e-3..=1e6;

/// How long an open loop may take to send everything, and one request to be answered.
const TIME: Duration = Duration::from_hours(30 * 24);

/// What of a load is too much, if anything: words for an error.
pub(crate) fn excess(load: &Load) -> Option<String> {
    let (requests, output) = (load.requests.max(load.warmup), load.workload.output.limit());
    if requests > REQUESTS {
        return Some(format!(
            "it has {requests} requests, and a run holds {REQUESTS} at most; ask for fewer"
        ));
    }
    if load.arrivals.width() > WIDTH {
        let width = load.arrivals.width();
        return Some(format!(
            "it sends {width} requests at once, which takes as many connections; {WIDTH} is the most"
        ));
    }
    if output > LENGTH {
        return Some(format!("it asks for {output} output tokens; {LENGTH} is the most"));
    }
    let prompt = longest(&load.workload.prompts);
    if prompt > u64::from(LENGTH) {
        return Some(format!("its prompts are {prompt} long; {LENGTH} is the most"));
    }
    let all = prompt * u64::from(requests);
    if all > TOKENS {
        return Some(format!(
            "its prompts hold up to {all} tokens or words in all, which are drawn before the first is sent; {TOKENS} is the \
             most: ask for fewer requests or shorter prompts"
        ));
    }
    pace(load).or_else(|| {
        let limit = load.stall_limit.max(load.request_limit);
        (limit > TIME).then(|| {
            format!(
                "it waits up to {} s for an answer; {} is the most",
                limit.as_secs(),
                TIME.as_secs()
            )
        })
    })
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
                "it follows its trace {speed} times as fast; from {least} to {most} is possible"
            ));
        }
        _ => return None,
    };
    if fastest > RATE {
        return Some(format!("its rate is {fastest} requests per second; {RATE} is the most"));
    }
    let days = f64::from(load.requests.saturating_sub(1)) / mean / 86_400.0;
    let most = TIME.as_secs() / 86_400;
    (days > TIME.as_secs_f64() / 86_400.0)
        .then(|| format!("its last request would be sent after {days:.0} days; {most} is the most: raise the rate"))
}

/// How long a prompt can be, in tokens, words, lines or repetitions; 0 where a file says it.
fn longest(prompts: &Prompts) -> u64 {
    let of = |length: &Length| u64::from(length.max());
    match prompts {
        Prompts::RandomTokens { length } => of(length),
        Prompts::SharedPrefix { prefixes, prefix_length, suffix_length } => {
            // The beginnings are drawn once, however many there are.
            let all = of(prefix_length) * u64::from(*prefixes);
            if all > TOKENS { all } else { of(prefix_length) + of(suffix_length) }
        }
        // What was said before is sent again with every turn.
        Prompts::Conversations { turns, words } => of(words) * u64::from(*turns),
        Prompts::Verse { shared, own, .. } => u64::from(*shared) + u64::from(*own),
        Prompts::RepeatedSentence { times, .. } => u64::from(*times),
        Prompts::Text(_) | Prompts::JsonLines(_) | Prompts::ShareGpt(_) | Prompts::Trace(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use perf_model::spec::load::{Api, OutputLength, Workload};
    use perf_model::spec::units::{millis, per_second, percent};

    use super::*;

    fn load() -> Load {
        Load {
            name: "l".to_owned(),
            workload: Workload {
                prompts: Prompts::RandomTokens { length: Length::Fixed(512) },
                output: OutputLength::Exactly(128),
                api: Api::Completions,
                stream: true,
                temperature: 0.0,
            },
            arrivals: Arrivals::OneAtATime,
            requests: 600,
            warmup: 1,
            objectives: Vec::new(),
            stall_limit: Duration::from_mins(2),
            lateness_limit: millis(5.0),
            failures_allowed: percent(0.0),
            request_limit: Duration::from_hours(1),
            contents: None,
        }
    }

    fn of(change: impl FnOnce(&mut Load)) -> Option<String> {
        let mut load = load();
        change(&mut load);
        excess(&load)
    }

    #[test]
    fn a_load_that_somebody_may_want_is_not_too_much() {
        assert_eq!(of(|_| ()), None);
        assert_eq!(of(|load| load.requests = REQUESTS), None);
        assert_eq!(of(|load| load.arrivals = Arrivals::Poisson(per_second(0.01))), None);
        assert_eq!(
            of(|load| load.arrivals =
                Arrivals::Ramp { from: per_second(0.0), to: per_second(900.0) }),
            None
        );
    }

    #[test]
    fn what_is_too_much_is_named_with_the_most() {
        let random = |tokens| Prompts::RandomTokens { length: Length::Fixed(tokens) };
        let uniform = Length::Uniform { min: 1, max: u32::MAX };
        for (refused, why) in [
            (
                of(|load| load.requests = u32::MAX),
                "it has 4294967295 requests, and a run holds 1000000 at most",
            ),
            (of(|load| load.warmup = u32::MAX), "a run holds 1000000 at most"),
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
                "its prompts are 4294967295 long",
            ),
            (
                of(|load| load.workload.prompts = random(2_000_000)),
                "1200000000 tokens or words in all",
            ),
            (of(|load| load.arrivals = Arrivals::Poisson(per_second(1e9))), "1000000 is the most"),
            (
                of(|load| load.arrivals = Arrivals::ConstantRate(per_second(1e-9))),
                "is the most: raise the rate",
            ),
            (
                of(|load| load.arrivals = Arrivals::Recorded { speed: 1e-300 }),
                "from 0.001 to 1000000 is possible",
            ),
            (of(|load| load.stall_limit = Duration::MAX), "2592000 is the most"),
        ] {
            assert!(refused.as_deref().is_some_and(|refused| refused.contains(why)), "{refused:?}");
        }
    }
}
