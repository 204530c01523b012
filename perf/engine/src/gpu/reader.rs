//! Reads what leased GPUs do, through NVML: [`Reader`].

use nvml_wrapper::bitmasks::event::EventTypes;
use nvml_wrapper::enum_wrappers::device::{
    Clock, EccCounter, MemoryError, PerformancePolicy, TemperatureSensor,
};
use nvml_wrapper::enums::event::XidError;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, EventSet, Nvml};
use perf_machine::host::describe_process;
use perf_model::record::gpu_reading::GpuReading;

use super::Gpu;
use super::nvml::users;
use super::owners::Owners;

mod traffic;

use traffic::Traffic;

const MIB: u64 = 1024 * 1024;

/// NVML's number for an XID that it does not know.
const UNKNOWN_XID: u64 = 999;

/// The GPUs that are read.
pub(super) struct Reader<'nvml> {
    devices: Vec<Read<'nvml>>,
    events: Option<EventSet<'nvml>>,
}

/// A GPU that is read.
struct Read<'nvml> {
    gpu: u32,
    /// `None` for one that is lost.
    device: Option<Device<'nvml>>,
    /// `None` for one that does not count it.
    traffic: Option<Traffic<'nvml>>,
}

impl<'nvml> Reader<'nvml> {
    /// Finds the GPUs by UUID. XID errors are reported from now on.
    pub(super) fn new(nvml: &'nvml Nvml, gpus: &[Gpu]) -> Self {
        let device = |gpu: &Gpu| {
            let device = nvml.device_by_uuid(gpu.setup.uuid.as_str()).ok();
            // The only GPU of a server has no other to send to.
            let is_linked = gpus.len() > 1 && gpu.setup.nvlinks.is_some_and(|links| links > 0);
            let traffic = device.as_ref().and_then(|device| Traffic::of(device, is_linked));
            Read { gpu: gpu.setup.index, device, traffic }
        };
        let devices: Vec<_> = gpus.iter().map(device).collect();
        let mut events = nvml.create_event_set().ok();
        for device in devices.iter().filter_map(|it| it.device.as_ref()) {
            // A GPU without events leaves its XIDs unknown, and takes those of the others with it.
            events = events
                .and_then(|set| device.register_events(EventTypes::CRITICAL_XID_ERROR, set).ok());
        }
        Self { devices, events }
    }

    /// What every GPU does now. Traffic is read and processes are looked for where there are owners:
    /// these cost the most.
    pub(super) fn read(&mut self, at_us: u64, owners: Option<&Owners>) -> Vec<GpuReading> {
        let mut xids = self.xids();
        let reading = |Read { gpu, device, traffic }: &mut Read<'_>| {
            let mut reading = device.as_ref().map_or_else(lost, |device| read(device, owners));
            (reading.gpu, reading.at_us) = (*gpu, at_us);
            reading.xids.extend(xids.extract_if(.., |(of, _)| of == gpu).map(|(_, xid)| xid));
            if let (Some(device), Some(traffic), Some(_)) = (device, traffic, owners) {
                traffic.read(device, &mut reading);
            }
            reading
        };
        self.devices.iter_mut().map(reading).collect()
    }

    /// What the driver reported since the last time, with the GPU's number.
    fn xids(&self) -> Vec<(u32, u64)> {
        let Some(events) = &self.events else { return Vec::new() };
        let mut found = Vec::new();
        while let Ok(event) = events.wait(0) {
            let xid = match event.event_data {
                Some(XidError::Value(xid)) => xid,
                Some(XidError::Unknown) => UNKNOWN_XID,
                None => continue,
            };
            // A lost GPU gives no UUID, but still its number.
            let known = |device: &Device<'_>| device.uuid().ok();
            let uuid = known(&event.device);
            let of = |it: &&Read<'_>| uuid.is_some() && it.device.as_ref().and_then(known) == uuid;
            let gpu = self.devices.iter().find(of).map(|it| it.gpu);
            found.extend(gpu.or_else(|| event.device.index().ok()).map(|gpu| (gpu, xid)));
        }
        found
    }
}

fn lost() -> GpuReading {
    GpuReading { lost: true, ..GpuReading::default() }
}

fn read(device: &Device<'_>, owners: Option<&Owners>) -> GpuReading {
    // Every lost GPU fails at the first call.
    let power = match device.power_usage() {
        Err(NvmlError::GpuLost) => return lost(),
        power => power.ok(),
    };
    let thermal = device.violation_status(PerformancePolicy::Thermal).ok();
    let ecc = device.total_ecc_errors(MemoryError::Uncorrected, EccCounter::Volatile);
    let foreign = owners.into_iter().flat_map(|owners| owners.foreign(&users(device)));
    GpuReading {
        power_mw: power.map(u64::from),
        energy_mj: device.total_energy_consumption().ok(),
        temperature_c: device.temperature(TemperatureSensor::Gpu).ok(),
        sm_mhz: device.clock_info(Clock::SM).ok(),
        memory_mhz: device.clock_info(Clock::Memory).ok(),
        busy_percent: device.utilization_rates().ok().map(|rates| rates.gpu),
        used_mib: device.memory_info().ok().map(|memory| memory.used / MIB),
        slowed_by: device.current_throttle_reasons().ok().map(|reasons| reasons.bits()),
        // The driver counts in nanoseconds.
        thermal_us: thermal.map(|time| time.violation_time / 1_000),
        ecc_errors: ecc.ok(),
        foreign: foreign.map(describe_process).collect(),
        ..GpuReading::default()
    }
}

#[cfg(test)]
mod tests;
