//! Leases the hardware of a server, and waits for it where that was asked for: [`Leasing`].

use std::path::Path;
use std::time::Duration;

use perf_clock::Clock;
use perf_machine::holder::Holder;
use perf_machine::lock::Lock;

use crate::error::EngineError;
use crate::gpu::Gpu;
use crate::lease::{Lease, Refusal, Wanted};
use crate::queue::{Place, news};

/// How long a GPU may take to be free of a server that has ended.
const RELEASE: Duration = Duration::from_secs(5);

/// Between two looks, unless a test wants it otherwise.
pub(crate) const LOOK: Duration = Duration::from_millis(250);

/// Looks at another run's choice of hardware before the wait for it is announced.
const LOOKS_IN_SILENCE: u32 = 40;

/// Looks after which hardware is tried again without news.
const LOOKS_WITHOUT_NEWS: u32 = 4;

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
    /// How long to wait between two looks.
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
        loop {
            let known = news(self.folder);
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
            // A program that is no run gives nothing to know, and neither does one that was killed.
            for _ in 0..LOOKS_WITHOUT_NEWS {
                clock.sleep(self.look).await;
                if news(self.folder) != known {
                    break;
                }
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
        for look in 0_u32.. {
            match Lease::begin_choice(self.folder)? {
                Ok(choice) => return Ok(choice),
                // A choice takes a moment, so that only a longer one is worth a line.
                Err(holder) if look == LOOKS_IN_SILENCE => {
                    progress(&format!(
                        "waiting for {holder} to choose its GPUs; Ctrl-C ends the wait"
                    ));
                }
                Err(_) => {}
            }
            clock.sleep(self.look / 10).await;
        }
        Err(EngineError::invalid("the wait for a choice of GPUs was given up; run again"))
    }
}

#[cfg(test)]
mod stress;
#[cfg(test)]
mod tests;
