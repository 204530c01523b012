//! Leases the hardware of a server, and waits for it where that was asked for: [`Leasing`].

use std::path::Path;
use std::time::Duration;

use perf_clock::Clock;
use perf_machine::holder::Holder;
use perf_machine::lock::Lock;

use crate::error::EngineError;
use crate::gpu::Gpu;
use crate::lease::{Lease, Refusal};
use crate::queue::Place;
use crate::wake::Wake;
use crate::wanted::Wanted;

/// How long a GPU may take to be free of a server that has ended.
const RELEASE: Duration = Duration::from_secs(5);

/// The longest between two attempts. The one that gives hardware back wakes the first that waits; a
/// program that is no run, or was killed, wakes no one.
pub(crate) const LOOK: Duration = Duration::from_secs(1);

/// The most times of that which one far behind in the queue waits for.
const MOST_TURNS: u32 = 10;

/// The longest between two looks at whether another run has chosen its hardware.
const LOOK_AT_CHOICE: Duration = Duration::from_millis(25);

/// How long another run's choice is waited for before that is announced.
const SILENCE: Duration = Duration::from_secs(1);

/// What is leased, where and for whom.
pub(crate) struct Leasing<'a> {
    /// The folder of the locks.
    pub(crate) folder: &'a Path,
    /// Lists the GPUs of the machine as they are now.
    pub(crate) gpus: &'a dyn Fn() -> Vec<Gpu>,
    /// What the server needs.
    pub(crate) wanted: Wanted,
    /// Who asks.
    pub(crate) holder: Holder,
    /// How long to wait for hardware that is in use.
    pub(crate) wait: Duration,
    /// The longest between two attempts.
    pub(crate) look: Duration,
}

impl Leasing<'_> {
    /// Leases the hardware. Dropping the future ends the wait and leaves the queue.
    pub(crate) async fn lease(
        &self,
        clock: Clock,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Lease, EngineError> {
        let (begun, mut place, mut said) = (clock.now(), Place::default(), String::new());
        let mut wake: Option<Wake> = None;
        loop {
            let choice = self.begin_choice(clock, progress).await?;
            let leased = self.attempt(&mut place);
            drop(choice);
            let refusal = match leased {
                Ok(lease) => return Ok(lease),
                Err(refusal) => refusal,
            };
            let passed = clock.now().saturating_sub(begun);
            // A server that has just ended may hold its memory a moment longer.
            let is_releasing = matches!(*refusal.error, EngineError::GpusInUse { .. });
            let limit = if is_releasing { self.wait.max(RELEASE) } else { self.wait };
            if !refusal.may_end || passed >= limit {
                return Err(*refusal.error);
            }
            let line = self.line(&refusal);
            if !self.wait.is_zero() && line != said {
                progress(&line);
                said = line;
            }
            match (&wake, place.ticket()) {
                (Some(wake), _) => {
                    let look =
                        if wake.hears() { self.look * turns(place.ahead()) } else { self.look };
                    wake.wait(clock, look.min(limit.saturating_sub(passed))).await;
                }
                // What was given back before the ticket was there woke no one: the next attempt
                // follows at once.
                (None, Some(ticket)) => wake = Some(Wake::on_touch_of(ticket, clock)),
                (None, None) => clock.sleep(self.look).await,
            }
        }
    }

    /// Leases the hardware if that is possible now; `None` if it is not. Waits for no other run, and
    /// joins no queue.
    pub(crate) async fn lease_now(
        &self,
        clock: Clock,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Option<Lease>, EngineError> {
        let choice = self.begin_choice(clock, progress).await?;
        let leased = self.attempt(&mut Place::default());
        drop(choice);
        match leased {
            Ok(lease) => Ok(Some(lease)),
            Err(refusal) if refusal.may_end => Ok(None),
            Err(refusal) => Err(*refusal.error),
        }
    }

    fn attempt(&self, place: &mut Place) -> Result<Lease, Refusal> {
        match self.wanted.gpus {
            0 => Lease::cpu(self.folder, &self.holder, place),
            _ => Lease::gpus(self.folder, &(self.gpus)(), &self.wanted, &self.holder, place),
        }
    }

    /// `waiting for 2 GPUs: 4 and 5 held by vllm-perf run 0007 of alice, pid 4242`.
    fn line(&self, refusal: &Refusal) -> String {
        let what = match self.wanted.gpus {
            0 => "the CPU".to_owned(),
            1 => "1 GPU".to_owned(),
            gpus => format!("{gpus} GPUs"),
        };
        let held = match refusal.held.as_str() {
            "" => "others came first",
            held => held,
        };
        let most = self.wait.as_secs();
        format!("waiting for {what}: {held}; for {most} s at most, and Ctrl-C ends the wait")
    }

    /// Waits for the right to choose. Dropping the future ends the wait.
    async fn begin_choice(
        &self,
        clock: Clock,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Lock, EngineError> {
        let (begun, mut pause, mut is_said) = (clock.now(), Duration::from_millis(1), false);
        loop {
            let holder = match Lease::begin_choice(self.folder)? {
                Ok(choice) => return Ok(choice),
                Err(holder) => holder,
            };
            // A choice takes a moment, so that only a longer one is worth a line.
            if !is_said && clock.now().saturating_sub(begun) >= SILENCE {
                progress(&format!("waiting for {holder} to choose its GPUs; Ctrl-C ends the wait"));
                is_said = true;
            }
            clock.sleep(pause).await;
            pause = (pause * 2).min(LOOK_AT_CHOICE);
        }
    }
}

/// How many times longer than the first in the queue one waits that is not woken, by how many are before
/// it: the first finds what woke no one and wakes the next. The others look themselves only in case
/// that the first does not answer.
fn turns(ahead: usize) -> u32 {
    u32::try_from(ahead).unwrap_or(u32::MAX).saturating_add(1).min(MOST_TURNS)
}

#[cfg(test)]
mod stress;
#[cfg(test)]
mod tests;
