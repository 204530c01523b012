//! Whether the GPUs of a run were as they should be: [`faults`].

use crate::analysis::gpu_use::GpuUse;
use crate::record::finding::{Finding, FindingCode};
use crate::record::gpu_reading::GpuReading;

/// The time of slow-downs by heat that the driver counted between two readings, in seconds, from
/// which on they are a fault.
const SHORTEST_THROTTLING_S: f64 = 0.05;

/// A GPU that computes for at least this share of the time is busy, in percent.
const BUSY_PERCENT: u32 = 90;

/// The part of its highest clock in the run below which the clock of a busy GPU has fallen.
const FALLEN: f64 = 0.8;

/// How long a clock may be down, in seconds.
const LONGEST_FALL_S: f64 = 1.0;

/// Every reason not to believe a run that its GPUs give, with the GPU and the seconds.
pub fn faults(gpus: &GpuUse<'_>) -> Vec<Finding> {
    gpus.gpus.keys().flat_map(|gpu| faults_of(gpus, *gpu)).collect()
}

fn faults_of(gpus: &GpuUse<'_>, gpu: u32) -> Vec<Finding> {
    let mut faults: Vec<Finding> = throttling(gpus, gpu).into_iter().collect();
    // A server that was warmed up on a broken GPU is no better than one that is measured on it.
    let all = gpus.gpus.get(&gpu).map(Vec::as_slice).unwrap_or_default();
    for reading in all {
        let at = gpus.seconds(reading);
        faults.extend(reading.xids.iter().map(|xid| {
            let message = format!(
                "the driver reported XID {xid} of GPU {gpu} at {at:.1} s; look it up in NVIDIA's list of XID errors and at `dmesg`"
            );
            Finding::new(FindingCode::GpuError, message)
        }));
    }
    if let Some(lost) = all.iter().find(|reading| reading.lost) {
        let at = gpus.seconds(lost);
        let message = format!(
            "GPU {gpu} no longer answered from {at:.1} s on; look at `dmesg`, and restart the machine if it stays lost"
        );
        faults.push(Finding::new(FindingCode::GpuLost, message));
    }
    faults.extend(fallen_clock(gpus, gpu));
    faults.extend(foreign(gpus, gpu));
    faults
}

fn throttling(gpus: &GpuUse<'_>, gpu: u32) -> Option<Finding> {
    let slowed: Vec<&GpuReading> =
        gpus.inside(gpu).filter(|reading| reading.slow_down().is_some()).collect();
    let seconds = gpus.throttled_s(gpu).unwrap_or(0.0);
    let message = match (slowed.first(), slowed.last()) {
        (Some(first), Some(last)) => {
            let name = first.slow_down().unwrap_or_default();
            format!(
                "GPU {gpu} was slowed down for {seconds:.1} s, between {:.1} and {:.1} s ({name})",
                gpus.seconds(first),
                gpus.seconds(last)
            )
        }
        _ if seconds >= SHORTEST_THROTTLING_S => {
            let grew = grown(gpus, gpu);
            format!("GPU {gpu} was slowed down by heat for {seconds:.2} s, first at {grew:.1} s")
        }
        _ => return None,
    };
    let message = format!("{message}; check its cooling and power supply, and run again");
    Some(Finding::new(FindingCode::GpuThrottled, message))
}

/// When the time of slow-downs by heat first grew.
fn grown(gpus: &GpuUse<'_>, gpu: u32) -> f64 {
    let readings: Vec<&GpuReading> = gpus.inside(gpu).collect();
    let grew = readings.windows(2).find(|pair| pair[0].thermal_us < pair[1].thermal_us);
    grew.map_or(0.0, |pair| gpus.seconds(pair[1]))
}

/// The clock of a busy GPU was, for longer than a second, below 80 % of its highest in the run, and
/// the power cap was not the cause.
fn fallen_clock(gpus: &GpuUse<'_>, gpu: u32) -> Option<Finding> {
    let is_busy = |reading: &&GpuReading| reading.busy_percent.is_some_and(|it| it >= BUSY_PERCENT);
    let busy = gpus.inside(gpu).filter(is_busy);
    let highest = busy.clone().filter_map(|reading| reading.sm_mhz).max()?;
    let limit = f64::from(highest) * FALLEN;
    let is_down = |reading: &GpuReading| {
        let below = reading.sm_mhz.is_some_and(|mhz| f64::from(mhz) < limit);
        below && !reading.is_capped() && reading.busy_percent.is_some_and(|it| it >= BUSY_PERCENT)
    };
    let readings: Vec<&GpuReading> = gpus.inside(gpu).collect();
    let falls = readings.chunk_by(|one, next| is_down(one) == is_down(next));
    let falls = falls.filter_map(|part| Some((*part.first()?, *part.last()?)));
    let mut falls = falls.filter(|(first, _)| is_down(first));
    let (first, last) =
        falls.find(|(first, last)| gpus.seconds(last) - gpus.seconds(first) > LONGEST_FALL_S)?;
    let message = format!(
        "the SM clock of GPU {gpu} fell from {highest} to {} MHz between {:.1} and {:.1} s while it was busy; check whether \
         something else sets its clocks",
        first.sm_mhz.unwrap_or_default(),
        gpus.seconds(first),
        gpus.seconds(last)
    );
    Some(Finding::new(FindingCode::GpuClockFell, message))
}

fn foreign(gpus: &GpuUse<'_>, gpu: u32) -> Vec<Finding> {
    let mut found: Vec<(&str, f64, f64)> = Vec::new();
    for reading in gpus.gpus.get(&gpu).into_iter().flatten() {
        let at = gpus.seconds(reading);
        for process in &reading.foreign {
            match found.iter_mut().find(|(name, ..)| name == process) {
                Some((_, _, last)) => *last = at,
                None => found.push((process, at, at)),
            }
        }
    }
    let finding = |(process, first, last): (&str, f64, f64)| {
        let message = format!(
            "{process} computed on GPU {gpu} between {first:.1} and {last:.1} s, and is not the server's; end it and run again"
        );
        Finding::new(FindingCode::GpuShared, message)
    };
    found.into_iter().map(finding).collect()
}

#[cfg(test)]
mod tests;
