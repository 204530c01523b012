//! The date as `vllm bench serve` writes it: [`stamp`].

/// Seconds since 1970 as `20261122-013534`, in UTC.
pub(crate) fn stamp(seconds: u64) -> String {
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    // Civil date from days (Howard Hinnant): years begin in March, so that the leap day is a year's
    // last.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!(
        "{year}{month:02}{day:02}-{:02}{:02}{:02}",
        of_day / 3_600,
        of_day / 60 % 60,
        of_day % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_dates_are_written_right() {
        assert_eq!(stamp(0), "19700101-000000");
        assert_eq!(stamp(1_795_311_188), "20261122-013308");
        assert_eq!(stamp(951_782_400), "20000229-000000");
    }
}
