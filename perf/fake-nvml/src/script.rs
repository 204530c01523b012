//! What the stand-in plays: [`Script`], read from a JSON file.

use std::path::PathBuf;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

/// What the stand-in plays.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Script {
    /// Whether NVIDIA's driver is absent.
    pub no_driver: bool,
    /// A file with the time as seconds. Without it, time counts from when the script was written, on
    /// the machine's clock.
    pub clock: Option<PathBuf>,
    /// The GPUs.
    pub devices: Vec<Device>,
}

/// One GPU. Curves are points of seconds and values with straight lines between them; before the
/// first and after the last point they are level. An empty curve is not supported by this GPU.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Device {
    /// Its name.
    pub name: String,
    /// Its UUID.
    pub uuid: String,
    /// Its memory.
    pub memory_mib: u64,
    /// What of that is in use.
    pub used_mib: Curve,
    /// What it draws, in watts. The energy accumulator is its integral.
    pub power_w: Curve,
    /// What the accumulator counts for one joule; 1 in a sound one.
    pub energy_factor: f64,
    /// Its temperature in degrees Celsius.
    pub temperature_c: Curve,
    /// The clock of its multiprocessors, in MHz.
    pub sm_mhz: Curve,
    /// The highest clock of its multiprocessors, in MHz.
    pub max_sm_mhz: u32,
    /// The clock of its memory, in MHz.
    pub memory_mhz: Curve,
    /// The applications clocks of its multiprocessors and its memory, in MHz, where it has them.
    pub applications_mhz: Option<(u32, u32)>,
    /// The share of time in which it computes, in percent.
    pub busy_percent: Curve,
    /// What may slow it down, with NVML's bit and from when to when.
    pub slowed: Vec<Slowed>,
    /// XID errors: when, and which.
    pub xids: Vec<(f64, u64)>,
    /// ECC errors since the driver was loaded, that were not corrected.
    pub ecc_errors: Curve,
    /// From when on it does not answer.
    pub lost_at_s: Option<f64>,
    /// The processes that compute on it.
    pub processes: Vec<Process>,
    /// Compute capability.
    pub capability: (i32, i32),
    /// Whether it is cut into instances.
    pub mig: bool,
    /// Whether the driver stays loaded without a client.
    pub persistence: bool,
    /// Whether memory errors are corrected.
    pub ecc: bool,
    /// The power cap in watts.
    pub power_cap_w: u32,
    /// How many NVLinks are up.
    pub nvlinks: u32,
    /// The PCIe switch that it hangs on.
    pub switch: u32,
    /// PCIe generation and width.
    pub pcie: (u32, u32),
    /// What it sends over PCIe, in MiB/s. A GPU whose four curves of traffic are all empty has no
    /// performance monitoring (GPM).
    pub pcie_tx_mib_s: Curve,
    /// What it receives over PCIe, in MiB/s.
    pub pcie_rx_mib_s: Curve,
    /// What it sends over all its NVLinks, in MiB/s.
    pub nvlink_tx_mib_s: Curve,
    /// What it receives over all its NVLinks, in MiB/s.
    pub nvlink_rx_mib_s: Curve,
    /// The NVML functions that are not supported: `nvmlDeviceGetPowerUsage`.
    pub not_supported: Vec<String>,
}

/// Points of seconds and values.
pub type Curve = Vec<(f64, f64)>;

/// A slow-down.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slowed {
    /// NVML's bit: 4 power cap, 8 hardware, 32 software thermal, 64 hardware thermal, 128 power brake.
    pub bit: u64,
    /// When it begins, in seconds.
    pub from_s: f64,
    /// When it ends, in seconds.
    pub to_s: f64,
}

/// A process on a GPU.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// What it uses of the memory.
    pub used_mib: u64,
    /// When it comes, in seconds.
    pub from_s: f64,
    /// When it goes, in seconds.
    pub to_s: f64,
}

impl Device {
    /// One that is listed and supports no reading of any kind.
    pub fn silent() -> Self {
        let calls = [
            "nvmlDeviceGetPowerUsage",
            "nvmlDeviceGetTotalEnergyConsumption",
            "nvmlDeviceGetTemperature",
            "nvmlDeviceGetClockInfo",
            "nvmlDeviceGetUtilizationRates",
            "nvmlDeviceGetMemoryInfo_v2",
            "nvmlDeviceGetCurrentClocksThrottleReasons",
            "nvmlDeviceGetViolationStatus",
            "nvmlDeviceGetTotalEccErrors",
            "nvmlDeviceGetComputeRunningProcesses_v3",
            "nvmlDeviceRegisterEvents",
        ];
        Self { not_supported: calls.map(str::to_owned).to_vec(), ..Self::default() }
    }
}

impl Default for Device {
    fn default() -> Self {
        Self {
            name: "NVIDIA H200".to_owned(),
            uuid: "GPU-0".to_owned(),
            memory_mib: 143_771,
            used_mib: vec![(0.0, 4.0)],
            power_w: vec![(0.0, 120.0)],
            energy_factor: 1.0,
            temperature_c: vec![(0.0, 40.0)],
            sm_mhz: vec![(0.0, 1_980.0)],
            max_sm_mhz: 1_980,
            memory_mhz: vec![(0.0, 3_201.0)],
            applications_mhz: None,
            busy_percent: vec![(0.0, 0.0)],
            slowed: Vec::new(),
            xids: Vec::new(),
            ecc_errors: vec![(0.0, 0.0)],
            lost_at_s: None,
            processes: Vec::new(),
            capability: (9, 0),
            mig: false,
            persistence: true,
            ecc: true,
            power_cap_w: 700,
            nvlinks: 0,
            switch: 0,
            pcie: (5, 16),
            pcie_tx_mib_s: Vec::new(),
            pcie_rx_mib_s: Vec::new(),
            nvlink_tx_mib_s: Vec::new(),
            nvlink_rx_mib_s: Vec::new(),
            not_supported: Vec::new(),
        }
    }
}

impl Script {
    /// So many GPUs of the default kind, `GPU-0` and on.
    pub fn of(count: u32) -> Self {
        let device = |index| Device { uuid: format!("GPU-{index}"), ..Device::default() };
        Self { devices: (0..count).map(device).collect(), ..Self::default() }
    }

    /// The script in the file that [`VARIABLE`](crate::VARIABLE) names, and the time in it. Read
    /// anew on each call, because tests change it.
    pub(crate) fn now() -> Option<(Self, f64)> {
        let path = std::env::var_os(crate::VARIABLE)?;
        let text = std::fs::read_to_string(&path).ok()?;
        let script: Self = serde_json::from_str(&text).ok()?;
        if let Some(clock) = &script.clock {
            let now = std::fs::read_to_string(clock).ok()?.trim().parse().ok()?;
            return Some((script, now));
        }
        let written = std::fs::metadata(&path).ok()?.modified().ok()?;
        let now = SystemTime::now().duration_since(written).unwrap_or_default().as_secs_f64();
        Some((script, now))
    }
}

impl Device {
    /// What slows it down at this time, as NVML's bits.
    pub(crate) fn slowed_by(&self, now: f64) -> u64 {
        let is_now = |slowed: &&Slowed| (slowed.from_s..slowed.to_s).contains(&now);
        self.slowed.iter().filter(is_now).fold(0, |bits, slowed| bits | slowed.bit)
    }

    /// For how long one of these bits has slowed it down, in seconds.
    pub(crate) fn slowed_s(&self, bits: u64, now: f64) -> f64 {
        let of = self.slowed.iter().filter(|slowed| slowed.bit & bits != 0);
        of.map(|slowed| (now.min(slowed.to_s) - slowed.from_s).max(0.0)).sum()
    }

    /// What its accumulator shows, in joules.
    pub(crate) fn energy_j(&self, now: f64) -> f64 {
        integral(&self.power_w, now) * self.energy_factor
    }
}

/// The value of a curve; absent for an empty one.
pub(crate) fn value(curve: &[(f64, f64)], now: f64) -> Option<f64> {
    let (first, last) = (curve.first()?, curve.last()?);
    let between = curve.windows(2).find(|pair| (pair[0].0..pair[1].0).contains(&now));
    Some(match between {
        Some(pair) => {
            let share = (now - pair[0].0) / (pair[1].0 - pair[0].0);
            pair[0].1 + share * (pair[1].1 - pair[0].1)
        }
        None if now < first.0 => first.1,
        None => last.1,
    })
}

/// The integral of a curve from 0 to `now`, exactly.
pub(crate) fn integral(curve: &[(f64, f64)], now: f64) -> f64 {
    let inner = curve.iter().map(|point| point.0).filter(|at| (0.0..now).contains(at));
    let mut stops: Vec<f64> = std::iter::once(0.0).chain(inner).chain([now.max(0.0)]).collect();
    stops.sort_by(f64::total_cmp);
    // A jump is two points at one time; the left piece ends just before it.
    let area = |pair: &[f64]| {
        let width = pair[1] - pair[0];
        let middle = value(curve, pair[0] + width / 2.0).unwrap_or(0.0);
        middle * width
    };
    // The middle of a straight line is its mean.
    stops.windows(2).map(area).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn energy_is_the_integral_of_power() {
        let power_w = vec![(1.0, 100.0), (3.0, 300.0), (3.0, 500.0)];
        let device = Device { power_w, ..Device::default() };
        for (now, joules) in [(0.5, 50.0), (1.0, 100.0), (3.0, 500.0), (4.0, 1_000.0)] {
            let counted = device.energy_j(now);
            assert!((counted - joules).abs() < 1e-9, "{now}: {counted}");
        }
    }

    #[test]
    fn a_slow_down_is_shown_while_it_lasts_and_counted_afterwards() {
        let slowed = vec![Slowed { bit: 64, from_s: 2.0, to_s: 5.0 }];
        let device = Device { slowed, ..Device::default() };
        assert_eq!([1.0, 2.0, 5.0].map(|now| device.slowed_by(now)), [0, 64, 0]);
        assert!((device.slowed_s(64, 3.5) - 1.5).abs() < 1e-9);
        assert!((device.slowed_s(96, 9.0) - 3.0).abs() < 1e-9);
        assert!(device.slowed_s(128, 9.0).abs() < 1e-9);
    }
}
