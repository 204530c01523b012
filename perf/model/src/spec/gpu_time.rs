//! A time on GPUs as people write it, `90m`: [`GpuTime`].

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

/// Seconds from each start of an engine to its stop, times its GPUs.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(try_from = "String")]
#[cfg_attr(test, schemars(with = "String"))]
pub struct GpuTime(f64);

impl GpuTime {
    /// In seconds.
    pub fn seconds(self) -> f64 {
        self.0
    }

    /// A time that is not less than this number of seconds, in the few digits that a person types:
    /// whole seconds, minutes, or tenths of an hour.
    pub fn at_least(seconds: f64) -> Self {
        let step = match seconds {
            hours if hours > 3_600.0 => 360.0,
            minutes if minutes > 60.0 => 60.0,
            _ => 1.0,
        };
        Self((seconds / step).ceil().max(1.0) * step)
    }
}

impl FromStr for GpuTime {
    type Err = String;

    /// Reads `90s`, `90m` or `1.5h`.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{text}` is not a GPU time; write seconds, minutes or hours: 90s, 30m, 2h");
        let (number, unit) =
            text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
        let seconds = match unit {
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3_600.0,
            _ => return Err(wrong()),
        };
        let number: f64 = number.parse().map_err(|_| wrong())?;
        if number.is_finite() && number > 0.0 { Ok(Self(number * seconds)) } else { Err(wrong()) }
    }
}

impl TryFrom<String> for GpuTime {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for GpuTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(seconds) = *self;
        match seconds {
            hours if hours >= 3_600.0 => write!(f, "{}h", hours / 3_600.0),
            minutes if minutes >= 60.0 => write!(f, "{}m", minutes / 60.0),
            _ => write!(f, "{seconds}s"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_is_enough_has_few_digits() {
        for (seconds, shown) in
            [(0.0, "1s"), (12.2, "13s"), (61.0, "2m"), (3_599.0, "1h"), (3_961.0, "1.2h")]
        {
            let enough = GpuTime::at_least(seconds);
            assert!(enough.seconds() >= seconds);
            assert_eq!(enough.to_string(), shown);
            assert_eq!(shown.parse(), Ok(enough));
        }
    }

    #[test]
    fn a_time_is_read_as_it_is_shown() {
        for (text, seconds) in [("90s", 90.0), ("30m", 1_800.0), ("1.5h", 5_400.0)] {
            assert_eq!(text.parse(), Ok(GpuTime(seconds)));
            assert_eq!(GpuTime(seconds).to_string().parse(), Ok(GpuTime(seconds)), "{text}");
        }
        assert_eq!(GpuTime(5_400.0).to_string(), "1.5h");
        for wrong in ["", "h", "8", "-3m", "0m", "8d", "NaNs", "–"] {
            assert!(wrong.parse::<GpuTime>().unwrap_err().contains("90s, 30m, 2h"), "{wrong}");
        }
    }
}
