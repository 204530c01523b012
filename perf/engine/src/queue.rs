//! Whose turn it is to lease hardware: [`Queue`], and the place of one that waits in it: [`Place`].
//!
//! Each that waits has a file with a lock, a ticket. The tickets are read and written only by the one
//! that has the right to choose (`Lease::begin_choice`), and one whose holder died does not count.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use perf_machine::lock::{self, Lock, LockUnusable};

use crate::error::EngineError;

/// The file that changes when an attempt is worth it.
const NEWS: &str = "news";

/// How often one that waits may be overtaken by smaller requests, which it could not have used the
/// hardware of.
const MOST_OVERTAKEN: u32 = 8;

/// Those that wait for one kind of hardware.
pub(crate) struct Queue {
    folder: PathBuf,
}

/// A place in the queue, or none yet. Dropping it leaves the queue.
#[derive(Debug, Default)]
pub(crate) struct Place {
    ticket: Option<(u64, Lock)>,
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some((_, lock)) = self.ticket.take() {
            let folder = lock.path().ancestors().nth(2).map(Path::to_owned);
            lock.remove();
            if let Some(folder) = folder {
                announce(&folder);
            }
        }
    }
}

/// What those that wait look at: it is another text whenever hardware was given back or the queue
/// became shorter. A look at it costs little, and an attempt to lease reads every lock and ticket.
pub(crate) fn news(folder: &Path) -> String {
    lock::read(&folder.join(NEWS)).unwrap_or_default()
}

/// Tells those that wait that it is worth an attempt.
pub(crate) fn announce(folder: &Path) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // Where somebody else is just writing it, it changes all the same.
    if let Ok(Some(mut lock)) = Lock::try_take(&folder.join(NEWS)) {
        let _ = lock.write(&format!("{} {}\n", now.as_nanos(), std::process::id()));
    }
}

/// One that waits.
#[derive(Debug)]
struct Waiting {
    number: u64,
    needs: usize,
    overtaken: u32,
}

impl Queue {
    /// The queue for `what`, in the folder of the locks.
    pub(crate) fn of(folder: &Path, what: &str) -> Self {
        Self { folder: folder.join(format!("queue-{what}")) }
    }

    /// Whether it is its turn, with so many free. If so it leaves the queue; otherwise it joins, if
    /// it has not.
    pub(crate) fn may_take(
        &self,
        place: &mut Place,
        free: usize,
        needs: usize,
    ) -> Result<bool, EngineError> {
        let own = place.ticket.as_ref().map(|(number, _)| *number);
        let waiting = self.waiting(own)?;
        let ahead: Vec<&Waiting> =
            waiting.iter().filter(|it| own.is_none_or(|own| it.number < own)).collect();
        if !is_turn(&ahead, free, needs) {
            if own.is_none() {
                let last = waiting.last().map_or(0, |last| last.number);
                place.ticket = Some((last + 1, self.join(last + 1, needs)?));
            }
            return Ok(false);
        }
        for overtaken in ahead {
            self.overtake(overtaken);
        }
        *place = Place::default();
        Ok(true)
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number:012}.ticket"))
    }

    fn join(&self, number: u64, needs: usize) -> Result<Lock, EngineError> {
        let path = self.path(number);
        let unusable = |reason: String| LockUnusable { path: path.clone(), reason };
        let mut lock = Lock::try_take(&path)?
            .ok_or_else(|| unusable("another process has just taken it".to_owned()))?;
        lock.write(&format!("{needs} 0\n")).map_err(|error| unusable(error.to_string()))?;
        Ok(lock)
    }

    /// Those that wait, in order. What the dead left is removed.
    fn waiting(&self, own: Option<u64>) -> Result<Vec<Waiting>, EngineError> {
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return Ok(Vec::new()) };
        let mut waiting = Vec::new();
        for entry in entries.flatten() {
            let path = entry.path();
            let number = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
            let (Some(number), true) = (number, path.extension() == Some("ticket".as_ref())) else {
                continue;
            };
            if Some(number) != own && !lock::is_held(&path)? {
                // Of another user, who alone may remove it; it does not count all the same.
                let _ = std::fs::remove_file(&path);
                continue;
            }
            let text = lock::read(&path).unwrap_or_default();
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
fn is_turn(ahead: &[&Waiting], mut free: usize, needs: usize) -> bool {
    for it in ahead {
        if it.needs <= free {
            free -= it.needs;
        } else if it.overtaken >= MOST_OVERTAKEN {
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
