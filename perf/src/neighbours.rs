//! Which servers of a run were on this machine at the same time: [`Neighbours`].

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The servers of a run, from the moment that they begin to start until they are gone.
#[derive(Debug, Default)]
pub(crate) struct Neighbours(Mutex<Stays>);

#[derive(Debug, Default)]
struct Stays {
    /// Servers that came or went so far: the time in which it counts what was at the same time.
    moment: u64,
    all: Vec<Stay>,
}

#[derive(Debug)]
struct Stay {
    name: String,
    left: Option<u64>,
}

/// One server among them; dropping it says that it is gone.
#[derive(Debug)]
pub(crate) struct Neighbour<'a> {
    all: &'a Neighbours,
    own: usize,
}

impl Neighbours {
    /// A server comes.
    pub(crate) fn come(&self, name: String) -> Neighbour<'_> {
        let mut stays = self.stays();
        stays.moment += 1;
        stays.all.push(Stay { name, left: None });
        Neighbour { all: self, own: stays.all.len() - 1 }
    }

    fn stays(&self) -> MutexGuard<'_, Stays> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Neighbour<'_> {
    /// Now.
    pub(crate) fn moment(&self) -> u64 {
        self.all.stays().moment
    }

    /// The others that were there at any time since a moment, each once.
    pub(crate) fn since(&self, moment: u64) -> Vec<String> {
        let stays = self.all.stays();
        let others = stays
            .all
            .iter()
            .enumerate()
            .filter(|(at, stay)| *at != self.own && stay.left.is_none_or(|left| left > moment));
        let mut names: Vec<String> = others.map(|(_, stay)| stay.name.clone()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

impl Drop for Neighbour<'_> {
    fn drop(&mut self) {
        let mut stays = self.all.stays();
        stays.moment += 1;
        let moment = stays.moment;
        stays.all[self.own].left = Some(moment);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_neighbour_is_one_that_was_there_at_any_time_since_the_moment() {
        let neighbours = Neighbours::default();
        let one = neighbours.come("one".to_owned());
        let gone = neighbours.come("gone".to_owned());
        drop(gone);
        let moment = one.moment();
        assert_eq!(one.since(moment), [""; 0]);
        let late = neighbours.come("late".to_owned());
        let there = neighbours.come("there".to_owned());
        drop(late);
        assert_eq!(one.since(moment), ["late", "there"]);
        assert_eq!(there.since(0), ["gone", "late", "one"]);
    }
}
