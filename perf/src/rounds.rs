//! The one measuring loop: start what is under test, put on it what is undecided, take in what was
//! measured; again until nothing is open or the budget is used up. [`rounds`] is the loop, a
//! [`Subject`] decides, and [`Engines`] say what a round starts.

use perf_engine::Engine;
use perf_model::judge::results::RepetitionResult;
use perf_model::record::file::Part;

use crate::budget::Budget;
use crate::error::Result;
use crate::interrupt::Interrupt;
use crate::load::Load;
use crate::start::{Place, Start};

/// What each round starts.
#[derive(Clone, Copy)]
pub(crate) enum Engines<'a> {
    /// The server under test.
    One(&'a Engine),
    /// Two variants in turn.
    Pair {
        /// The one that stands for the past.
        base: &'a Engine,
        /// The one under test.
        candidate: &'a Engine,
    },
}

/// What a round measured of one load.
pub(crate) struct Round {
    /// On the server under test.
    pub(crate) candidate: Vec<RepetitionResult>,
    /// On the base beside it; empty where a round has one start.
    pub(crate) base: Vec<RepetitionResult>,
}

/// What is measured round by round, and decides when enough was measured.
pub(crate) trait Subject {
    /// The loads that another round may still decide, by their index.
    fn open(&self) -> Vec<usize>;

    /// The load of an index.
    fn load(&self, at: usize) -> &Load;

    /// What the user reads when a round begins that measures so many loads.
    fn announce(&self, round: u32, open: usize) -> String;

    /// Takes in what a round measured, a load of [`open`](Self::open) each, and judges it.
    fn take(&mut self, measured: Vec<(usize, Round)>);
}

/// Why a measurement ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Nothing is open, or as many rounds were measured as may be.
    Done,
    /// There was no GPU time for another round after this number of them.
    OutOfBudget(u32),
}

impl Engines<'_> {
    /// The starts of a round, in order. The order of a pair turns with every round (A B, B A, …),
    /// so that what drifts steadily cancels.
    fn starts(&self, round: u32) -> Vec<(Part, &Engine)> {
        match *self {
            Self::One(engine) => vec![(Part::Judged, engine)],
            Self::Pair { base, candidate } => {
                let mut pair = vec![(Part::Base, base), (Part::Candidate, candidate)];
                if round.is_multiple_of(2) {
                    pair.reverse();
                }
                pair
            }
        }
    }
}

/// Measures `subject` in at most this number of rounds, each load `runs` times in each start.
pub(crate) async fn rounds(
    place: Place<'_>,
    engines: Engines<'_>,
    (most, runs): (u32, u32),
    subject: &mut impl Subject,
    budget: &mut Budget,
    interrupt: &mut Interrupt,
) -> Result<Ended> {
    for number in 1..=most {
        let open = subject.open();
        if open.is_empty() {
            break;
        }
        let starts = engines.starts(number);
        if !budget.allows(starts.len()) {
            return Ok(Ended::OutOfBudget(number - 1));
        }
        place.session.tell(place.suite, &subject.announce(number, open.len()));
        let loads: Vec<&Load> = open.iter().map(|at| subject.load(*at)).collect();
        let (mut base, mut candidate) = (Vec::new(), Vec::new());
        for (part, engine) in starts {
            let begun = place.clock.now();
            let start = Start { place, engine, part, number, runs, neighbour: None };
            let mut measured = start.measure(&loads, interrupt).await?;
            budget.count(begun, place.clock.now(), &mut measured);
            match part {
                Part::Base => base = measured,
                Part::Judged | Part::Candidate => candidate = measured,
            }
        }
        base.resize(candidate.len(), Vec::new());
        let measured =
            candidate.into_iter().zip(base).map(|(candidate, base)| Round { candidate, base });
        subject.take(open.into_iter().zip(measured).collect());
    }
    Ok(Ended::Done)
}
