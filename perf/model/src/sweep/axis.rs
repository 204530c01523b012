//! What a sweep varies, and the values it takes: [`Axis`].

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What an axis varies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Setting {
    /// An engine argument, by its flag with the dashes.
    Argument(String),
    /// GPUs that share each layer: `--tensor-parallel-size`.
    TensorParallel,
    /// Replicas of the model: `--data-parallel-size`.
    DataParallel,
    /// GPUs that share the layers: `--pipeline-parallel-size`.
    PipelineParallel,
    /// Whether experts are spread over the GPUs: `--enable-expert-parallel`. Values: `on`, `off`.
    ExpertParallel,
    /// Requests in flight, of a closed loop.
    Concurrency,
    /// Requests per second, of an open loop.
    Rate,
    /// Tokens of each prompt.
    InputTokens,
    /// Tokens of each answer.
    OutputTokens,
}

/// The names of an axis on a command line, apart from flags.
const NAMES: [(&str, Setting); 8] = [
    ("tp", Setting::TensorParallel),
    ("dp", Setting::DataParallel),
    ("pp", Setting::PipelineParallel),
    ("ep", Setting::ExpertParallel),
    ("concurrency", Setting::Concurrency),
    ("rate", Setting::Rate),
    ("input", Setting::InputTokens),
    ("output", Setting::OutputTokens),
];

impl Setting {
    /// The setting that a command line calls so; none for the flag of an engine argument.
    pub fn named(name: &str) -> Option<Self> {
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, setting)| setting.clone())
    }

    /// The engine's flag, for a setting of the server.
    pub fn flag(&self) -> Option<&str> {
        match self {
            Self::Argument(flag) => Some(flag),
            Self::TensorParallel => Some("--tensor-parallel-size"),
            Self::DataParallel => Some("--data-parallel-size"),
            Self::PipelineParallel => Some("--pipeline-parallel-size"),
            Self::ExpertParallel => Some("--enable-expert-parallel"),
            Self::Concurrency | Self::Rate | Self::InputTokens | Self::OutputTokens => None,
        }
    }

    /// Whether it says over how many GPUs the server is spread.
    pub fn is_parallelism(&self) -> bool {
        matches!(self, Self::TensorParallel | Self::DataParallel | Self::PipelineParallel)
    }

    /// Whether it says how much is asked at once, so that throughput saturates along it.
    pub fn is_intensity(&self) -> bool {
        matches!(self, Self::Concurrency | Self::Rate)
    }
}

/// The name in tables.
impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Argument(flag) => flag.trim_start_matches('-'),
            Self::TensorParallel => "TP",
            Self::DataParallel => "DP",
            Self::PipelineParallel => "PP",
            Self::ExpertParallel => "EP",
            Self::Concurrency => "concurrency",
            Self::Rate => "rate",
            Self::InputTokens => "input tokens",
            Self::OutputTokens => "output tokens",
        })
    }
}

/// What a sweep varies, and the values it takes, in the order declared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Axis {
    /// What is varied.
    pub setting: Setting,
    /// Its values.
    pub values: Vec<String>,
}

/// Text that is no axis.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AxisError {
    /// No `=`, or nothing before or after it.
    #[error("`{0}` is not an axis; write NAME=VALUE,VALUE, as in concurrency=1,8,32")]
    Form(String),
    /// Neither a flag nor a known name.
    #[error(
        "no axis is called `{0}`; write an engine flag with its dashes, as in --max-num-seqs=8,64, or one of tp, dp, pp, ep, \
         concurrency, rate, input, output"
    )]
    Name(String),
    /// A value that the setting cannot take.
    #[error("the axis `{axis}` cannot take the value `{value}`; {wants}")]
    Value {
        /// The axis.
        axis: String,
        /// The value.
        value: String,
        /// What it can take.
        wants: &'static str,
    },
    /// The same value twice.
    #[error("the axis `{axis}` has the value `{value}` twice; name each once")]
    Twice {
        /// The axis.
        axis: String,
        /// The value.
        value: String,
    },
    /// No value at all.
    #[error("the axis `{0}` has no value; give at least one")]
    Empty(String),
}

impl Axis {
    /// Refuses an axis that no server or load can follow.
    pub fn check(&self) -> Result<(), AxisError> {
        let axis = self.setting.to_string();
        if self.values.is_empty() {
            return Err(AxisError::Empty(axis));
        }
        let is_count = |value: &str| value.parse::<u32>().is_ok_and(|number| number > 0);
        let is_rate = |value: &str| number(value).is_some_and(|number| number > 0.0);
        for (index, value) in self.values.iter().enumerate() {
            let (fits, wants) = match self.setting {
                Setting::Argument(_) => (!value.is_empty(), "give a value"),
                Setting::ExpertParallel => {
                    (matches!(value.as_str(), "on" | "off"), "give on or off")
                }
                Setting::Rate => (is_rate(value), "give requests per second, above 0"),
                Setting::TensorParallel | Setting::DataParallel | Setting::PipelineParallel => {
                    (value.parse::<u8>().is_ok_and(|gpus| gpus > 0), "give a number from 1 to 255")
                }
                _ => (is_count(value), "give a whole number above 0"),
            };
            if !fits {
                return Err(AxisError::Value { axis, value: value.clone(), wants });
            }
            if self.values[..index].contains(value) {
                return Err(AxisError::Twice { axis, value: value.clone() });
            }
        }
        Ok(())
    }
}

impl FromStr for Axis {
    type Err = AxisError;

    /// Reads an axis as the command line has it: `--max-num-seqs=8,64`, `concurrency=1,8`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = || AxisError::Form(text.to_owned());
        let (name, values) = text.split_once('=').ok_or_else(form)?;
        if name.is_empty() || values.is_empty() {
            return Err(form());
        }
        let setting = match Setting::named(name) {
            Some(setting) => setting,
            None if name.len() > 2 && name.starts_with("--") => Setting::Argument(name.to_owned()),
            None => return Err(AxisError::Name(name.to_owned())),
        };
        let axis =
            Self { setting, values: values.split(',').map(|one| one.trim().to_owned()).collect() };
        axis.check()?;
        Ok(axis)
    }
}

/// A value as a number, if it is a finite one.
pub fn number(value: &str) -> Option<f64> {
    value.parse().ok().filter(|number: &f64| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        text.parse::<Axis>().unwrap_err().to_string()
    }

    #[test]
    fn an_axis_is_read_by_its_flag_or_its_name() {
        let axis: Axis = "--max-num-seqs=8,64".parse().unwrap();
        assert_eq!((axis.setting.to_string().as_str(), axis.values.len()), ("max-num-seqs", 2));
        assert_eq!("tp=1,2".parse::<Axis>().unwrap().setting, Setting::TensorParallel);
        assert_eq!("rate=0.5,2".parse::<Axis>().unwrap().setting.flag(), None);
    }

    #[test]
    fn what_is_no_axis_is_refused_with_what_would_be_one() {
        assert!(refused("concurrency").contains("NAME=VALUE"));
        assert!(refused("concurency=1").contains("no axis is called `concurency`"));
        assert!(refused("concurrency=1,0").contains("`0`; give a whole number above 0"));
        assert!(refused("rate=-1").contains("requests per second"));
        assert!(refused("tp=2,2").contains("twice"));
        assert!(refused("ep=1").contains("on or off"));
    }
}
