//! What a leased GPU did at one moment of a run: [`GpuReading`], a line of the record.

use serde::{Deserialize, Serialize};

/// What a GPU did at one moment. What it does not say is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GpuReading {
    /// The GPU's number.
    pub gpu: u32,
    /// When, in microseconds since the readings began. The end of the record says when on this clock
    /// the load began.
    pub at_us: u64,
    /// What it draws, in milliwatts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub power_mw: Option<u64>,
    /// What it has used since its driver was loaded, in millijoules.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub energy_mj: Option<u64>,
    /// Its temperature in degrees Celsius.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature_c: Option<u32>,
    /// The clock of its multiprocessors, in MHz.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sm_mhz: Option<u32>,
    /// The clock of its memory, in MHz.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_mhz: Option<u32>,
    /// The share of the driver's last sample period in which it computed, in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub busy_percent: Option<u32>,
    /// Its memory in use, in MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used_mib: Option<u64>,
    /// What slows it down, as NVML's bits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slowed_by: Option<u64>,
    /// For how long heat has slowed it down since its driver was loaded, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thermal_us: Option<u64>,
    /// Memory errors since its driver was loaded that could not be corrected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ecc_errors: Option<u64>,
    /// What it has sent over PCIe since the readings began, in bytes. It and the three below are worked
    /// out from the driver's rates between one reading and the next, about once a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pcie_tx_bytes: Option<u64>,
    /// What it has received over PCIe since then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pcie_rx_bytes: Option<u64>,
    /// What it has sent over all its NVLinks since then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nvlink_tx_bytes: Option<u64>,
    /// What it has received over all its NVLinks since then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nvlink_rx_bytes: Option<u64>,
    /// XID errors that the driver reported since the reading before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub xids: Vec<u64>,
    /// Whether it no longer answers.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub lost: bool,
    /// Processes that compute on it and are not the server's, as words: `process 42 (python3, user
    /// alice)`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub foreign: Vec<String>,
}

/// NVML's bit for a clock that the power cap holds down, which is normal under load.
pub const POWER_CAP: u64 = 0x4;

/// NVML's bits for slow-downs that are no normal operation, with their names: the hardware's (by heat or
/// the power supply), and the driver's by heat.
pub const SLOW_DOWNS: [(u64, &str); 4] = [
    (0x40, "hardware thermal slow-down"),
    (0x80, "power brake"),
    (0x20, "software thermal slow-down"),
    (0x8, "hardware slow-down"),
];

impl GpuReading {
    /// The slow-down that it shows, if any; the most specific one.
    pub fn slow_down(&self) -> Option<&'static str> {
        let bits = self.slowed_by?;
        SLOW_DOWNS.iter().find(|(bit, _)| bits & bit != 0).map(|(_, name)| *name)
    }

    /// Whether the power cap holds its clock down.
    pub fn is_capped(&self) -> bool {
        self.slowed_by.is_some_and(|bits| bits & POWER_CAP != 0)
    }
}
