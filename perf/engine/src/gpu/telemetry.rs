//! Reads leased GPUs while a load runs, on a thread of its own: [`Telemetry`].

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use perf_clock::{Clock, Stamp};
use perf_model::record::gpu_reading::GpuReading;

#[cfg(feature = "nvml")]
use super::reader::Reader;
use super::{Gpu, Owners};

/// Between two readings.
const EVERY: Duration = Duration::from_millis(100);

/// Readings between two looks for other processes and at the traffic, which cost more.
const TICKS_OF_A_LOOK: u32 = 10;

/// Reads GPUs ten times a second until it is stopped or dropped.
#[derive(Debug)]
pub struct Telemetry {
    readings: Arc<Mutex<Vec<GpuReading>>>,
    /// Dropping it ends the thread.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
    begun: Stamp,
}

impl Telemetry {
    /// Begins to read, at once for the first time. `None` where there is nothing to read, or no thread
    /// to be had.
    pub(crate) fn begin(gpus: &[Gpu], owners: &Owners, clock: Clock) -> Option<Self> {
        if gpus.is_empty() || !cfg!(feature = "nvml") {
            return None;
        }
        let (stop, stopped) = channel();
        let begun = clock.now();
        let readings = Arc::new(Mutex::new(Vec::new()));
        let (gpus, owners, into) = (gpus.to_owned(), owners.clone(), Arc::clone(&readings));
        let mut tick = 0_u32;
        // False when the readings are to end.
        let mut wait = move || {
            tick += 1;
            let due = begun + EVERY * tick;
            match stopped.recv_timeout(due.saturating_sub(clock.now())) {
                Err(RecvTimeoutError::Timeout) => Some(tick),
                Ok(()) | Err(RecvTimeoutError::Disconnected) => None,
            }
        };
        let since = move || {
            let passed = clock.now().saturating_sub(begun).as_micros();
            u64::try_from(passed).unwrap_or(u64::MAX)
        };
        let work = move || follow(&gpus, &owners, &mut wait, &since, &into);
        let thread =
            std::thread::Builder::new().name("gpu telemetry".to_owned()).spawn(work).ok()?;
        Some(Self { readings, stop: Some(stop), thread: Some(thread), begun })
    }

    /// What was read since the last call.
    pub fn take(&self) -> Vec<GpuReading> {
        std::mem::take(&mut *self.readings.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads once more and ends. Gives what was read since the last call.
    pub fn finish(mut self) -> Vec<GpuReading> {
        self.end();
        self.take()
    }

    /// When a moment of the clock was, in microseconds since the readings began.
    pub fn clock_us(&self, moment: Stamp) -> u64 {
        u64::try_from(moment.saturating_sub(self.begun).as_micros()).unwrap_or(u64::MAX)
    }

    fn end(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // A panic there took nothing but readings.
            let _ = thread.join();
        }
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        self.end();
    }
}

/// Reads until `wait` says no more, and once after that: the end of the load lies between readings.
#[cfg(feature = "nvml")]
fn follow(
    gpus: &[Gpu],
    owners: &Owners,
    wait: &mut dyn FnMut() -> Option<u32>,
    since: &dyn Fn() -> u64,
    into: &Mutex<Vec<GpuReading>>,
) {
    let Ok(nvml) = nvml_wrapper::Nvml::init() else { return };
    let mut reader = Reader::new(&nvml, gpus);
    let mut read = |looks: bool| {
        let readings = reader.read(since(), looks.then_some(owners));
        into.lock().unwrap_or_else(PoisonError::into_inner).extend(readings);
    };
    read(true);
    while let Some(tick) = wait() {
        read(tick % TICKS_OF_A_LOOK == 0);
    }
    read(true);
}

#[cfg(not(feature = "nvml"))]
fn follow(
    _gpus: &[Gpu],
    _owners: &Owners,
    _wait: &mut dyn FnMut() -> Option<u32>,
    _since: &dyn Fn() -> u64,
    _into: &Mutex<Vec<GpuReading>>,
) {
    let _ = TICKS_OF_A_LOOK;
}
