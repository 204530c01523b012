//! When the requests of a load are sent: [`Arrivals`].

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::spec::units::PerSecond;

/// When the requests are sent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arrivals {
    /// One at a time: the next when the last has ended.
    OneAtATime,
    /// This many at once; when one ends, the next is sent.
    Concurrency(u32),
    /// This many at once; the next wave when the whole last one has ended.
    Waves(u32),
    /// Open loop, evenly spaced.
    ConstantRate(PerSecond),
    /// Open loop, at random: exponential gaps from the run's seed.
    Poisson(PerSecond),
    /// Open loop, at random with gamma-distributed gaps: burstier than Poisson below shape 1,
    /// more even above it.
    Gamma {
        /// The mean rate.
        rate: PerSecond,
        /// The shape of the gaps' distribution; 1 is Poisson. (vLLM calls it burstiness.)
        shape: f64,
    },
    /// Open loop, evenly spaced at a rate that changes linearly over the run.
    Ramp {
        /// The rate at the first request.
        from: PerSecond,
        /// The rate at the last request.
        to: PerSecond,
    },
    /// Open loop, at the time stamps of the trace that the prompts come from.
    Recorded {
        /// The speed relative to the recording.
        speed: f64,
    },
}

impl Arrivals {
    /// Whether sends wait for responses.
    pub fn is_closed_loop(self) -> bool {
        matches!(self, Self::OneAtATime | Self::Concurrency(_) | Self::Waves(_))
    }

    /// The number of requests in flight by design: the width of a closed loop, 1 for the
    /// others.
    pub fn width(self) -> u32 {
        match self {
            Self::Concurrency(width) | Self::Waves(width) => width,
            _ => 1,
        }
    }

    /// Its name without the rate or the number at once: `poisson`, `gamma of shape 0.5`.
    pub fn pattern(self) -> String {
        match self {
            Self::OneAtATime | Self::Concurrency(_) => "concurrent".to_owned(),
            Self::Waves(_) => "waves".to_owned(),
            Self::ConstantRate(_) => "constant".to_owned(),
            Self::Poisson(_) => "poisson".to_owned(),
            Self::Gamma { shape, .. } => format!("gamma of shape {shape}"),
            Self::Ramp { .. } => "ramp".to_owned(),
            Self::Recorded { .. } => "as recorded".to_owned(),
        }
    }

    /// The reason why no run can follow it, if there is one: text for an error message.
    pub fn fault(self) -> Option<&'static str> {
        let is_positive = |number: f64| number.is_finite() && number > 0.0;
        match self {
            Self::Concurrency(0) | Self::Waves(0) => {
                Some("it sends 0 requests at once; ask for at least one")
            }
            Self::ConstantRate(rate) | Self::Poisson(rate) | Self::Gamma { rate, .. }
                if !is_positive(rate.value()) =>
            {
                Some("its rate must be a positive number of requests per second")
            }
            Self::Gamma { shape, .. } if !is_positive(shape) => {
                Some("the shape of its gaps must be a positive number")
            }
            Self::Ramp { from, to } => {
                let (from, to) = (from.value(), to.value());
                let fits = from.is_finite()
                    && to.is_finite()
                    && from >= 0.0
                    && to >= 0.0
                    && from + to > 0.0;
                (!fits).then_some(
                    "its rates are no numbers from 0 up of requests per second, one above 0",
                )
            }
            Self::Recorded { speed } if !is_positive(speed) => {
                Some("its speed must be a positive number")
            }
            _ => None,
        }
    }
}

impl fmt::Display for Arrivals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OneAtATime => write!(f, "one at a time"),
            Self::Concurrency(width) => write!(f, "{width} concurrent"),
            Self::Waves(width) => write!(f, "waves of {width}"),
            Self::ConstantRate(rate) => write!(f, "constant {rate}"),
            Self::Poisson(rate) => write!(f, "poisson {rate}"),
            Self::Gamma { rate, shape } => write!(f, "gamma {rate} of shape {shape}"),
            Self::Ramp { from, to } => write!(f, "ramp from {} to {to}", from.value()),
            Self::Recorded { speed } if (speed - 1.0).abs() < f64::EPSILON => {
                write!(f, "as recorded")
            }
            Self::Recorded { speed } => write!(f, "as recorded, {speed} times as fast"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::units::per_second;

    #[test]
    fn arrivals_have_their_words() {
        assert_eq!(
            Arrivals::Gamma { rate: per_second(10.0), shape: 0.5 }.to_string(),
            "gamma 10 requests/s of shape 0.5"
        );
        let ramp = Arrivals::Ramp { from: per_second(1.0), to: per_second(9.5) };
        assert_eq!(ramp.to_string(), "ramp from 1 to 9.5 requests/s");
        assert_eq!(Arrivals::Recorded { speed: 1.0 }.to_string(), "as recorded");
        assert_eq!(Arrivals::Recorded { speed: 2.0 }.to_string(), "as recorded, 2 times as fast");
    }

    #[test]
    fn what_no_run_can_follow_is_named() {
        let gamma = |rate, shape| Arrivals::Gamma { rate: per_second(rate), shape };
        let ramp = |from, to| Arrivals::Ramp { from: per_second(from), to: per_second(to) };
        for (arrivals, why) in [
            (Arrivals::Waves(0), "0 requests at once"),
            (gamma(0.0, 1.0), "rate"),
            (gamma(1.0, 0.0), "shape"),
            (ramp(0.0, 0.0), "rates"),
            (ramp(-1.0, 3.0), "rates"),
            (Arrivals::Recorded { speed: f64::INFINITY }, "speed"),
        ] {
            assert!(arrivals.fault().unwrap().contains(why), "{arrivals}");
        }
        assert_eq!(ramp(0.0, 2.0).fault().or(gamma(1.0, 4.0).fault()), None);
    }
}
