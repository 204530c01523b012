//! A day of the calendar: [`Day`].

use std::fmt;
use std::str::FromStr;

const DAY_S: u64 = 86_400;

/// A day of the calendar, UTC. As text it is `2026-11-28`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(i64);

impl Day {
    /// The day of a number of seconds since 1970.
    pub fn of_unix_s(seconds: u64) -> Self {
        Self(i64::try_from(seconds / DAY_S).unwrap_or(i64::MAX / 2))
    }

    /// Days from an earlier one to this one; 0 if it is not earlier.
    pub fn since(self, earlier: Self) -> u64 {
        u64::try_from(self.0 - earlier.0).unwrap_or(0)
    }
}

/// Days from 1970 of a date of the Gregorian calendar, whose years begin in March here, so that a
/// leap day is the last of its year.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
    let leaps = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    365 * year + leaps + (153 * month + 2) / 5 + day - 719_469
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut year = 1970 + self.0.div_euclid(366);
        while days(year + 1, 1, 1) <= self.0 {
            year += 1;
        }
        let month = (1..=12).rev().find(|month| days(year, *month, 1) <= self.0).unwrap_or(1);
        write!(f, "{year:04}-{month:02}-{:02}", self.0 - days(year, month, 1) + 1)
    }
}

/// Why a text is no day.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no day; write it as 2026-11-28")]
pub struct DayError(String);

impl FromStr for Day {
    type Err = DayError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || DayError(text.to_owned());
        let parts: Vec<i64> =
            text.split('-').map(str::parse).collect::<Result<_, _>>().map_err(|_| wrong())?;
        let [year, month, day] = parts[..] else { return Err(wrong()) };
        let is_day = (1970..=9999).contains(&year) && (1..=12).contains(&month);
        let found = Self(if is_day { days(year, month, day) } else { -1 });
        if found.to_string() == text { Ok(found) } else { Err(wrong()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_survives_its_text_through_every_leap_day_of_two_centuries() {
        for number in 0..73_000 {
            let day = Day(number);
            assert_eq!(day.to_string().parse(), Ok(day), "{day}");
        }
        assert_eq!(Day::of_unix_s(0).to_string(), "1970-01-01");
        assert_eq!(Day::of_unix_s(1_795_910_400).to_string(), "2026-11-29");
        assert_eq!("2024-02-29".parse::<Day>().unwrap().since("2023-03-01".parse().unwrap()), 365);
    }

    #[test]
    fn what_is_no_day_is_refused() {
        for text in ["", "2026-11", "2025-02-29", "2026-13-01", "2026-1-1", "yesterday"] {
            assert!(text.parse::<Day>().is_err(), "{text}");
        }
    }
}
