//! Whose turn it is to lease hardware: [`Queue`], and the place of one that waits in it: [`Place`].
//!
//! Each that waits has a file with a lock, a ticket. What tickets say is read and written only by the
//! one that has the right to choose (`Lease::begin_choice`), and one whose holder died does not count.
//! Who gives hardware back wakes the first that waits, which takes it or leaves it, and wakes the next
//! one that may take what is left: an attempt asks the driver about every GPU, so that attempts of all
//! that wait would keep each other from it.

use std::path::{Path, PathBuf};

use perf_machine::lock::{self, Lock, LockUnusable};

use crate::error::EngineError;

/// How often one that waits may be overtaken by smaller requests, which it could not have used the
/// hardware of.
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
    /// How many it wants.
    pub(crate) needs: usize,
    /// How often it was overtaken.
    pub(crate) overtaken: u32,
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

    /// Whether it is its turn, with so many free. If so it leaves the queue; otherwise it joins, if
    /// it has not. Wakes the next behind it that may take what is left.
    pub(crate) fn may_take(
        &self,
        place: &mut Place,
        free: usize,
        needs: usize,
    ) -> Result<bool, EngineError> {
        let own = place.ticket.as_ref().map(|(_, number, _)| *number);
        let mut waiting = self.waiting(own)?;
        let last = waiting.last().map_or(0, |last| last.number);
        let ahead = waiting.partition_point(|it| own.is_none_or(|own| it.number < own));
        place.ahead = ahead;
        let is_turn = is_turn(&waiting[..ahead], free, needs);
        let mut left = free;
        if is_turn {
            waiting[..ahead].iter().for_each(|overtaken| self.overtake(overtaken));
            waiting.retain(|it| Some(it.number) != own);
            place.leave();
            left -= needs;
        } else if own.is_none() {
            place.ticket = Some((self.clone(), last + 1, self.join(last + 1, needs)?));
        }
        let behind = ahead + usize::from(!is_turn);
        let next = (behind..waiting.len())
            .find(|at| self::is_turn(&waiting[..*at], left, waiting[*at].needs));
        if let Some(next) = next {
            let _ = lock::touch(&self.path(waiting[next].number));
        }
        Ok(is_turn)
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

    fn join(&self, number: u64, needs: usize) -> Result<Lock, EngineError> {
        let path = self.path(number);
        let unusable = |reason: String| LockUnusable { path: path.clone(), reason };
        for _ in 0..ATTEMPTS {
            // One that wakes the first looks whether tickets are held, for a moment.
            let Some(mut lock) = Lock::try_take_silently(&path)? else {
                std::thread::yield_now();
                continue;
            };
            lock.write(&format!("{needs} 0\n")).map_err(|error| unusable(error.to_string()))?;
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
            let mut words = text.split_whitespace();
            let needs = words.next().and_then(|word| word.parse().ok());
            let overtaken = words.next().and_then(|word| word.parse().ok());
            if let (Some(needs), Some(overtaken)) = (needs, overtaken) {
                waiting.push(Waiting { number, needs, overtaken });
            }
        }
        waiting.sort_by_key(|it| it.number);
        Ok(waiting)
    }

    /// Counts that it was overtaken. Not counted is no harm but to the order.
    fn overtake(&self, one: &Waiting) {
        let path = self.path(one.number);
        let _ = lock::rewrite(&path, &format!("{} {}\n", one.needs, one.overtaken + 1));
    }
}

/// Whether one that needs so many may take them, with those ahead of it. What those ahead can take now
/// is theirs. One that cannot take its part yet may be overtaken, but not for ever.
fn is_turn(ahead: &[Waiting], free: usize, needs: usize) -> bool {
    is_turn_within(ahead, free, needs, MOST_OVERTAKEN)
}

/// The same with another limit of overtaking.
pub(crate) fn is_turn_within<'a>(
    ahead: impl IntoIterator<Item = &'a Waiting>,
    mut free: usize,
    needs: usize,
    most_overtaken: u32,
) -> bool {
    for it in ahead {
        if it.needs <= free {
            free -= it.needs;
        } else if it.overtaken >= most_overtaken {
            return false;
        }
    }
    needs <= free
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(queue: &Queue, free: usize, needs: usize) -> Place {
        let mut place = Place::default();
        assert!(!queue.may_take(&mut place, free, needs).unwrap());
        place
    }

    #[test]
    fn the_first_that_waits_is_served_first() {
        let folder = tempfile::tempdir().unwrap();
        let queue = Queue::of(folder.path(), "gpu");
        let (mut first, mut second) = (place(&queue, 0, 1), place(&queue, 0, 1));
        // One that comes later does not get what the first can take.
        assert!(!queue.may_take(&mut Place::default(), 1, 1).unwrap());
        assert!(!queue.may_take(&mut second, 1, 1).unwrap());
        assert!(queue.may_take(&mut first, 1, 1).unwrap());
        assert!(queue.may_take(&mut second, 1, 1).unwrap());
    }

    #[test]
    fn one_for_four_is_overtaken_by_ones_for_one_only_so_often() {
        let folder = tempfile::tempdir().unwrap();
        let queue = Queue::of(folder.path(), "gpu");
        let mut four = place(&queue, 3, 4);
        for _ in 0..MOST_OVERTAKEN {
            assert!(queue.may_take(&mut Place::default(), 3, 1).unwrap());
        }
        let mut one = place(&queue, 3, 1);
        assert!(queue.may_take(&mut four, 4, 4).unwrap());
        assert!(queue.may_take(&mut one, 1, 1).unwrap());
    }

    #[test]
    fn one_that_gave_up_or_died_is_in_no_ones_way() {
        let folder = tempfile::tempdir().unwrap();
        let queue = Queue::of(folder.path(), "gpu");
        drop(place(&queue, 0, 4));
        // A file without a lock is what a killed process leaves.
        std::fs::write(queue.path(7), "4 8\n").unwrap();
        assert!(queue.may_take(&mut Place::default(), 1, 1).unwrap());
        assert!(!queue.path(7).exists());
    }

    #[test]
    fn a_waiting_place_does_not_stand_in_its_own_way() {
        let folder = tempfile::tempdir().unwrap();
        let queue = Queue::of(folder.path(), "gpu");
        let mut only = place(&queue, 1, 2);
        assert!(!queue.may_take(&mut only, 1, 2).unwrap());
        assert!(queue.may_take(&mut only, 2, 2).unwrap());
        assert_eq!(std::fs::read_dir(&queue.folder).unwrap().count(), 0);
    }
}
