//! Who may measure on which hardware: [`Lease`].
//!
//! A lease is a [`Lock`] on a file for each GPU, or for the CPU.

use std::collections::BTreeMap;
use std::path::Path;

use perf_machine::holder::Holder;
use perf_machine::lock::{self, Lock, LockUnusable};
use perf_model::record::gpu_setup::GpuSettings;

use crate::error::EngineError;
use crate::gpu::Gpu;
use crate::queue::{Place, Queue};
use crate::wanted::Wanted;

/// The hardware that a server may use. Dropping it gives the hardware back.
#[derive(Debug)]
pub struct Lease {
    gpus: Vec<Gpu>,
    locks: Vec<Lock>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        let folder = self.locks.first().and_then(|lock| Some(lock.path().parent()?.to_owned()));
        self.locks.clear();
        if let Some(folder) = folder {
            let what = if self.gpus.is_empty() { Queue::CPU } else { Queue::GPU };
            Queue::of(&folder, what).wake_first();
        }
    }
}

/// Why there is no lease now.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// As an error, for who does not wait.
    pub(crate) error: Box<EngineError>,
    /// What is waited for: `4 and 5 held by vllm-perf run 0007 of alice, pid 4242`.
    pub(crate) held: String,
    /// Whether waiting can help.
    pub(crate) may_end: bool,
}

impl From<EngineError> for Refusal {
    fn from(error: EngineError) -> Self {
        Self { held: String::new(), may_end: false, error: Box::new(error) }
    }
}

impl From<LockUnusable> for Refusal {
    fn from(error: LockUnusable) -> Self {
        EngineError::from(error).into()
    }
}

/// The GPUs of the machine, by whether they can be leased.
#[derive(Default)]
struct Sorted<'a> {
    free: Vec<(&'a Gpu, Lock)>,
    leased: Vec<(&'a Gpu, Option<Holder>)>,
    in_use: Vec<&'a Gpu>,
}

impl Lease {
    /// Leases the CPU, for a server without a GPU.
    pub(crate) fn cpu(folder: &Path, holder: &Holder, place: &mut Place) -> Result<Self, Refusal> {
        let path = folder.join(lock::CPU);
        let refuse = |by: Option<Holder>| Refusal {
            error: Box::new(EngineError::Busy {
                what: "the CPU".to_owned(),
                pid: by.as_ref().map(Holder::pid),
            }),
            held: by.map(|by| format!("held by {by}")).unwrap_or_default(),
            may_end: true,
        };
        let lock = Lock::try_take_for(&path, holder)?;
        // In its queue, the CPU counts as a GPU of which each wants one.
        let (cpu, wanted) = (Gpu::default(), Wanted { gpus: 1, ..Wanted::default() });
        let free: Vec<&Gpu> = lock.iter().map(|_| &cpu).collect();
        let turn = Queue::of(folder, Queue::CPU).may_take(place, &free, &wanted)?;
        let Some(lock) = lock else { return Err(refuse(lock::holder_of(&path))) };
        if turn.is_none() {
            return Err(refuse(None));
        }
        Ok(Self { gpus: Vec::new(), locks: vec![lock] })
    }

    /// The right to choose hardware, which one run has at a time: two runs that each hold a part of
    /// what the other wants would both fail. An error in the inner result describes the run that
    /// has it.
    pub(crate) fn begin_choice(folder: &Path) -> Result<Result<Lock, String>, EngineError> {
        let path = folder.join("choosing.lock");
        let describe =
            || lock::holder_of(&path).map_or_else(|| "another run".to_owned(), |it| it.to_string());
        Ok(Lock::try_take(&path)?.ok_or_else(describe))
    }

    /// Leases GPUs, or none at all. Only those that no other process computes on: a shared GPU gives
    /// no valid measurement, and the server may not even start. Only when it is this one's turn.
    pub(crate) fn gpus(
        folder: &Path,
        all: &[Gpu],
        wanted: &Wanted,
        holder: &Holder,
        place: &mut Place,
    ) -> Result<Self, Refusal> {
        let fitting = wanted.count(all);
        if fitting < usize::from(wanted.gpus) {
            return Err(unfit(all.len(), fitting, wanted).into());
        }
        let mut sorted = sort(folder, all)?;
        let free: Vec<&Gpu> = sorted.free.iter().map(|(gpu, _)| *gpu).collect();
        let taken = Queue::of(folder, Queue::GPU).may_take(place, &free, wanted)?;
        let Some(taken) = taken else { return Err(sorted.refusal(wanted)) };
        sorted.free.retain(|(gpu, _)| taken.contains(&gpu.setup.index));
        sorted.free.iter_mut().for_each(|(_, lock)| lock.say(holder));
        let gpus = sorted.free.iter().map(|(gpu, _)| (*gpu).clone()).collect();
        Ok(Self { gpus, locks: sorted.free.into_iter().map(|(_, lock)| lock).collect() })
    }

    /// How the leased GPUs are set up.
    pub(crate) fn settings(&self) -> GpuSettings {
        GpuSettings::of(self.gpus.iter().map(|gpu| &gpu.setup))
    }

    /// The leased GPUs, by index; none for the CPU.
    pub(crate) fn leased(&self) -> &[Gpu] {
        &self.gpus
    }
}

/// Takes every lock that is free, of GPUs that are, by index.
fn sort<'a>(folder: &Path, all: &'a [Gpu]) -> Result<Sorted<'a>, EngineError> {
    let mut sorted = Sorted::default();
    let mut gpus: Vec<&Gpu> = all.iter().collect();
    gpus.sort_by_key(|gpu| gpu.setup.index);
    for gpu in gpus {
        let path = folder.join(lock::of_gpu(&gpu.setup.uuid));
        match Lock::try_take_silently(&path)? {
            Some(_) if !gpu.is_free() => sorted.in_use.push(gpu),
            Some(lock) => sorted.free.push((gpu, lock)),
            None => sorted.leased.push((gpu, lock::holder_of(&path))),
        }
    }
    Ok(sorted)
}

impl Sorted<'_> {
    /// What keeps one from what it wants.
    fn refusal(mut self, wanted: &Wanted) -> Refusal {
        self.leased.retain(|(gpu, _)| wanted.fits(gpu));
        self.in_use.retain(|gpu| wanted.fits(gpu));
        let mut held: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut note = |what: String, gpu: &Gpu| {
            held.entry(what).or_default().push(gpu.setup.index.to_string());
        };
        for (gpu, by) in &self.leased {
            let by = by.as_ref().map_or_else(|| "another run".to_owned(), Holder::to_string);
            note(format!("held by {by}"), gpu);
        }
        self.in_use.iter().for_each(|gpu| note(format!("in use by {}", gpu.in_use_by()), gpu));
        let parts = held.into_iter().map(|(what, gpus)| format!("{} {what}", and(&gpus)));
        let held = parts.collect::<Vec<_>>().join("; ");
        let error = match self.leased.first() {
            Some((gpu, by)) => EngineError::Busy {
                what: format!("GPU {} ({})", gpu.setup.index, gpu.setup.name),
                pid: by.as_ref().map(Holder::pid),
            },
            // No run has a lock on these, so another program uses them, or it is another's turn.
            None if self.in_use.is_empty() => {
                EngineError::Busy { what: "the next free GPU".to_owned(), pid: None }
            }
            None => EngineError::GpusInUse {
                used: self
                    .in_use
                    .iter()
                    .map(|gpu| {
                        format!(
                            "GPU {} ({}) is in use by {}",
                            gpu.setup.index,
                            gpu.setup.name,
                            gpu.in_use_by()
                        )
                    })
                    .collect(),
            },
        };
        Refusal { error: Box::new(error), held, may_end: true }
    }
}

/// `4, 5 and 6`.
fn and(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

fn unfit(all: usize, fitting: usize, wanted: &Wanted) -> EngineError {
    if fitting == all {
        return EngineError::NotEnoughGpus { needed: wanted.gpus, available: all };
    }
    let model = wanted.model.as_ref().map(|model| format!(" called `{model}`")).unwrap_or_default();
    let memory =
        wanted.memory_mib.map(|mib| format!(" with {mib} MiB or more")).unwrap_or_default();
    EngineError::invalid(format!(
        "the server needs {} GPUs{model}{memory}, but {fitting} of the {all} GPUs of this machine are so; run it on another \
         machine, or ask for others",
        wanted.gpus
    ))
}

#[cfg(test)]
mod tests;
