//! Whose turn it is to lease hardware: [`Queue`], and the place of one that waits in it: [`Place`].
//!
//! Each that waits has a file with a lock, a ticket, which says what it wants. Tickets are read and
//! written only by the one that has the right to choose (`Lease::begin_choice`), and one whose holder
//! died does not count. Who gives hardware back wakes the first that waits, which takes it or leaves it,
//! and wakes the next one that may take what is left: an attempt asks the driver about every GPU, so
//! that attempts of all that wait would keep each other from it.

use std::path::{Path, PathBuf};

use perf_machine::lock::{self, Lock, LockUnusable};

use crate::error::EngineError;
use crate::gpu::Gpu;
use crate::wanted::Wanted;

mod shares;

pub(crate) use shares::Shares;

/// How often one that waits, and cannot have all that it wants yet, may see others take a part of it. Then
/// that part is kept for it.
pub(crate) const MOST_OVERTAKEN: u32 = 8;

/// Attempts to take the lock of a ticket that somebody may just be looking at.
const ATTEMPTS: u32 = 1_000;

/// Those that wait for one kind of hardware.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    folder: PathBuf,
}

/// A place in the queue, or none yet. Dropping it leaves the queue.
#[derive(Debug, Default)]
pub(crate) struct Place {
    ticket: Option<(Queue, u64, Lock)>,
    ahead: usize,
}

impl Place {
    /// The file that is touched when an attempt is worth it; `None` for one that does not wait.
    pub(crate) fn ticket(&self) -> Option<&Path> {
        self.ticket.as_ref().map(|(.., lock)| lock.path())
    }

    /// How many were before it at its last attempt.
    pub(crate) fn ahead(&self) -> usize {
        self.ahead
    }

    /// Leaves the queue.
    fn leave(&mut self) -> Option<Queue> {
        let (queue, _, lock) = self.ticket.take()?;
        lock.remove();
        Some(queue)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What could not be taken because of this one may be free for those behind it.
        if let Some(queue) = self.leave() {
            queue.wake_first();
        }
    }
}

/// One that waits.
#[derive(Debug)]
pub(crate) struct Waiting {
    /// Its place: a smaller one came earlier.
    pub(crate) number: u64,
    /// What it wants.
    pub(crate) wanted: Wanted,
    /// How often it was overtaken.
    pub(crate) overtaken: u32,
}

impl Waiting {
    /// From what its ticket says: GPUs, how often it was overtaken, the least memory in MiB, model.
    fn of(number: u64, ticket: &str) -> Option<Self> {
        let mut words = ticket.trim_end_matches('\n').splitn(4, ' ');
        let gpus = words.next()?.parse().ok()?;
        let overtaken = words.next()?.parse().ok()?;
        let memory_mib = words.next()?.parse().ok()?;
        // Every GPU has a name that contains nothing, and memory of 0 MiB or more.
        let model = Some(words.next()?.to_owned());
        let wanted = Wanted { gpus, model, memory_mib: Some(memory_mib) };
        Some(Self { number, wanted, overtaken })
    }

    fn ticket(&self) -> String {
        let Wanted { gpus, model, memory_mib } = &self.wanted;
        let model = model.as_deref().unwrap_or_default();
        format!("{gpus} {} {} {model}\n", self.overtaken, memory_mib.unwrap_or(0))
    }

    /// Whether it has waited long enough for what it can have to be kept for it.
    fn keeps_part(&self) -> bool {
        self.overtaken >= MOST_OVERTAKEN
    }
}

impl Queue {
    /// For the CPU.
    pub(crate) const CPU: &str = "cpu";
    /// For GPUs.
    pub(crate) const GPU: &str = "gpu";

    /// The queue for `what`, in the folder of the locks.
    pub(crate) fn of(folder: &Path, what: &str) -> Self {
        Self { folder: folder.join(format!("queue-{what}")) }
    }

    /// Which of the free GPUs it takes, by number; `None` if it is not its turn. If it is, it leaves the
    /// queue; otherwise it joins, if it has not. Wakes the next behind it that may take of what is left.
    /// All free GPUs of the machine are to be given, because others may do with those that it cannot use.
    pub(crate) fn may_take(
        &self,
        place: &mut Place,
        free: &[&Gpu],
        wanted: &Wanted,
    ) -> Result<Option<Vec<u32>>, EngineError> {
        let own = place.ticket.as_ref().map(|(_, number, _)| *number);
        let mut waiting = self.waiting(own)?;
        let last = waiting.last().map_or(0, |last| last.number);
        let ahead = waiting.partition_point(|it| own.is_none_or(|own| it.number < own));
        place.ahead = ahead;
        let mut shares = Shares::of(free);
        let has_share = |it| is_served(&mut shares, it);
        let served: Vec<bool> = waiting[..ahead].iter().map(has_share).collect();
        let taken = shares.add(wanted, false);
        let mut left = free.to_vec();
        if let Some(taken) = &taken {
            left.retain(|gpu| !taken.contains(&gpu.setup.index));
            let is_part = |it: &Waiting| {
                let mut taken = free.iter().filter(|gpu| taken.contains(&gpu.setup.index));
                taken.any(|gpu| it.wanted.fits(gpu))
            };
            let unserved = waiting[..ahead].iter().zip(served).filter(|(_, served)| !served);
            unserved.filter(|(it, _)| is_part(it)).for_each(|(it, _)| self.overtake(it));
            waiting.retain(|it| Some(it.number) != own);
            place.leave();
        } else if own.is_none() {
            let joined = Waiting { number: last + 1, wanted: wanted.clone(), overtaken: 0 };
            place.ticket = Some((self.clone(), joined.number, self.join(&joined)?));
        }
        let behind = waiting.partition_point(|it| own.is_none_or(|own| it.number <= own));
        let mut shares = Shares::of(&left);
        for it in &waiting[..behind] {
            is_served(&mut shares, it);
        }
        let next = waiting[behind..].iter().find(|it| is_served(&mut shares, it));
        if let Some(next) = next {
            let _ = lock::touch(&self.path(next.number));
        }
        Ok(taken)
    }

    /// Wakes the first that waits: hardware was given back, or the queue became shorter.
    pub(crate) fn wake_first(&self) {
        let mut numbers = self.numbers();
        numbers.sort_unstable();
        let living = |path: &PathBuf| lock::is_held(path).unwrap_or(false);
        if let Some(first) = numbers.into_iter().map(|number| self.path(number)).find(living) {
            // One that ends just now has no use for it, and its end wakes the next.
            let _ = lock::touch(&first);
        }
    }

    fn numbers(&self) -> Vec<u64> {
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return Vec::new() };
        let number = |path: PathBuf| {
            let is_ticket = path.extension() == Some("ticket".as_ref());
            path.file_stem().filter(|_| is_ticket)?.to_str()?.parse().ok()
        };
        entries.flatten().filter_map(|entry| number(entry.path())).collect()
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number:012}.ticket"))
    }

    fn join(&self, one: &Waiting) -> Result<Lock, EngineError> {
        let path = self.path(one.number);
        let unusable = |reason: String| LockUnusable { path: path.clone(), reason };
        for _ in 0..ATTEMPTS {
            // One that wakes the first looks whether tickets are held, for a moment.
            let Some(mut lock) = Lock::try_take_silently(&path)? else {
                std::thread::yield_now();
                continue;
            };
            lock.write(&one.ticket()).map_err(|error| unusable(error.to_string()))?;
            return Ok(lock);
        }
        Err(unusable("another process has just taken it".to_owned()).into())
    }

    /// Those that wait, in order. What the dead left is removed.
    fn waiting(&self, own: Option<u64>) -> Result<Vec<Waiting>, EngineError> {
        let mut waiting = Vec::new();
        for number in self.numbers() {
            let path = self.path(number);
            let is_own = Some(number) == own;
            let text = if is_own { lock::read(&path).ok() } else { lock::read_held(&path)? };
            let Some(text) = text else {
                if !is_own {
                    // Of another user, who alone may remove it; it does not count all the same.
                    let _ = std::fs::remove_file(&path);
                }
                continue;
            };
            waiting.extend(Waiting::of(number, &text));
        }
        waiting.sort_by_key(|it| it.number);
        Ok(waiting)
    }

    /// Counts that it was overtaken. Not counted is no harm but to the order.
    fn overtake(&self, one: &Waiting) {
        let Waiting { number, wanted, overtaken } = one;
        let more = Waiting { number: *number, wanted: wanted.clone(), overtaken: overtaken + 1 };
        let _ = lock::rewrite(&self.path(*number), &more.ticket());
    }
}

/// Adds one that waits, and says whether it can have all that it wants.
fn is_served<'a>(shares: &mut Shares<'a>, one: &'a Waiting) -> bool {
    shares.add(&one.wanted, one.keeps_part()).is_some()
}

#[cfg(test)]
mod tests;
