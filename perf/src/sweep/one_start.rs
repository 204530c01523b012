//! One start of a server of a sweep, and the cells that are measured in it: [`Starter`].

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use perf_clock::Clock;
use perf_engine::{Engine, Lease};
use perf_model::judge::results::RepetitionResult;
use perf_model::record::file::Part;
use perf_model::spec::engine_kind::EngineKind;
use perf_model::sweep::journal::Line;

use crate::error::Result;
use crate::interrupt::Interrupt;
use crate::load::Load;
use crate::neighbours::Neighbours;
use crate::session::Session;
use crate::start::{Place, Start};
use crate::sweep::book::Book;
use crate::sweep::cells::Plan;

/// A server, by its number, and which start of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    pub(crate) server: usize,
    /// From 1.
    pub(crate) repetition: u32,
}

/// What the starts of a sweep share, those that are under way at the same time too.
pub(crate) struct Starter<'a> {
    pub(crate) name: &'a str,
    /// Starts of each server.
    pub(crate) starts: u32,
    pub(crate) plan: &'a Plan,
    pub(crate) engine: &'a Engine,
    pub(crate) session: &'a Session,
    pub(crate) book: Mutex<Book>,
    pub(crate) neighbours: Neighbours,
}

/// How a start ended.
pub(crate) struct Ended {
    pub(crate) turn: Turn,
    /// The cells that were to be measured in it.
    pub(crate) open: Vec<usize>,
    /// How many of these were.
    pub(crate) seen: usize,
    /// How long it took.
    pub(crate) took: Duration,
    pub(crate) result: Result,
    /// The hardware of a simulated server, which is busy for as long as the start took.
    pub(crate) lease: Option<Lease>,
}

impl Starter<'_> {
    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The cells of a server that are not finished.
    pub(crate) fn open(&self, turn: Turn) -> Vec<usize> {
        let book = self.book();
        let is_open = |cell: &usize| {
            self.plan.cells[*cell].server == turn.server
                && !book.progress.is_finished(*cell, turn.repetition)
        };
        (0..self.plan.cells.len()).filter(is_open).collect()
    }

    /// The number of a start in the run.
    pub(crate) fn number(&self, turn: Turn) -> u32 {
        u32::try_from(turn.server).unwrap_or(u32::MAX) * self.starts + turn.repetition
    }

    /// Brings the server up, measures its open cells, and takes it down.
    pub(crate) async fn measure(
        &self,
        turn: Turn,
        open: Vec<usize>,
        lease: Option<Lease>,
        clock: Clock,
        mut interrupt: Interrupt,
    ) -> Ended {
        let declared = &self.plan.servers[turn.server];
        let place = Place { suite: self.name, session: self.session, server: declared, clock };
        // A simulated server has a machine of its own.
        let is_simulated = self.engine.kind() == EngineKind::Simulated;
        let neighbour = (!is_simulated).then(|| {
            let words = declared.argument_words().join(" ");
            self.neighbours.come(format!("server {} ({words})", turn.server + 1))
        });
        let start = Start {
            place,
            engine: self.engine,
            part: Part::Judged,
            number: self.number(turn),
            runs: 1,
            neighbour: neighbour.as_ref(),
        };
        let (handed, kept) = if is_simulated { (None, lease) } else { (lease, None) };
        let loads: Vec<&Load> = open.iter().map(|cell| &self.plan.cells[*cell].load).collect();
        let begun = clock.now();
        let mut seen = 0;
        let mut take = |at: usize, result: &RepetitionResult| {
            seen = at + 1;
            self.book().note(line(open[at], turn.repetition, result))
        };
        let result = start.measure_each(handed, &loads, &mut interrupt, &mut take).await.map(drop);
        let took = clock.now().saturating_sub(begun);
        Ended { turn, open, seen, took, result, lease: kept }
    }
}

/// What a run of a cell's load gives. One that must not be judged gives no figures.
fn line(cell: usize, repetition: u32, result: &RepetitionResult) -> Line {
    if !result.faults.is_empty() {
        let faults: Vec<String> = result.faults.iter().map(ToString::to_string).collect();
        return Line::Failed { cell, reason: format!("invalid: {}", faults.join("; ")) };
    }
    Line::Measured {
        cell,
        repetition,
        hardware: result.fingerprint.hardware.clone(),
        figures: result.summary.values.clone(),
        remarks: result.remarks.iter().map(ToString::to_string).collect(),
        estimated: result.summary.estimated.clone(),
    }
}
