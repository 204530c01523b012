//! When `vllm bench serve` sent its requests, as far as its file says: [`arrivals`].

use crate::spec::load::Arrivals;
use crate::spec::units::per_second;

/// What a file says of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Said<'a> {
    pub(super) requests: u32,
    /// `request_rate`; absent where it is `inf`.
    pub(super) rate: Option<f64>,
    /// `burstiness`.
    pub(super) shape: Option<f64>,
    /// `max_concurrency`.
    pub(super) width: Option<u32>,
    /// `ramp_up_start_rps` and `ramp_up_end_rps`.
    pub(super) ramp: Option<(f64, f64)>,
    /// `ramp_up_strategy`.
    pub(super) strategy: Option<&'a str>,
}

/// When the requests came, in words and in the nearest of our patterns.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pace {
    pub(super) words: String,
    pub(super) pattern: Arrivals,
}

impl Pace {
    /// Whether sends did not wait for responses, so that each had a moment that was meant.
    pub(super) fn is_open_loop(&self) -> bool {
        !self.pattern.is_closed_loop()
    }
}

/// How the requests came.
pub(super) fn arrivals(said: &Said<'_>) -> Pace {
    let capped = |words: String| match said.width {
        Some(width) => format!("{words}, at most {width}"),
        None => words,
    };
    if let Some((from, to)) = said.ramp {
        let pattern = Arrivals::Ramp { from: per_second(from), to: per_second(to) };
        let strategy = said.strategy.unwrap_or("linear");
        return Pace {
            words: capped(format!("{pattern} ({strategy}, estimated from its ends)")),
            pattern,
        };
    }
    let Some(rate) = said.rate.map(per_second) else {
        return match said.width {
            Some(width) => {
                Pace { words: format!("{width} concurrent"), pattern: Arrivals::Concurrency(width) }
            }
            None => {
                Pace { words: "all at once".to_owned(), pattern: Arrivals::Waves(said.requests) }
            }
        };
    };
    let pattern = match said.shape {
        Some(shape) if (shape - 1.0).abs() > f64::EPSILON => Arrivals::Gamma { rate, shape },
        _ => Arrivals::Poisson(rate),
    };
    Pace { words: capped(pattern.to_string()), pattern }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_send_has_its_words_and_the_pattern_that_is_nearest() {
        let said = Said { requests: 64, ..Said::default() };
        for (said, words, pattern) in [
            (said, "all at once", Arrivals::Waves(64)),
            (Said { width: Some(8), ..said }, "8 concurrent", Arrivals::Concurrency(8)),
            (
                Said { rate: Some(10.0), width: Some(32), shape: Some(1.0), ..said },
                "poisson 10 requests/s, at most 32",
                Arrivals::Poisson(per_second(10.0)),
            ),
            (
                Said { rate: Some(10.0), shape: Some(0.5), ..said },
                "gamma 10 requests/s of shape 0.5",
                Arrivals::Gamma { rate: per_second(10.0), shape: 0.5 },
            ),
            (
                Said { ramp: Some((1.0, 9.0)), strategy: Some("exponential"), ..said },
                "ramp from 1 to 9 requests/s (exponential, estimated from its ends)",
                Arrivals::Ramp { from: per_second(1.0), to: per_second(9.0) },
            ),
        ] {
            assert_eq!(arrivals(&said), Pace { words: words.to_owned(), pattern });
        }
    }
}
