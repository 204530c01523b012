//! What a GPU used and moved in a window of time: [`energy`], [`mean_power`], [`mean_traffic`].

use crate::record::gpu_reading::GpuReading;

/// The longest time without a reading.
pub const LONGEST_GAP_S: f64 = 3.0;

/// The most by which the accumulator and the integrated power may differ.
const MOST_DIFFERENCE: f64 = 0.05;

/// A window of time on the clock of the readings, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    /// The first send.
    pub from_us: f64,
    /// The end of the last response.
    pub to_us: f64,
}

impl Window {
    /// Its length, in seconds.
    pub fn seconds(self) -> f64 {
        (self.to_us - self.from_us) / 1e6
    }

    /// Whether a reading lies in it.
    pub fn holds(self, reading: &GpuReading) -> bool {
        (self.from_us..=self.to_us).contains(&(reading.at_us as f64))
    }
}

/// The energy that a GPU used in a window, in joules: the growth of its accumulator, with straight
/// lines between readings.
///
/// # Errors
/// Why it cannot be said: no accumulator, a gap between readings of more than 3 s, or an integral of
/// the power that differs by more than 5 %.
pub fn energy(readings: &[&GpuReading], window: Window) -> Result<f64, String> {
    let accumulator = points(readings, |reading| reading.energy_mj);
    if accumulator.is_empty() {
        return Err("it has no energy accumulator".to_owned());
    }
    gap(&accumulator, window)?;
    let joules = growth(&accumulator, window, "energy")? / 1e3;
    let integrated = mean_power(readings, window)? * window.seconds();
    let difference = (joules - integrated).abs() / integrated.max(1e-9);
    if difference > MOST_DIFFERENCE {
        return Err(format!(
            "its energy accumulator counted {joules:.1} J and its power adds up to {integrated:.1} J"
        ));
    }
    Ok(joules)
}

/// What a GPU drew on average in a window, in watts: its readings, with straight lines between them.
///
/// # Errors
/// Why it cannot be said: no power, or a gap between readings of more than 3 s.
pub fn mean_power(readings: &[&GpuReading], window: Window) -> Result<f64, String> {
    let power = points(readings, |reading| reading.power_mw);
    if power.is_empty() {
        return Err("it does not say what it draws".to_owned());
    }
    gap(&power, window)?;
    let inner = power.iter().filter(|point| (window.from_us..window.to_us).contains(&point.0));
    let edge = |at| (at, value_at(&power, at));
    let line: Vec<(f64, f64)> = std::iter::once(edge(window.from_us))
        .chain(inner.copied())
        .chain([edge(window.to_us)])
        .collect();
    let area = line.windows(2).map(|pair| (pair[1].0 - pair[0].0) * (pair[0].1 + pair[1].1) / 2.0);
    Ok(area.sum::<f64>() / (window.to_us - window.from_us).max(1.0) / 1e3)
}

/// What a GPU moved on average in a window, in megabytes (10⁶ bytes) a second: the growth of a number of
/// bytes, with straight lines between readings, over the time from the first to the last of them.
///
/// # Errors
/// Why it cannot be said: it was not counted, not twice in the window, or not for more than 3 s.
pub fn mean_traffic(
    readings: &[&GpuReading],
    window: Window,
    bytes: impl Fn(&GpuReading) -> Option<u64>,
) -> Result<f64, String> {
    let counted = points(readings, bytes);
    let (Some(first), Some(last)) = (counted.first(), counted.last()) else {
        return Err("it does not count its traffic".to_owned());
    };
    gap(&counted, window)?;
    let (from_us, to_us) = (window.from_us.max(first.0), window.to_us.min(last.0));
    if to_us <= from_us {
        return Err("its traffic was read once".to_owned());
    }
    let known = Window { from_us, to_us };
    Ok(growth(&counted, known, "traffic")? / 1e6 / known.seconds())
}

/// By how much an accumulator grew in a window.
fn growth(accumulator: &[(f64, f64)], window: Window, of: &str) -> Result<f64, String> {
    if accumulator.windows(2).any(|pair| pair[1].1 < pair[0].1) {
        return Err(format!("its {of} accumulator went backwards"));
    }
    let at = |moment| value_at(accumulator, moment);
    Ok(at(window.to_us) - at(window.from_us))
}

/// What was read, in order of time.
fn points(readings: &[&GpuReading], of: impl Fn(&GpuReading) -> Option<u64>) -> Vec<(f64, f64)> {
    let point = |reading: &&GpuReading| Some((reading.at_us as f64, of(reading)? as f64));
    readings.iter().filter_map(point).collect()
}

/// The longest time in the window without a reading must be short. A window must begin and end near
/// a reading, too.
fn gap(points: &[(f64, f64)], window: Window) -> Result<(), String> {
    let inner = points.iter().map(|point| point.0);
    let before = inner.clone().rfind(|at| *at <= window.from_us);
    let after = inner.clone().find(|at| *at >= window.to_us);
    let mut moments: Vec<f64> = vec![before.unwrap_or(window.from_us)];
    moments.extend(inner.filter(|at| (window.from_us..=window.to_us).contains(at)));
    moments.push(after.unwrap_or(window.to_us));
    let longest = moments.windows(2).map(|pair| (pair[1] - pair[0]) / 1e6).fold(0.0, f64::max);
    if longest > LONGEST_GAP_S {
        return Err(format!("it was not read for {longest:.1} s (limit {LONGEST_GAP_S} s)"));
    }
    Ok(())
}

/// The value at a moment, on the straight line between the readings around it; level outside.
fn value_at(points: &[(f64, f64)], at: f64) -> f64 {
    let next = points.partition_point(|point| point.0 <= at);
    match (next.checked_sub(1).map(|before| points[before]), points.get(next)) {
        (Some(before), Some(after)) => {
            let share = (at - before.0) / (after.0 - before.0);
            before.1 + share * (after.1 - before.1)
        }
        (Some(only), None) => only.1,
        (None, Some(only)) => only.1,
        (None, None) => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Power that rises from 100 W by 100 W each second, read ten times a second for 10 s.
    fn readings() -> Vec<GpuReading> {
        (0..=100_u64)
            .map(|tick| GpuReading {
                at_us: tick * 100_000,
                power_mw: Some(100_000 + tick * 10_000),
                energy_mj: Some(10_000 * tick + tick * tick * 500),
                ..GpuReading::default()
            })
            .collect()
    }

    const WINDOW: Window = Window { from_us: 2_050_000.0, to_us: 8_050_000.0 };

    fn of(readings: &[GpuReading]) -> Result<f64, String> {
        energy(&readings.iter().collect::<Vec<_>>(), WINDOW)
    }

    /// Traffic that is counted once a second, from `from_s` to `to_s`, at 100 MB/s and from 5 s on 300 MB/s.
    fn traffic(from_s: u32, to_s: u32, window: Window) -> Result<f64, String> {
        let mut readings = readings();
        for second in from_s..=to_s {
            let megabytes = second * 100 + second.saturating_sub(5) * 200;
            readings[second as usize * 10].pcie_rx_bytes = Some(u64::from(megabytes) * 1_000_000);
        }
        let readings: Vec<&GpuReading> = readings.iter().collect();
        mean_traffic(&readings, window, |reading| reading.pcie_rx_bytes)
    }

    #[test]
    fn traffic_is_the_mean_of_what_was_counted_in_the_window() {
        // 2.95 s at 100 MB/s, 3.05 s at 300 MB/s.
        let mean = traffic(0, 10, WINDOW).unwrap();
        assert!((mean - (2.95 * 100.0 + 3.05 * 300.0) / 6.0).abs() < 1e-6, "{mean}");
        // Up to 7 s: what was moved after the last reading is not known, and is not taken for nothing.
        let mean = traffic(0, 7, WINDOW).unwrap();
        assert!((mean - (2.95 * 100.0 + 2.0 * 300.0) / 4.95).abs() < 1e-6, "{mean}");
    }

    #[test]
    fn traffic_that_was_counted_once_or_long_ago_is_unknown() {
        assert_eq!(traffic(0, 4, WINDOW).unwrap_err(), "it was not read for 4.0 s (limit 3 s)");
        let short = Window { from_us: 4_010_000.0, to_us: 4_200_000.0 };
        assert_eq!(traffic(4, 4, short).unwrap_err(), "its traffic was read once");
        let none = mean_traffic(&[], WINDOW, |reading| reading.nvlink_tx_bytes);
        assert_eq!(none.unwrap_err(), "it does not count its traffic");
    }

    #[test]
    fn energy_is_that_of_the_window_alone() {
        // 6 s at 100 W + 100 W/s × 5.05 s on average.
        let joules = of(&readings()).unwrap();
        assert!((joules - 3_630.0).abs() < 3_630.0 * 0.001, "{joules}");
    }

    #[test]
    fn energy_is_absent_with_its_reason_rather_than_wrong() {
        let mut gap = readings();
        gap.retain(|reading| !(3_000_000..6_200_000).contains(&reading.at_us));
        assert_eq!(of(&gap).unwrap_err(), "it was not read for 3.3 s (limit 3 s)");
        let mut cut = readings();
        cut.retain(|reading| reading.at_us < 5_000_000);
        assert!(of(&cut).unwrap_err().starts_with("it was not read for 3.1"));
        let mut differs = readings();
        for it in &mut differs {
            it.energy_mj = it.energy_mj.map(|mj| mj * 106 / 100);
        }
        let error = of(&differs).unwrap_err();
        assert!(error.contains("counted 38") && error.contains("adds up to 3630"), "{error}");
        let mut back = readings();
        back[50].energy_mj = Some(0);
        assert_eq!(of(&back).unwrap_err(), "its energy accumulator went backwards");
        let mut none = readings();
        for reading in &mut none {
            reading.energy_mj = None;
        }
        assert_eq!(of(&none).unwrap_err(), "it has no energy accumulator");
        let mut powerless = readings();
        for reading in &mut powerless {
            reading.power_mw = None;
        }
        assert_eq!(of(&powerless).unwrap_err(), "it does not say what it draws");
        assert!(of(&[]).is_err());
    }
}
