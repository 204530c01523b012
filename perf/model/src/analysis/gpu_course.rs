//! What GPUs did over the time of a run, in a bounded number of readings: [`GpuCourse`].

use std::collections::BTreeMap;

use crate::record::gpu_reading::GpuReading;

/// The most moments, and half of the most readings that are kept of a GPU.
const MOST: usize = 60;

/// What GPUs did over time. Of a long run, every second reading is kept, then every fourth, and so on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GpuCourse {
    gpus: BTreeMap<u32, Readings>,
    /// When the load began on the clock of the readings, in microseconds.
    zero_us: Option<u64>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Readings {
    /// One of so many readings is kept, as a power of two.
    power: u32,
    seen: u64,
    kept: Vec<Kept>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Kept {
    at_us: u64,
    power_mw: Option<u64>,
    sm_mhz: Option<u32>,
    busy_percent: Option<u32>,
    /// In any of the readings that it stands for.
    is_slowed: bool,
    is_capped: bool,
}

/// What all GPUs did at a moment. What one of them does not say is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct GpuMoment {
    /// The middle of it, in seconds since the run began.
    pub at_s: f64,
    /// What all GPUs draw together, in watts.
    pub power_w: Option<f64>,
    /// The lowest clock of their multiprocessors, in MHz.
    pub sm_mhz: Option<f64>,
    /// The share of the time in which they computed, on average, in percent.
    pub busy_percent: Option<f64>,
    /// Whether heat, the power supply or the driver slowed one down.
    pub is_slowed: bool,
    /// Whether the power cap held the clock of one down.
    pub is_capped: bool,
}

impl GpuCourse {
    /// Adds a reading. Those of a GPU come in order of time.
    pub fn add(&mut self, reading: &GpuReading) {
        let readings = self.gpus.entry(reading.gpu).or_default();
        let (is_slowed, is_capped) = (reading.slow_down().is_some(), reading.is_capped());
        readings.seen += 1;
        if (readings.seen - 1).is_multiple_of(1 << readings.power) {
            readings.kept.push(Kept {
                at_us: reading.at_us,
                power_mw: reading.power_mw,
                sm_mhz: reading.sm_mhz,
                busy_percent: reading.busy_percent,
                is_slowed,
                is_capped,
            });
        } else if let Some(last) = readings.kept.last_mut() {
            last.is_slowed |= is_slowed;
            last.is_capped |= is_capped;
        }
        if readings.kept.len() > 2 * MOST {
            let half = readings.kept.chunks(2).map(|pair| Kept {
                is_slowed: pair.iter().any(|kept| kept.is_slowed),
                is_capped: pair.iter().any(|kept| kept.is_capped),
                ..pair[0]
            });
            readings.kept = half.collect();
            readings.power += 1;
            // The next reading that is kept is that of the next pair.
            readings.seen = (readings.kept.len() as u64) << readings.power;
        }
    }

    /// Says when the load began on the clock of the readings.
    pub fn begin(&mut self, zero_us: Option<u64>) {
        self.zero_us = zero_us;
    }

    /// The moments of a run of this length, in order. None where no GPU was read, or where it is not
    /// known when the load began.
    pub fn moments(&self, length_s: f64) -> Vec<GpuMoment> {
        let Some(zero_us) = self.zero_us.filter(|_| length_s > 0.0) else { return Vec::new() };
        let second = |kept: &Kept| (kept.at_us as f64 - zero_us as f64) / 1e6;
        let inside = |kept: &&Kept| (0.0..length_s).contains(&second(kept));
        let least = self.gpus.values().map(|gpu| gpu.kept.iter().filter(inside).count()).min();
        // Two readings each, so that no moment lacks one because its clock ticks a little late.
        let bins = (least.unwrap_or_default() / 2).clamp(1, MOST);
        let width_s = length_s / bins as f64;
        let moment = |bin: usize| {
            let (from, to) = (bin as f64 * width_s, (bin + 1) as f64 * width_s);
            let of_gpu = |gpu: &Readings| -> Vec<Kept> {
                gpu.kept.iter().filter(|kept| (from..to).contains(&second(kept))).copied().collect()
            };
            let gpus: Vec<Vec<Kept>> = self.gpus.values().map(of_gpu).collect();
            let each = |of: fn(&Kept) -> Option<f64>| -> Option<Vec<f64>> {
                gpus.iter().map(|gpu| mean(gpu.iter().filter_map(of))).collect()
            };
            let busy = each(|kept| kept.busy_percent.map(f64::from));
            GpuMoment {
                at_s: f64::midpoint(from, to),
                power_w: each(|kept| Some(kept.power_mw? as f64 / 1e3)).map(|all| all.iter().sum()),
                sm_mhz: each(|kept| kept.sm_mhz.map(f64::from))
                    .and_then(|all| all.into_iter().reduce(f64::min)),
                busy_percent: busy.and_then(|all| mean(all.into_iter())),
                is_slowed: gpus.iter().flatten().any(|kept| kept.is_slowed),
                is_capped: gpus.iter().flatten().any(|kept| kept.is_capped),
            }
        };
        if least.is_none() { Vec::new() } else { (0..bins).map(moment).collect() }
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0_u32), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::gpu_reading::POWER_CAP;

    fn reading(gpu: u32, at_us: u64, power_mw: u64, sm_mhz: u32) -> GpuReading {
        GpuReading {
            gpu,
            at_us,
            power_mw: Some(power_mw),
            sm_mhz: Some(sm_mhz),
            busy_percent: Some(90),
            slowed_by: Some(0),
            ..GpuReading::default()
        }
    }

    #[test]
    fn power_adds_up_and_the_slowest_clock_counts() {
        let mut course = GpuCourse::default();
        for at in 0..40 {
            course.add(&reading(0, at * 100_000, 300_000, 1_980));
            course.add(&GpuReading {
                slowed_by: Some(if at == 25 { 0x40 } else { POWER_CAP }),
                ..reading(1, at * 100_000, 400_000, 1_500)
            });
        }
        assert!(course.moments(2.0).is_empty(), "it is not known when the load began");
        course.begin(Some(1_000_000));
        let moments = course.moments(2.0);
        assert_eq!(moments.len(), 10);
        for moment in &moments {
            assert_eq!((moment.power_w, moment.sm_mhz), (Some(700.0), Some(1_500.0)));
            assert_eq!(moment.busy_percent, Some(90.0));
        }
        assert_eq!(moments.iter().filter(|moment| moment.is_slowed).count(), 1);
        assert!(moments.iter().filter(|moment| moment.is_capped).count() >= 9);
    }

    #[test]
    fn a_long_run_keeps_few_readings_and_every_slow_down() {
        let mut course = GpuCourse::default();
        for at in 0..100_000 {
            let slowed_by = Some(if at == 77_777 { 0x20 } else { 0 });
            course.add(&GpuReading { slowed_by, ..reading(0, at * 100_000, 300_000, 1_980) });
        }
        course.begin(Some(0));
        assert!(course.gpus[&0].kept.len() <= 2 * MOST);
        let moments = course.moments(10_000.0);
        assert!(moments.iter().all(|moment| moment.power_w == Some(300.0)), "{moments:?}");
        let slowed: Vec<f64> =
            moments.iter().filter(|moment| moment.is_slowed).map(|moment| moment.at_s).collect();
        assert_eq!(slowed.len(), 1);
        assert!((slowed[0] - 7_777.7).abs() < 350.0, "{slowed:?}");
    }

    #[test]
    fn what_a_gpu_does_not_say_is_absent_and_never_zero() {
        let mut course = GpuCourse::default();
        for at in 0..10 {
            let silent = GpuReading { power_mw: None, ..reading(1, at * 100_000, 0, 1_000) };
            course.add(&reading(0, at * 100_000, 300_000, 1_980));
            course.add(&silent);
        }
        course.begin(Some(0));
        let moments = course.moments(1.0);
        assert!(moments.iter().all(|moment| moment.power_w.is_none() && moment.sm_mhz.is_some()));
    }
}
