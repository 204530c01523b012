//! The functions of NVML that the suite calls, under their own names.
//!
//! A handle of a device is its number plus one. Every function reads the script anew.

use std::ffi::{CStr, c_char, c_int, c_uint, c_ulonglong};
use std::ptr;
use std::sync::{Mutex, PoisonError};

use nvml_wrapper_sys::bindings as sys;
use sys::{
    nvmlDevice_t, nvmlEventData_t, nvmlEventSet_t, nvmlMemory_v2_t, nvmlProcessInfo_t,
    nvmlReturn_t, nvmlUtilization_t, nvmlViolationTime_t,
};

use crate::script::{Device, Script, value};

pub(crate) const OK: nvmlReturn_t = sys::nvmlReturn_enum_NVML_SUCCESS;
pub(crate) const INVALID: nvmlReturn_t = sys::nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT;
pub(crate) const NOT_SUPPORTED: nvmlReturn_t = sys::nvmlReturn_enum_NVML_ERROR_NOT_SUPPORTED;
const LOST: nvmlReturn_t = sys::nvmlReturn_enum_NVML_ERROR_GPU_IS_LOST;
const TOO_SMALL: nvmlReturn_t = sys::nvmlReturn_enum_NVML_ERROR_INSUFFICIENT_SIZE;
const NOT_LOADED: nvmlReturn_t = sys::nvmlReturn_enum_NVML_ERROR_DRIVER_NOT_LOADED;
const TIMEOUT: nvmlReturn_t = sys::nvmlReturn_enum_NVML_ERROR_TIMEOUT;

const MIB: u64 = 1024 * 1024;

/// The set of events: the devices that are watched, and since when. One is enough for the suite.
static WATCHED: Mutex<Vec<(usize, f64)>> = Mutex::new(Vec::new());

/// Writes an answer where the caller wants it.
///
/// # Safety
/// `to` is null or valid for a write, as NVML demands of its callers.
pub(crate) unsafe fn put<T>(to: *mut T, answer: T) -> nvmlReturn_t {
    if to.is_null() {
        return INVALID;
    }
    // SAFETY: not null, and the caller of an NVML function gives a valid place.
    unsafe { ptr::write(to, answer) };
    OK
}

/// Writes a text with its final zero.
///
/// # Safety
/// `to` is null or valid for `room` bytes.
unsafe fn put_text(to: *mut c_char, room: c_uint, text: &str) -> nvmlReturn_t {
    if to.is_null() || text.len() >= room as usize {
        return TOO_SMALL;
    }
    // SAFETY: there is room for the text and its final zero.
    unsafe {
        ptr::copy_nonoverlapping(text.as_ptr().cast(), to, text.len());
        ptr::write(to.add(text.len()), 0);
    }
    OK
}

fn handle(index: usize) -> nvmlDevice_t {
    ptr::without_provenance_mut(index + 1)
}

pub(crate) fn index(device: nvmlDevice_t) -> usize {
    device.addr().wrapping_sub(1)
}

/// What a device answers now to the function of this name.
pub(crate) fn ask<T>(
    function: &str,
    device: nvmlDevice_t,
    answer: impl FnOnce(&Device, f64) -> Option<T>,
) -> Result<T, nvmlReturn_t> {
    let (script, now) = Script::now().ok_or(INVALID)?;
    let device = script.devices.get(index(device)).ok_or(INVALID)?;
    if device.lost_at_s.is_some_and(|lost| now >= lost) {
        return Err(LOST);
    }
    if device.not_supported.iter().any(|name| name == function) {
        return Err(NOT_SUPPORTED);
    }
    answer(device, now).ok_or(NOT_SUPPORTED)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "scripts have sane values"
)]
fn whole(value: f64) -> u64 {
    value.round() as u64
}

#[expect(clippy::cast_possible_truncation, reason = "scripts have sane values")]
fn small(value: f64) -> c_uint {
    whole(value) as c_uint
}

/// Functions that give one value of a device.
macro_rules! one_value {
    ($($name:ident($($argument:ident: $type:ty),*) -> $answer:ty = |$device:ident, $now:ident| $value:expr;)+) => {
        $(
            #[unsafe(no_mangle)]
            unsafe extern "C" fn $name(device: nvmlDevice_t $(, $argument: $type)*, to: *mut $answer) -> nvmlReturn_t {
                match ask(stringify!($name), device, |$device, $now| { let _ = $now; $value }) {
                    // SAFETY: `to` is the caller's.
                    Ok(answer) => unsafe { put(to, answer) },
                    Err(error) => error,
                }
            }
        )+
    };
}

one_value! {
    nvmlDeviceGetPowerUsage() -> c_uint = |device, now| Some(small(value(&device.power_w, now)? * 1e3));
    nvmlDeviceGetTotalEnergyConsumption() -> c_ulonglong = |device, now| {
        (!device.power_w.is_empty()).then(|| whole(device.energy_j(now) * 1e3))
    };
    nvmlDeviceGetEnforcedPowerLimit() -> c_uint = |device, now| Some(device.power_cap_w * 1_000);
    nvmlDeviceGetPersistenceMode() -> c_uint = |device, now| Some(device.persistence.into());
    nvmlDeviceGetTemperature(sensor: c_uint) -> c_uint = |device, now| {
        let _ = sensor;
        Some(small(value(&device.temperature_c, now)?))
    };
    nvmlDeviceGetClockInfo(clock: c_uint) -> c_uint = |device, now| {
        let curve = if clock == 2 { &device.memory_mhz } else { &device.sm_mhz };
        Some(small(value(curve, now)?))
    };
    nvmlDeviceGetMaxClockInfo(clock: c_uint) -> c_uint = |device, now| {
        if clock == 2 { Some(small(value(&device.memory_mhz, now)?)) } else { Some(device.max_sm_mhz) }
    };
    nvmlDeviceGetApplicationsClock(clock: c_uint) -> c_uint =
        |device, now| device.applications_mhz.map(|(sm, memory)| if clock == 2 { memory } else { sm });
    nvmlDeviceGetCurrentClocksThrottleReasons() -> c_ulonglong = |device, now| Some(device.slowed_by(now));
    nvmlDeviceGetViolationStatus(policy: c_uint) -> nvmlViolationTime_t = |device, now| {
        let bits = match policy { 0 => 4, 1 => 32 | 64, _ => 0 };
        let violation = whole(device.slowed_s(bits, now) * 1e9);
        Some(nvmlViolationTime_t { referenceTime: whole(now * 1e6), violationTime: violation })
    };
    nvmlDeviceGetUtilizationRates() -> nvmlUtilization_t = |device, now| {
        Some(nvmlUtilization_t { gpu: small(value(&device.busy_percent, now)?), memory: 0 })
    };
    nvmlDeviceGetMemoryInfo_v2() -> nvmlMemory_v2_t = |device, now| {
        let (total, used) = (device.memory_mib * MIB, whole(value(&device.used_mib, now)?) * MIB);
        Some(nvmlMemory_v2_t { version: 0, total, reserved: 0, free: total - used, used })
    };
    nvmlDeviceGetTotalEccErrors(kind: c_uint, counter: c_uint) -> c_ulonglong = |device, now| {
        let errors = value(&device.ecc_errors, now)?;
        Some(if kind == 1 && counter == 0 { whole(errors) } else { 0 })
    };
    nvmlDeviceGetCurrPcieLinkGeneration() -> c_uint = |device, now| Some(device.pcie.0);
    nvmlDeviceGetCurrPcieLinkWidth() -> c_uint = |device, now| Some(device.pcie.1);
    nvmlDeviceGetNvLinkState(link: c_uint) -> c_uint = |device, now| {
        (device.nvlinks > 0).then(|| u32::from(link < device.nvlinks))
    };
}

#[unsafe(no_mangle)]
extern "C" fn nvmlInit_v2() -> nvmlReturn_t {
    match Script::now() {
        Some((script, _)) if !script.no_driver => OK,
        _ => NOT_LOADED,
    }
}

#[unsafe(no_mangle)]
extern "C" fn nvmlInitWithFlags(_flags: c_uint) -> nvmlReturn_t {
    nvmlInit_v2()
}

#[unsafe(no_mangle)]
extern "C" fn nvmlShutdown() -> nvmlReturn_t {
    OK
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlSystemGetDriverVersion(to: *mut c_char, room: c_uint) -> nvmlReturn_t {
    // SAFETY: the place is the caller's.
    unsafe { put_text(to, room, "580.159.04") }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlSystemGetCudaDriverVersion_v2(to: *mut c_int) -> nvmlReturn_t {
    // SAFETY: the place is the caller's.
    unsafe { put(to, 13_000) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetCount_v2(to: *mut c_uint) -> nvmlReturn_t {
    let count = Script::now().map_or(0, |(script, _)| script.devices.len());
    // SAFETY: the place is the caller's.
    unsafe { put(to, c_uint::try_from(count).unwrap_or(0)) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetHandleByIndex_v2(
    at: c_uint,
    to: *mut nvmlDevice_t,
) -> nvmlReturn_t {
    match ask("nvmlDeviceGetHandleByIndex_v2", handle(at as usize), |_, _| Some(())) {
        // SAFETY: the place is the caller's.
        Ok(()) => unsafe { put(to, handle(at as usize)) },
        Err(error) => error,
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetHandleByUUID(
    uuid: *const c_char,
    to: *mut nvmlDevice_t,
) -> nvmlReturn_t {
    // SAFETY: the caller gives a C string.
    let uuid = unsafe { CStr::from_ptr(uuid) }.to_string_lossy();
    let Some((script, now)) = Script::now() else { return INVALID };
    match script.devices.iter().position(|device| device.uuid == uuid) {
        Some(at) if script.devices[at].lost_at_s.is_some_and(|lost| now >= lost) => LOST,
        // SAFETY: the place is the caller's.
        Some(at) => unsafe { put(to, handle(at)) },
        None => sys::nvmlReturn_enum_NVML_ERROR_NOT_FOUND,
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetName(
    device: nvmlDevice_t,
    to: *mut c_char,
    room: c_uint,
) -> nvmlReturn_t {
    match ask("nvmlDeviceGetName", device, |device, _| Some(device.name.clone())) {
        // SAFETY: the place is the caller's.
        Ok(name) => unsafe { put_text(to, room, &name) },
        Err(error) => error,
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetUUID(
    device: nvmlDevice_t,
    to: *mut c_char,
    room: c_uint,
) -> nvmlReturn_t {
    match ask("nvmlDeviceGetUUID", device, |device, _| Some(device.uuid.clone())) {
        // SAFETY: the place is the caller's.
        Ok(uuid) => unsafe { put_text(to, room, &uuid) },
        Err(error) => error,
    }
}

/// Two values of a device.
///
/// # Safety
/// Both places are the caller's.
unsafe fn put_two<T>(pair: Result<(T, T), nvmlReturn_t>, one: *mut T, two: *mut T) -> nvmlReturn_t {
    match pair {
        // SAFETY: both places are the caller's.
        Ok((first, second)) => unsafe { put(one, first).max(put(two, second)) },
        Err(error) => error,
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetCudaComputeCapability(
    device: nvmlDevice_t,
    major: *mut c_int,
    minor: *mut c_int,
) -> nvmlReturn_t {
    let pair =
        ask("nvmlDeviceGetCudaComputeCapability", device, |device, _| Some(device.capability));
    // SAFETY: both places are the caller's.
    unsafe { put_two(pair, major, minor) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetMigMode(
    device: nvmlDevice_t,
    now: *mut c_uint,
    pending: *mut c_uint,
) -> nvmlReturn_t {
    let mode = |device: &Device, _| Some((u32::from(device.mig), u32::from(device.mig)));
    // SAFETY: both places are the caller's.
    unsafe { put_two(ask("nvmlDeviceGetMigMode", device, mode), now, pending) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetEccMode(
    device: nvmlDevice_t,
    now: *mut c_uint,
    pending: *mut c_uint,
) -> nvmlReturn_t {
    let mode = |device: &Device, _| Some((u32::from(device.ecc), u32::from(device.ecc)));
    // SAFETY: both places are the caller's.
    unsafe { put_two(ask("nvmlDeviceGetEccMode", device, mode), now, pending) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetTopologyCommonAncestor(
    one: nvmlDevice_t,
    other: nvmlDevice_t,
    to: *mut c_uint,
) -> nvmlReturn_t {
    let switch =
        |device| ask("nvmlDeviceGetTopologyCommonAncestor", device, |it, _| Some(it.switch));
    match (switch(one), switch(other)) {
        // One switch, or the whole system between them.
        // SAFETY: the place is the caller's.
        (Ok(one), Ok(other)) => unsafe { put(to, if one == other { 10 } else { 50 }) },
        (Err(error), _) | (_, Err(error)) => error,
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetComputeRunningProcesses_v3(
    device: nvmlDevice_t,
    count: *mut c_uint,
    to: *mut nvmlProcessInfo_t,
) -> nvmlReturn_t {
    let here = |device: &Device, now: f64| {
        let is_here = |from: f64, to: f64| (from..to).contains(&now);
        let processes = device.processes.iter().filter(|it| is_here(it.from_s, it.to_s)).copied();
        Some(processes.collect::<Vec<_>>())
    };
    let processes = match ask("nvmlDeviceGetComputeRunningProcesses_v3", device, here) {
        Ok(processes) => processes,
        Err(error) => return error,
    };
    // SAFETY: the caller gives the room as a valid number.
    let room = unsafe { ptr::read(count) } as usize;
    // SAFETY: the same place.
    unsafe { put(count, c_uint::try_from(processes.len()).unwrap_or(0)) };
    if room < processes.len() {
        return TOO_SMALL;
    }
    for (at, process) in processes.iter().enumerate() {
        let none = c_uint::MAX;
        let info = nvmlProcessInfo_t {
            pid: process.pid,
            usedGpuMemory: process.used_mib * MIB,
            gpuInstanceId: none,
            computeInstanceId: none,
        };
        // SAFETY: there is room for so many.
        unsafe { ptr::write(to.add(at), info) };
    }
    OK
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlEventSetCreate(to: *mut nvmlEventSet_t) -> nvmlReturn_t {
    WATCHED.lock().unwrap_or_else(PoisonError::into_inner).clear();
    // SAFETY: the place is the caller's.
    unsafe { put(to, ptr::without_provenance_mut(1)) }
}

#[unsafe(no_mangle)]
extern "C" fn nvmlEventSetFree(_set: nvmlEventSet_t) -> nvmlReturn_t {
    OK
}

#[unsafe(no_mangle)]
extern "C" fn nvmlDeviceRegisterEvents(
    device: nvmlDevice_t,
    _events: c_ulonglong,
    _set: nvmlEventSet_t,
) -> nvmlReturn_t {
    match ask("nvmlDeviceRegisterEvents", device, |_, now| Some(now)) {
        Ok(now) => {
            WATCHED.lock().unwrap_or_else(PoisonError::into_inner).push((index(device), now));
            OK
        }
        Err(error) => error,
    }
}

/// Never waits: the suite asks with a limit of 0.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlEventSetWait_v2(
    _set: nvmlEventSet_t,
    to: *mut nvmlEventData_t,
    _limit_ms: c_uint,
) -> nvmlReturn_t {
    let Some((script, now)) = Script::now() else { return INVALID };
    let mut watched = WATCHED.lock().unwrap_or_else(PoisonError::into_inner);
    for (index, since) in watched.iter_mut() {
        let Some(device) = script.devices.get(*index) else { continue };
        let due = device.xids.iter().find(|(at, _)| *at > *since && *at <= now);
        if let Some((at, xid)) = due {
            *since = *at;
            let data = nvmlEventData_t {
                device: handle(*index),
                eventType: 8,
                eventData: *xid,
                gpuInstanceId: c_uint::MAX,
                computeInstanceId: c_uint::MAX,
            };
            // SAFETY: the place is the caller's.
            return unsafe { put(to, data) };
        }
    }
    TIMEOUT
}
