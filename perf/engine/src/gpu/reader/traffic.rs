//! What a GPU moves over PCIe and NVLink: [`Traffic`].
//!
//! From the driver's performance monitoring (GPM), which Hopper and newer GPUs have: it gives the mean
//! rate between two samples. The driver's counters of bytes are no help. Those of PCIe wrap, after a
//! fraction of a second where the link is busy. Those of NVLink want the number of a link, which
//! `nvml-wrapper` does not pass on, so that it gives those of the first link alone.

use nvml_wrapper::enums::gpm::GpmMetricId;
use nvml_wrapper::gpm::gpm_metrics_get;
use nvml_wrapper::{Device, GpmSample};
use perf_model::record::gpu_reading::GpuReading;

/// What is asked for, in the order of `Traffic::bytes`.
const METRICS: [GpmMetricId; 4] = [
    GpmMetricId::PcieTxPerSec,
    GpmMetricId::PcieRxPerSec,
    GpmMetricId::NvlinkTotalTxPerSec,
    GpmMetricId::NvlinkTotalRxPerSec,
];

/// How many of these are of PCIe.
const OF_PCIE: usize = 2;

/// The unit of the rates, which nvml.h calls MiB/s.
const MIB: f64 = 1024.0 * 1024.0;

/// The least time between two samples, in microseconds. The last reading of a load may follow another
/// at once, and a rate over so short a time means nothing.
const LEAST_US: u64 = 50_000;

/// The traffic of a GPU since it was first read.
pub(super) struct Traffic<'nvml> {
    before: Option<(GpmSample<'nvml>, u64)>,
    /// `None` for what the GPU does not give, or did not once: what was moved then is unknown.
    bytes: [Option<f64>; METRICS.len()],
}

impl<'nvml> Traffic<'nvml> {
    /// `None` for a GPU that has no performance monitoring. One that is not linked is not asked for
    /// NVLink.
    pub(super) fn of(device: &Device<'nvml>, is_linked: bool) -> Option<Self> {
        let is_supported = device.gpm_support().unwrap_or(false);
        let linked = is_linked.then_some(0.0);
        is_supported.then_some(Self { before: None, bytes: [Some(0.0), Some(0.0), linked, linked] })
    }

    /// Adds what was moved since the last time, up to the time of a reading, to that reading.
    pub(super) fn read(&mut self, device: &Device<'nvml>, reading: &mut GpuReading) {
        let since = self.before.as_ref().map(|(_, at_us)| reading.at_us.saturating_sub(*at_us));
        if since.is_some_and(|since| since < LEAST_US) {
            return;
        }
        let Ok(now) = device.gpm_sample() else { return };
        if let (Some((before, _)), Some(since)) = (&self.before, since) {
            let asked =
                if self.bytes[OF_PCIE].is_some() { &METRICS[..] } else { &METRICS[..OF_PCIE] };
            let rates = gpm_metrics_get(device.nvml(), before, &now, asked).unwrap_or_default();
            let mut rates = rates.into_iter().map(|rate| rate.ok().map(|rate| rate.value));
            for bytes in &mut self.bytes {
                let rate = rates.next().flatten().filter(|rate| rate.is_finite() && *rate >= 0.0);
                let moved = rate.map(|rate| rate * MIB * since as f64 / 1e6);
                *bytes = bytes.zip(moved).map(|(bytes, moved)| bytes + moved);
            }
        }
        self.before = Some((now, reading.at_us));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a sum of finite rates that are not negative"
        )]
        let [pcie_tx, pcie_rx, nvlink_tx, nvlink_rx] =
            self.bytes.map(|bytes| bytes.map(|bytes| bytes.round() as u64));
        (reading.pcie_tx_bytes, reading.pcie_rx_bytes) = (pcie_tx, pcie_rx);
        (reading.nvlink_tx_bytes, reading.nvlink_rx_bytes) = (nvlink_tx, nvlink_rx);
    }
}
