//! Which of the free GPUs are kept for whom of those that wait: [`Shares`].

use crate::gpu::Gpu;
use crate::topology;
use crate::wanted::Wanted;

/// The free GPUs, kept for those that wait in the order in which they came.
///
/// Each that can have all that it wants gets a share, and costs none before it a part of its own. What is
/// kept is a number of GPUs and not certain ones: a share moves to other GPUs that fit, so that one that
/// wants a model gets it where those before it can do with another. (It is a matching of requests and
/// GPUs that grows by augmenting paths.)
#[derive(Debug)]
pub(crate) struct Shares<'a> {
    free: &'a [&'a Gpu],
    /// Those that were added, in order.
    wanted: Vec<&'a Wanted>,
    /// For each free GPU the one that it is kept for.
    kept_for: Vec<Option<usize>>,
}

impl<'a> Shares<'a> {
    /// Of GPUs that are kept for no one yet.
    pub(crate) fn of(free: &'a [&'a Gpu]) -> Self {
        Self { free, wanted: Vec::new(), kept_for: vec![None; free.len()] }
    }

    /// Adds the next in order. Gives its GPUs, by number, if it can have all that it wants, those first
    /// that suit it best. One that cannot has no share, unless it `keeps_part`: then as many GPUs as
    /// it can have are kept for it.
    pub(crate) fn add(&mut self, wanted: &'a Wanted, keeps_part: bool) -> Option<Vec<u32>> {
        let (one, needed) = (self.wanted.len(), usize::from(wanted.gpus));
        self.wanted.push(wanted);
        let fitting: Vec<&Gpu> = self.free.iter().copied().filter(|gpu| wanted.fits(gpu)).collect();
        let mut own = Vec::new();
        for index in topology::by_preference(&fitting, needed) {
            if own.len() == needed {
                break;
            }
            let Some(at) = self.free.iter().position(|gpu| gpu.setup.index == index) else {
                continue;
            };
            // What it has already does not move again.
            let mut seen: Vec<bool> = self.kept_for.iter().map(|of| *of == Some(one)).collect();
            if self.vacate(at, &mut seen) {
                self.kept_for[at] = Some(one);
                own.push(index);
            }
        }
        if own.len() == needed {
            return Some(own);
        }
        if !keeps_part {
            self.kept_for.iter_mut().filter(|of| **of == Some(one)).for_each(|of| *of = None);
        }
        None
    }

    /// Whether a GPU is kept for no one, or the one that it was kept for now has another one that fits.
    fn vacate(&mut self, at: usize, seen: &mut [bool]) -> bool {
        seen[at] = true;
        let Some(holder) = self.kept_for[at] else { return true };
        for other in 0..self.free.len() {
            let is_new = !seen[other] && self.kept_for[other] != Some(holder);
            if is_new && self.wanted[holder].fits(self.free[other]) && self.vacate(other, seen) {
                self.kept_for[other] = Some(holder);
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests;
