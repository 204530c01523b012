//! From values to places in a chart: [`Scale`], and where its ticks are.

/// An axis of a chart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    from: f64,
    to: f64,
    start: f64,
    end: f64,
    is_log: bool,
}

impl Scale {
    /// An axis from the least to the greatest of the values, with a margin, drawn from `start` to
    /// `end`. None without a value.
    pub(super) fn around(
        values: impl IntoIterator<Item = f64>,
        start: f64,
        end: f64,
    ) -> Option<Self> {
        let (least, most) = extent(values)?;
        let margin =
            if most > least { (most - least) * 0.06 } else { least.abs().max(1e-9) * 0.05 };
        Some(Self { from: least - margin, to: most + margin, start, end, is_log: false })
    }

    /// An axis from zero to the greatest of the values. None without a value above zero.
    pub(super) fn from_zero(
        values: impl IntoIterator<Item = f64>,
        start: f64,
        end: f64,
    ) -> Option<Self> {
        let (_, most) = extent(values)?;
        (most > 0.0).then_some(Self { from: 0.0, to: most * 1.05, start, end, is_log: false })
    }

    /// A logarithmic axis around values above zero. None without one.
    pub(super) fn log(values: impl IntoIterator<Item = f64>, start: f64, end: f64) -> Option<Self> {
        let (least, most) = extent(values.into_iter().filter(|value| *value > 0.0))?;
        let margin = (most / least).powf(0.04).max(1.05);
        Some(Self { from: least / margin, to: most * margin, start, end, is_log: true })
    }

    /// Where a value is.
    pub(super) fn at(&self, value: f64) -> f64 {
        let share = if self.is_log {
            (value.max(self.from) / self.from).ln() / (self.to / self.from).ln()
        } else {
            (value - self.from) / (self.to - self.from)
        };
        self.start + share.clamp(0.0, 1.0) * (self.end - self.start)
    }

    /// Its ends, the one with the lesser value first.
    pub(super) fn ends(&self) -> (f64, f64) {
        (self.start, self.end)
    }

    /// The values that are written beside it: at most six.
    pub(super) fn ticks(&self) -> Vec<f64> {
        if self.is_log && self.to / self.from > 3.0 {
            self.log_ticks()
        } else {
            self.even_ticks(4.0)
        }
    }

    fn even_ticks(&self, wanted: f64) -> Vec<f64> {
        let rough = (self.to - self.from) / wanted;
        let power = 10_f64.powf(rough.log10().floor());
        let steps = [1.0, 2.0, 2.5, 5.0, 10.0].map(|step| step * power);
        let step = steps.into_iter().find(|step| *step >= rough).unwrap_or(10.0 * power);
        let mut ticks = Vec::new();
        let mut number = (self.from / step).ceil();
        while number * step <= self.to && ticks.len() < 8 {
            // Zero has no sign.
            ticks.push(number * step + 0.0);
            number += 1.0;
        }
        ticks
    }

    fn log_ticks(&self) -> Vec<f64> {
        let mut ticks = Vec::new();
        let mut power = 10_f64.powf(self.from.log10().floor());
        while power <= self.to {
            ticks.extend([1.0, 2.0, 5.0].map(|step| step * power));
            power *= 10.0;
        }
        ticks.retain(|tick| (self.from..=self.to).contains(tick));
        // Powers of ten alone where there would be too many.
        if ticks.len() > 6 {
            ticks.retain(|tick| (tick.log10() - tick.log10().round()).abs() < 1e-9);
        }
        while ticks.len() > 6 {
            ticks = ticks.into_iter().step_by(2).collect();
        }
        ticks
    }
}

fn extent(values: impl IntoIterator<Item = f64>) -> Option<(f64, f64)> {
    values.into_iter().filter(|value| value.is_finite()).fold(None, |extent, value| {
        let (least, most) = extent.unwrap_or((value, value));
        Some((least.min(value), most.max(value)))
    })
}

/// A place with a tenth of a unit.
pub(super) fn place(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// A tick's value, without zeros that say nothing.
pub(super) fn tick(value: f64) -> String {
    let text = match value.abs() {
        zero if zero < 1e-12 => return "0".to_owned(),
        large if large >= 10_000.0 => {
            let thousands = format!("{:.1}", value / 1_000.0);
            return format!("{}k", thousands.strip_suffix(".0").unwrap_or(&thousands));
        }
        large if large >= 100.0 => format!("{value:.0}"),
        large if large >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    };
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ticks_are_round_numbers() {
        let texts = |scale: Scale| -> Vec<String> { scale.ticks().into_iter().map(tick).collect() };
        let even = Scale::around([1555.0, 1664.9], 0.0, 100.0).unwrap();
        assert_eq!(texts(even), ["1550", "1600", "1650"]);
        let log = Scale::log([0.8, 1_000.0], 0.0, 100.0).unwrap();
        assert_eq!(texts(log), ["1", "10", "100", "1000"]);
        assert_eq!(texts(Scale::from_zero([32.0], 0.0, 1.0).unwrap()), ["0", "10", "20", "30"]);
    }

    #[test]
    fn without_values_there_is_no_axis() {
        assert!(Scale::around([], 0.0, 1.0).is_none());
        assert!(Scale::around([f64::NAN], 0.0, 1.0).is_none());
        assert!(Scale::from_zero([0.0], 0.0, 1.0).is_none());
        assert!(Scale::log([0.0, -1.0], 0.0, 1.0).is_none());
    }

    proptest! {
        #[test]
        fn every_value_lies_between_the_ends_and_there_are_few_ticks(
            values in prop::collection::vec(1e-6..1e9_f64, 1..20)
        ) {
            for scale in [
                Scale::around(values.clone(), 10.0, 90.0).unwrap(),
                Scale::from_zero(values.clone(), 10.0, 90.0).unwrap(),
                Scale::log(values.clone(), 10.0, 90.0).unwrap(),
            ] {
                for value in &values {
                    prop_assert!((10.0..=90.0).contains(&scale.at(*value)));
                }
                prop_assert!(scale.ticks().len() <= 8);
            }
        }
    }
}
