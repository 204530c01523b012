//! What the leased GPUs did while a load was on the server: [`GpuUse`].

use std::collections::BTreeMap;

use crate::analysis::gpu_energy::{Window, energy, mean_power, mean_traffic};
use crate::analysis::summary::Summary;
use crate::record::file::Record;
use crate::record::finding::{Finding, FindingCode};
use crate::record::gpu_reading::GpuReading;
use crate::record::sample::Sample;
use crate::spec::metric::{Metric, Quantity};

/// The readings of a record, GPU by GPU, and the window in which the load was on the server.
#[derive(Clone, Debug)]
pub struct GpuUse<'a> {
    /// The same window as that of the throughput.
    pub window: Window,
    /// The readings of each GPU, in order of time, from before the window until after it.
    pub gpus: BTreeMap<u32, Vec<&'a GpuReading>>,
}

impl<'a> GpuUse<'a> {
    /// `None` where no GPU was read, or the record does not say when the load began.
    pub fn of(record: &'a Record) -> Option<Self> {
        let zero = record.end.as_ref()?.gpu_clock_us? as f64;
        let window = window(&record.samples, zero)?;
        let mut gpus: BTreeMap<u32, Vec<&GpuReading>> = BTreeMap::new();
        for reading in &record.gpu_readings {
            gpus.entry(reading.gpu).or_default().push(reading);
        }
        for readings in gpus.values_mut() {
            readings.sort_by_key(|reading| reading.at_us);
        }
        (!gpus.is_empty()).then_some(Self { window, gpus })
    }

    /// The readings of a GPU in the window.
    pub fn inside(&self, gpu: u32) -> impl Iterator<Item = &'a GpuReading> + Clone + '_ {
        let readings = self.gpus.get(&gpu).map(Vec::as_slice).unwrap_or_default();
        readings.iter().copied().filter(|reading| self.window.holds(reading))
    }

    /// When a reading was, in seconds since the load began.
    pub fn seconds(&self, reading: &GpuReading) -> f64 {
        (reading.at_us as f64 - self.window.from_us) / 1e6
    }

    /// Adds every figure that the readings allow.
    pub fn add_to(&self, summary: &mut Summary) {
        let mut put = |quantity, value: Option<f64>| {
            if let (Some(metric), Some(value)) = (Metric::whole_server(quantity), value) {
                summary.values.insert(metric, value);
            }
        };
        let joules = self.energy().ok();
        let tokens = Some(summary.output_tokens as f64).filter(|tokens| *tokens > 0.0);
        put(Quantity::Energy, joules);
        put(
            Quantity::EnergyPerOutputToken,
            joules.zip(tokens).map(|(joules, tokens)| joules / tokens),
        );
        let per_joule = |(joules, tokens): (f64, f64)| (joules > 0.0).then(|| tokens / joules);
        put(Quantity::TokensPerJoule, joules.zip(tokens).and_then(per_joule));
        put(Quantity::MeanPower, self.sum(|readings| mean_power(readings, self.window).ok()));
        let peak = |gpu| self.inside(gpu).filter_map(|reading| reading.used_mib).max();
        let peaks: Option<Vec<u64>> = self.gpus.keys().map(|gpu| peak(*gpu)).collect();
        put(Quantity::PeakGpuMemory, peaks.map(|peaks| peaks.iter().sum::<u64>() as f64));
        let hottest = self.all().filter_map(|reading| reading.temperature_c).max();
        put(Quantity::MaxGpuTemperature, hottest.map(f64::from));
        let clocks: Vec<f64> =
            self.all().filter_map(|reading| reading.sm_mhz).map(f64::from).collect();
        put(Quantity::MeanSmClock, crate::analysis::statistics::mean(&clocks));
        put(Quantity::ThrottledTime, self.longest(|gpu| self.throttled_s(gpu)));
        put(Quantity::PowerCapTime, self.longest(|gpu| self.capped_percent(gpu)));
        let mut traffic = |quantity, bytes: fn(&GpuReading) -> Option<u64>| {
            let mean = |readings: &[&GpuReading]| mean_traffic(readings, self.window, bytes).ok();
            put(quantity, self.sum(mean));
        };
        traffic(Quantity::PcieTx, |reading| reading.pcie_tx_bytes);
        traffic(Quantity::PcieRx, |reading| reading.pcie_rx_bytes);
        traffic(Quantity::NvlinkTx, |reading| reading.nvlink_tx_bytes);
        traffic(Quantity::NvlinkRx, |reading| reading.nvlink_rx_bytes);
    }

    /// The energy of all GPUs together, in joules.
    ///
    /// # Errors
    /// The GPU whose energy is unknown, and why.
    pub fn energy(&self) -> Result<f64, String> {
        let of = |(gpu, readings): (&u32, &Vec<&GpuReading>)| {
            energy(readings, self.window).map_err(|why| format!("GPU {gpu}: {why}"))
        };
        self.gpus.iter().map(of).sum()
    }

    /// For how long something other than the power cap slowed a GPU down, in seconds: as often as it
    /// was seen, or as long as the driver counted for heat, the longer of the two.
    pub fn throttled_s(&self, gpu: u32) -> Option<f64> {
        let known = self.inside(gpu).filter(|reading| reading.slowed_by.is_some());
        let all = known.clone().count();
        let seen = known.filter(|reading| reading.slow_down().is_some()).count();
        let sampled = (all > 0).then(|| seen as f64 / all.max(1) as f64 * self.window.seconds());
        let counted = self.inside(gpu).filter_map(|reading| reading.thermal_us);
        let counted = counted.clone().next().zip(counted.last());
        let counted = counted.map(|(first, last)| last.saturating_sub(first) as f64 / 1e6);
        match (sampled, counted) {
            (Some(sampled), Some(counted)) => Some(sampled.max(counted)),
            (sampled, counted) => sampled.or(counted),
        }
    }

    /// The share of the time in which the power cap held its clock down, in percent.
    fn capped_percent(&self, gpu: u32) -> Option<f64> {
        let known = self.inside(gpu).filter(|reading| reading.slowed_by.is_some());
        let (all, capped) = (known.clone().count(), known.filter(|it| it.is_capped()).count());
        (all > 0).then(|| capped as f64 / all as f64 * 100.0)
    }

    /// What a reader should know of the GPUs.
    pub fn remarks(&self, summary: &Summary) -> Vec<Finding> {
        let figure = |quantity| {
            let metric = Metric::whole_server(quantity)?;
            Some(*summary.values.get(&metric)?)
        };
        let parts = [
            (Quantity::MeanPower, 0),
            (Quantity::EnergyPerOutputToken, 3),
            (Quantity::PeakGpuMemory, 0),
            (Quantity::MaxGpuTemperature, 0),
            (Quantity::MeanSmClock, 0),
            (Quantity::PowerCapTime, 0),
            (Quantity::PcieTx, 0),
            (Quantity::PcieRx, 0),
            (Quantity::NvlinkTx, 0),
            (Quantity::NvlinkRx, 0),
        ];
        let words = parts.into_iter().filter_map(|(quantity, digits)| {
            let value = figure(quantity)?;
            Some(format!("{} {value:.digits$} {}", quantity.label(), quantity.unit()))
        });
        let words: Vec<String> = words.collect();
        let used = (!words.is_empty())
            .then(|| Finding::new(FindingCode::GpuUse, format!("GPUs: {}", words.join(", "))));
        let unknown = self.energy().err().map(|why| {
            let message = format!("the energy of the run is unknown: {why}");
            Finding::new(FindingCode::EnergyUnknown, message)
        });
        used.into_iter().chain(unknown).collect()
    }

    fn all(&self) -> impl Iterator<Item = &'a GpuReading> + '_ {
        self.gpus.keys().flat_map(|gpu| self.inside(*gpu))
    }

    /// The sum over all GPUs; absent where one is unknown.
    fn sum(&self, of: impl Fn(&[&GpuReading]) -> Option<f64>) -> Option<f64> {
        self.gpus.values().map(|readings| of(readings)).sum()
    }

    fn longest(&self, of: impl Fn(u32) -> Option<f64>) -> Option<f64> {
        self.gpus.keys().filter_map(|gpu| of(*gpu)).max_by(f64::total_cmp)
    }
}

/// From the first intended send to the end of the last response, on the clock of the readings.
fn window(samples: &[Sample], zero: f64) -> Option<Window> {
    let first = samples.iter().map(|sample| sample.intended_us).min()? as f64;
    let last = samples.iter().map(|sample| sample.end_us).max()? as f64;
    (last > first).then_some(Window { from_us: zero + first, to_us: zero + last })
}
