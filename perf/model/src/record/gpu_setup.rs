//! What a leased GPU is and how it is set up: [`GpuSetup`], in the header of a record.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a leased GPU is and how it is set up. What the driver does not say is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GpuSetup {
    /// Its number in the order of the PCI bus.
    pub index: u32,
    /// What stays the same when cards are added or swapped: `GPU-…`.
    pub uuid: String,
    /// `NVIDIA H200`.
    pub name: String,
    /// Its memory, in MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<u64>,
    /// What of that was in use before the server started, in MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used_before_mib: Option<u64>,
    /// Its compute capability: `9.0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compute_capability: Option<String>,
    /// The CUDA version of the driver: `13.0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cuda: Option<String>,
    /// Whether it is cut into instances.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mig: Option<bool>,
    /// Whether the driver keeps it initialised without a client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub persistence: Option<bool>,
    /// Whether it corrects errors of its memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ecc: Option<bool>,
    /// The most that it may draw, in watts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub power_cap_w: Option<u32>,
    /// The highest clock of its multiprocessors, in MHz.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_sm_mhz: Option<u32>,
    /// The highest clock of its memory, in MHz.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_memory_mhz: Option<u32>,
    /// How many NVLinks are up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nvlinks: Option<u32>,
    /// The generation of its PCIe link, as it is now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pcie_generation: Option<u32>,
    /// The lanes of its PCIe link, as they are now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pcie_lanes: Option<u32>,
    /// The other GPUs behind the same PCIe switch, by number.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub same_switch: Vec<u32>,
}

/// What of its setup changes speed: `power cap 700 W, persistence on, MIG off, ECC on`.
impl fmt::Display for GpuSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let switch = |name: &str, state: Option<bool>| {
            state.map(|on| format!("{name} {}", if on { "on" } else { "off" }))
        };
        let parts: Vec<String> = [
            self.power_cap_w.map(|watts| format!("power cap {watts} W")),
            switch("persistence", self.persistence),
            switch("MIG", self.mig),
            switch("ECC", self.ecc),
        ]
        .into_iter()
        .flatten()
        .collect();
        write!(
            f,
            "{}",
            if parts.is_empty() { "setup unknown".to_owned() } else { parts.join(", ") }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_speed_is_shown_and_what_is_unknown_is_left_out() {
        let gpu = GpuSetup {
            power_cap_w: Some(700),
            mig: Some(false),
            ecc: Some(true),
            ..GpuSetup::default()
        };
        assert_eq!(gpu.to_string(), "power cap 700 W, MIG off, ECC on");
        assert_eq!(GpuSetup::default().to_string(), "setup unknown");
    }
}
