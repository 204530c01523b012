//! Faults to simulate, and the requests that they hit: [`Injection`].

use std::fmt;
use std::str::FromStr;

use crate::draw::{Stream, mix, seed_for, unit};
use crate::nearest::nearest;

/// Faults to simulate, read from text such as `decode=1.05,fail=0.02`. The default injects nothing.
///
/// Shares are exact and are spread evenly over the requests in order of arrival; the seed
/// decides where the pattern begins.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Injection {
    /// `decode=F`: decode steps take F times as long.
    pub decode: Option<f64>,
    /// `prefill=F`: computing prompt tokens takes F times as long.
    pub prefill: Option<f64>,
    /// `start=S`: this start of the server is slower by the share S.
    pub start: Option<f64>,
    /// `fail=S`: the share S of the requests is answered with status 500.
    pub fail: Option<f64>,
    /// `cut=S`: the connection of the share S of the requests breaks halfway through the answer.
    pub cut: Option<f64>,
    /// `error-in-band=S`: the share S of the streams carries an error instead of its second half,
    /// under status 200.
    pub error_in_band: Option<f64>,
    /// `stall=S`: the share S of the requests gets half of its answer, which then neither
    /// continues nor ends.
    pub stall: Option<f64>,
    /// `oom`: the start fails for lack of GPU memory.
    pub oom: bool,
    /// `die-after=N`: N requests are served, the next one kills the engine halfway.
    pub die_after: Option<u64>,
}

/// Why a text is not a valid injection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InjectionError {
    /// No fault has that name.
    #[error("cannot inject `{name}`; did you mean `{nearest}`? Known: {known}")]
    Unknown {
        /// The unknown name.
        name: String,
        /// The most similar known name.
        nearest: &'static str,
        /// All known names.
        known: String,
    },
    /// The value is missing, superfluous or out of range.
    #[error("cannot inject `{part}`: {name} takes {wants}")]
    Value {
        /// The part of the text.
        part: String,
        /// The fault.
        name: &'static str,
        /// The value that it takes.
        wants: &'static str,
    },
    /// The same fault twice.
    #[error("cannot inject `{0}` twice; give it once")]
    Twice(&'static str),
}

const FACTOR: &str = "a factor above 0, such as 1.05 for 5 % slower";
const SHARE: &str = "a share of the requests from 0 to 1, such as 0.02 for 2 %";
/// Each fault with the value it takes.
const KNOWN: [(&str, &str); 9] = [
    ("decode", FACTOR),
    ("prefill", FACTOR),
    ("start", "by how much the start is slower, above -1, such as 0.08 for 8 %"),
    ("fail", SHARE),
    ("cut", SHARE),
    ("error-in-band", SHARE),
    ("stall", SHARE),
    ("oom", "no value"),
    ("die-after", "a number of requests, such as 12"),
];

/// A fault of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Fail,
    Cut,
    ErrorInBand,
    Stall,
}

impl Injection {
    /// The fault that hits the request with this number (from 0, in order of arrival); the first
    /// of several faults wins.
    pub(crate) fn fault(&self, seed: u64, request: u64) -> Option<Fault> {
        let shares = [
            (Fault::Fail, self.fail),
            (Fault::Cut, self.cut),
            (Fault::ErrorInBand, self.error_in_band),
            (Fault::Stall, self.stall),
        ];
        let seed = seed_for(seed, Stream::Inject);
        (0_u64..).zip(shares).find_map(|(kind, (fault, share))| {
            let share = share?;
            // Request n is hit when the running total of the share passes a whole number there.
            let offset = unit(mix(seed, kind), 0);
            let total = |requests: u64| (requests as f64).mul_add(share, offset).floor();
            (total(request + 1) > total(request)).then_some(fault)
        })
    }

    fn set(&mut self, part: &str) -> Result<(), InjectionError> {
        let (key, value) = match part.split_once('=') {
            Some((key, value)) => (key.trim(), Some(value.trim())),
            None => (part, None),
        };
        let Some((name, wants)) = KNOWN.into_iter().find(|(name, _)| *name == key) else {
            let names = KNOWN.map(|(name, _)| name);
            let nearest = nearest(key, &names).unwrap_or("decode");
            return Err(InjectionError::Unknown {
                name: key.into(),
                nearest,
                known: names.join(", "),
            });
        };
        let wrong = || InjectionError::Value { part: part.into(), name, wants };
        let number = |allowed: fn(f64) -> bool| {
            let number = value.and_then(|value| value.parse().ok()).ok_or_else(wrong)?;
            if allowed(number) { Ok(Some(number)) } else { Err(wrong()) }
        };
        let factor = || number(|x| x > 0.0 && x.is_finite());
        let share = || number(|x| (0.0..=1.0).contains(&x));
        let place = match name {
            "oom" if value.is_some() => return Err(wrong()),
            "oom" if self.oom => return Err(InjectionError::Twice(name)),
            "oom" => {
                self.oom = true;
                return Ok(());
            }
            "die-after" if self.die_after.is_some() => return Err(InjectionError::Twice(name)),
            "die-after" => {
                self.die_after =
                    Some(value.and_then(|value| value.parse().ok()).ok_or_else(wrong)?);
                return Ok(());
            }
            "decode" => (&mut self.decode, factor()?),
            "prefill" => (&mut self.prefill, factor()?),
            "start" => (&mut self.start, number(|x| x > -1.0 && x.is_finite())?),
            "fail" => (&mut self.fail, share()?),
            "cut" => (&mut self.cut, share()?),
            "error-in-band" => (&mut self.error_in_band, share()?),
            _ => (&mut self.stall, share()?),
        };
        if place.0.is_some() {
            return Err(InjectionError::Twice(name));
        }
        *place.0 = place.1;
        Ok(())
    }
}

impl FromStr for Injection {
    type Err = InjectionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut injection = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            injection.set(part)?;
        }
        Ok(injection)
    }
}

impl fmt::Display for Injection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers = [
            ("decode", self.decode),
            ("prefill", self.prefill),
            ("start", self.start),
            ("fail", self.fail),
            ("cut", self.cut),
            ("error-in-band", self.error_in_band),
            ("stall", self.stall),
        ];
        let mut parts: Vec<String> = numbers
            .iter()
            .filter_map(|(name, value)| value.map(|value| format!("{name}={value}")))
            .collect();
        if self.oom {
            parts.push("oom".into());
        }
        parts.extend(self.die_after.map(|requests| format!("die-after={requests}")));
        f.write_str(&parts.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_and_written_back() {
        let text = "decode=1.05,start=0.08,error-in-band=0.02,oom,die-after=12";
        assert_eq!(text.parse::<Injection>().unwrap().to_string(), text);
        assert_eq!("".parse(), Ok(Injection::default()));
        assert_eq!(" fail = 0.1 , oom ".parse::<Injection>().unwrap().to_string(), "fail=0.1,oom");
    }

    #[test]
    fn the_error_for_an_unknown_fault_names_the_nearest() {
        let error = "dekode=1.05".parse::<Injection>().unwrap_err().to_string();
        assert!(error.starts_with("cannot inject `dekode`; did you mean `decode`?"), "{error}");
    }

    #[test]
    fn values_out_of_range_are_refused_with_what_is_wanted() {
        for text in
            ["decode=0", "decode", "fail=1.5", "oom=1", "die-after=soon", "start=-1", "cut=NaN"]
        {
            let error = text.parse::<Injection>().unwrap_err().to_string();
            assert!(error.contains(" takes "), "{text}: {error}");
        }
        assert_eq!("oom,oom".parse::<Injection>(), Err(InjectionError::Twice("oom")));
    }

    #[test]
    fn a_share_of_the_requests_is_hit_exactly() {
        let injection: Injection = "fail=0.02".parse().unwrap();
        for seed in 0..20 {
            let hit = (0..150)
                .filter(|request| injection.fault(seed, *request) == Some(Fault::Fail))
                .count();
            assert_eq!(hit, 3, "seed {seed}");
        }
    }

    #[test]
    fn a_share_of_one_hits_all_and_of_zero_none() {
        let all: Injection = "stall=1".parse().unwrap();
        let none: Injection = "stall=0".parse().unwrap();
        assert!((0..50).all(|request| all.fault(3, request) == Some(Fault::Stall)));
        assert!((0..50).all(|request| none.fault(3, request).is_none()));
    }
}
