//! The stamps of Docker's log lines: [`since_epoch`].

use std::time::Duration;

/// The time since 1970 of a stamp as Docker writes it: `2026-11-28T13:20:01.123456789Z`. `None` for
/// anything else.
pub(super) fn since_epoch(stamp: &str) -> Option<Duration> {
    let (date, time) = stamp.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let mut time = time.splitn(3, ':');
    let (hour, minute) = (time.next()?.parse::<u32>().ok()?, time.next()?.parse::<u32>().ok()?);
    let seconds =
        time.next()?.parse::<f64>().ok().filter(|seconds| (0.0..61.0).contains(seconds))?;
    if !((1970..10_000).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day))
        || hour > 23
        || minute > 59
    {
        return None;
    }
    // Days from civil (Howard Hinnant): years begin in March, so that the leap day is their last.
    let year = if month <= 2 { year - 1 } else { year };
    let (era, month) = (year.div_euclid(400), (month + 9) % 12);
    let of_era = year - era * 400;
    let of_year = (153 * month + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    let whole =
        u64::try_from(days).ok()? * 86_400 + u64::from(hour) * 3_600 + u64::from(minute) * 60;
    Some(Duration::from_secs(whole) + Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_read_to_the_microsecond_and_anything_else_is_none() {
        let micros = |stamp: &str| since_epoch(stamp).map(|since| since.as_micros());
        assert_eq!(micros("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(micros("2024-02-29T23:59:59.5Z"), Some(1_709_251_199_500_000));
        assert_eq!(micros("2026-11-28T13:20:01.123456789Z"), Some(1_795_872_001_123_456));
        for other in
            ["", "INFO", "2026-11-28T13:20Z", "2026-13-28T13:20:01Z", "2026-11-28T25:20:01Z"]
        {
            assert_eq!(micros(other), None, "{other}");
        }
    }
}
