//! What a leased GPU is and how it is set up: [`GpuSetup`], in the header of a record; and what of that
//! changes speed, of all GPUs of a server: [`GpuSettings`].

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::record::difference::Difference;

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
    /// The clock of its multiprocessors that programs run at unless the driver lowers it, in MHz.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub applications_sm_mhz: Option<u32>,
    /// The same of its memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub applications_memory_mhz: Option<u32>,
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

impl GpuSetup {
    /// What of its setup changes speed, by name; what the driver does not say is left out.
    fn settings(&self) -> impl Iterator<Item = (&'static str, String)> {
        let switch = |state: Option<bool>| state.map(|on| if on { "on" } else { "off" }.to_owned());
        let clock = |mhz: Option<u32>| mhz.map(|mhz| format!("{mhz} MHz"));
        [
            ("power cap", self.power_cap_w.map(|watts| format!("{watts} W"))),
            ("persistence", switch(self.persistence)),
            ("MIG", switch(self.mig)),
            ("ECC", switch(self.ecc)),
            ("SM applications clock", clock(self.applications_sm_mhz)),
            ("memory applications clock", clock(self.applications_memory_mhz)),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
    }
}

/// How the GPUs of a server are set up, by name: `power cap` is `700 W`. Of GPUs that differ, every
/// value is named once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GpuSettings {
    settings: BTreeMap<String, String>,
}

impl GpuSettings {
    /// Those of these GPUs.
    pub fn of<'a>(gpus: impl IntoIterator<Item = &'a GpuSetup>) -> Self {
        let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in gpus.into_iter().flat_map(GpuSetup::settings) {
            let known = values.entry(name.to_owned()).or_default();
            if !known.contains(&value) {
                known.push(value);
            }
        }
        let joined = values.into_iter().map(|(name, mut values)| {
            values.sort();
            (name, values.join(" and "))
        });
        Self { settings: joined.collect() }
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.settings.is_empty()
    }

    /// The settings, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// What differs in a later run. Nothing differs from what is unknown.
    pub fn differences(&self, later: &Self) -> Vec<Difference> {
        let both = self
            .settings
            .iter()
            .filter_map(|(name, before)| later.settings.get(name).map(|now| (name, before, now)));
        both.filter(|(_, before, now)| before != now)
            .map(|(name, before, now)| Difference {
                what: name.clone(),
                baseline: before.clone(),
                measured: now.clone(),
            })
            .collect()
    }
}

/// What of its setup changes speed: `power cap 700 W, persistence on, MIG off, ECC on`.
impl fmt::Display for GpuSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> =
            self.settings().map(|(name, value)| format!("{name} {value}")).collect();
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
            applications_sm_mhz: Some(1_980),
            ..GpuSetup::default()
        };
        let shown = "power cap 700 W, MIG off, ECC on, SM applications clock 1980 MHz";
        assert_eq!(gpu.to_string(), shown);
        assert_eq!(GpuSetup::default().to_string(), "setup unknown");
    }

    #[test]
    fn a_changed_power_cap_is_named_and_nothing_differs_from_what_is_unknown() {
        let capped = |watts, ecc| GpuSetup { power_cap_w: Some(watts), ecc, ..GpuSetup::default() };
        let before = GpuSettings::of(&[capped(700, Some(true)), capped(700, Some(true))]);
        let now = GpuSettings::of(&[capped(700, None), capped(500, None)]);
        let shown: Vec<String> = before.differences(&now).iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["power cap: 700 W → 500 W and 700 W"]);
        let unknown = GpuSettings::of(&[GpuSetup::default()]);
        assert!(unknown.is_empty());
        assert!(before.differences(&unknown).is_empty() && unknown.differences(&before).is_empty());
    }
}
