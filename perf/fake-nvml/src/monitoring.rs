//! NVML's performance monitoring (GPM): samples of a GPU, and the mean rates between two of them.

use nvml_wrapper_sys::bindings as sys;
use sys::{nvmlDevice_t, nvmlGpmMetricsGet_t, nvmlGpmSample_t, nvmlGpmSupport_t, nvmlReturn_t};

use crate::calls::{INVALID, NOT_SUPPORTED, OK, ask, index, put};
use crate::script::{Curve, Device, Script, integral};

/// What a sample holds: of which device it is, and when it was taken. Nothing before it is filled.
type Sample = Option<(usize, f64)>;

/// The curve of a metric.
fn curve(device: &Device, metric: u32) -> Option<&Curve> {
    match metric {
        sys::nvmlGpmMetricId_t_NVML_GPM_METRIC_PCIE_TX_PER_SEC => Some(&device.pcie_tx_mib_s),
        sys::nvmlGpmMetricId_t_NVML_GPM_METRIC_PCIE_RX_PER_SEC => Some(&device.pcie_rx_mib_s),
        sys::nvmlGpmMetricId_t_NVML_GPM_METRIC_NVLINK_TOTAL_TX_PER_SEC => {
            Some(&device.nvlink_tx_mib_s)
        }
        sys::nvmlGpmMetricId_t_NVML_GPM_METRIC_NVLINK_TOTAL_RX_PER_SEC => {
            Some(&device.nvlink_rx_mib_s)
        }
        _ => None,
    }
    .filter(|curve| !curve.is_empty())
}

/// Whether a device is monitored at all.
fn is_monitored(device: &Device) -> bool {
    let Device { pcie_tx_mib_s, pcie_rx_mib_s, nvlink_tx_mib_s, nvlink_rx_mib_s, .. } = device;
    [pcie_tx_mib_s, pcie_rx_mib_s, nvlink_tx_mib_s, nvlink_rx_mib_s].iter().any(|it| !it.is_empty())
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlGpmQueryDeviceSupport(
    device: nvmlDevice_t,
    to: *mut nvmlGpmSupport_t,
) -> nvmlReturn_t {
    match ask("nvmlGpmQueryDeviceSupport", device, |device, _| Some(is_monitored(device))) {
        Ok(is_monitored) => {
            let support = nvmlGpmSupport_t { version: 1, isSupportedDevice: is_monitored.into() };
            // SAFETY: the place is the caller's.
            unsafe { put(to, support) }
        }
        Err(error) => error,
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlGpmSampleAlloc(to: *mut nvmlGpmSample_t) -> nvmlReturn_t {
    let sample: Box<Sample> = Box::new(None);
    // SAFETY: the place is the caller's.
    unsafe { put(to, Box::into_raw(sample).cast()) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlGpmSampleFree(sample: nvmlGpmSample_t) -> nvmlReturn_t {
    // SAFETY: the caller gives each sample back once, which `nvmlGpmSampleAlloc` made.
    drop(unsafe { Box::from_raw(sample.cast::<Sample>()) });
    OK
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlGpmSampleGet(
    device: nvmlDevice_t,
    sample: nvmlGpmSample_t,
) -> nvmlReturn_t {
    let now = |device: &Device, now: f64| is_monitored(device).then_some(now);
    match ask("nvmlGpmSampleGet", device, now) {
        // SAFETY: the sample is one that `nvmlGpmSampleAlloc` made.
        Ok(now) => unsafe { put(sample.cast::<Sample>(), Some((index(device), now))) },
        Err(error) => error,
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlGpmMetricsGet(request: *mut nvmlGpmMetricsGet_t) -> nvmlReturn_t {
    // SAFETY: the caller gives a valid request, which no one else uses meanwhile.
    let Some(request) = (unsafe { request.as_mut() }) else { return INVALID };
    // SAFETY: both samples are ones that `nvmlGpmSampleAlloc` made.
    let samples = unsafe { (*request.sample1.cast::<Sample>(), *request.sample2.cast::<Sample>()) };
    let ((Some((at, from)), Some((_, to))), Some((script, _))) = (samples, Script::now()) else {
        return INVALID;
    };
    let Some(device) = script.devices.get(at).filter(|_| to > from) else { return INVALID };
    for metric in request.metrics.iter_mut().take(request.numMetrics as usize) {
        let Some(curve) = curve(device, metric.metricId) else {
            metric.nvmlReturn = NOT_SUPPORTED;
            continue;
        };
        metric.nvmlReturn = OK;
        metric.value = (integral(curve, to) - integral(curve, from)) / (to - from);
    }
    OK
}
