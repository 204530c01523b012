//! Server after server, and the cells of each: [`Measurement`].

use std::collections::BTreeMap;
use std::path::PathBuf;

use perf_clock::Clock;
use perf_engine::{Engine, EngineError};
use perf_model::judge::results::RepetitionResult;
use perf_model::record::file::Part;
use perf_model::sweep::cell::{Cell, CellOutcome};
use perf_model::sweep::journal::{Declaration, Line, Progress};
use perf_model::sweep::report::SweepReport;
use perf_store::sweep_file::{self, Journal};

use crate::budget::Budget;
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::load::Load;
use crate::session::Session;
use crate::start::{Place, Start};
use crate::sweep::Sweep;
use crate::sweep::cells::Plan;

/// A sweep that is to be measured.
pub(crate) struct Measurement<'a> {
    pub(crate) sweep: &'a Sweep,
    pub(crate) plan: &'a Plan,
    pub(crate) engine: &'a Engine,
    pub(crate) session: &'a Session,
}

/// What is finished, in memory and on the disk.
struct Book {
    journal: Journal,
    progress: Progress,
    /// Why a server's open cells were not run.
    not_run: BTreeMap<usize, String>,
}

impl Book {
    /// On the disk first: what is not there is measured again.
    fn note(&mut self, line: Line) -> Result {
        self.journal.line(&line)?;
        self.progress.push(line);
        Ok(())
    }
}

impl Measurement<'_> {
    /// Measures every cell that is not finished.
    pub(crate) async fn run(
        &self,
        declaration: Declaration,
        clock: Clock,
        mut interrupt: Interrupt,
    ) -> Result<SweepReport> {
        let mut book = self.open(&declaration)?;
        let settings = &self.session.settings.budget;
        let limit_s = settings.gpu_s.or(self.sweep.budget_gpu_s);
        let mut budget = Budget::limited(limit_s.unwrap_or(f64::INFINITY));
        let most_starts = settings.starts.map_or(usize::MAX, |starts| starts as usize);
        for server in 0..self.plan.servers.len() {
            for repetition in 1..=self.sweep.starts {
                let spent = (&mut budget, most_starts);
                self.start(server, repetition, &mut book, spent, clock, &mut interrupt).await?;
                sweep_file::write(&self.folder(), &self.report(&book))?;
            }
        }
        Ok(self.report(&book))
    }

    fn folder(&self) -> PathBuf {
        self.session.run_folder.join(&self.sweep.name)
    }

    /// Begins a journal, or goes on with the one of a run that was not finished.
    fn open(&self, declaration: &Declaration) -> Result<Book> {
        let folder = self.folder();
        let resumes = self.session.settings.sweep.as_ref().is_some_and(|sweep| sweep.resumes);
        let wrong = |why: String| {
            Error::Usage(format!("the sweep `{}` cannot be continued: {why}", self.sweep.name))
        };
        let not_run = BTreeMap::new();
        if !resumes {
            let journal = Journal::begin(&folder, declaration)?;
            return Ok(Book { journal, progress: Progress::default(), not_run });
        }
        let read = sweep_file::read_journal(&folder).map_err(|error| wrong(error.to_string()))?;
        let Some(read) = read else {
            // Killed before the first line was written.
            let journal = Journal::begin(&folder, declaration)?;
            return Ok(Book { journal, progress: Progress::default(), not_run });
        };
        if let Some(difference) = read.declaration.difference(declaration) {
            return Err(wrong(format!(
                "the declaration changed since the run began, {difference}; start a new run without --resume"
            )));
        }
        let journal = Journal::resume(&folder, &read)?;
        Ok(Book { journal, progress: read.progress, not_run })
    }

    /// Measures the cells of a server that are not finished, in one start of it. A cell that breaks
    /// the server or the load fails, and those after it get another start.
    async fn start(
        &self,
        server: usize,
        repetition: u32,
        book: &mut Book,
        (budget, most_starts): (&mut Budget, usize),
        clock: Clock,
        interrupt: &mut Interrupt,
    ) -> Result {
        let (name, plan) = (self.sweep.name.as_str(), self.plan);
        let declared = &plan.servers[server];
        let number = u32::try_from(server).unwrap_or(u32::MAX) * self.sweep.starts + repetition;
        loop {
            let is_open = |cell: &usize| {
                plan.cells[*cell].server == server && !book.progress.is_finished(*cell, repetition)
            };
            let open: Vec<usize> = (0..plan.cells.len()).filter(is_open).collect();
            let Some(first) = open.first().copied() else { return Ok(()) };
            let hindrance = match self.engine.can_run(declared) {
                Err(why) => Some(why),
                Ok(()) if !budget.allows(1) || budget.starts() >= most_starts => Some(format!(
                    "the budget was used up after {} engine starts",
                    book.progress.starts
                )),
                Ok(()) => None,
            };
            if let Some(why) = hindrance {
                book.not_run.insert(server, why);
                return Ok(());
            }
            let what = format!(
                "server {} of {}, {} of {} cells to measure, from {}",
                server + 1,
                plan.servers.len(),
                open.len(),
                plan.cells.iter().filter(|cell| cell.server == server).count(),
                self.report(book).label(first)
            );
            self.session.tell(name, &what);
            book.note(Line::Started { start: number })?;
            let place = Place { suite: name, session: self.session, server: declared, clock };
            let start = Start { place, engine: self.engine, part: Part::Judged, number, runs: 1 };
            let loads: Vec<&Load> = open.iter().map(|cell| &plan.cells[*cell].load).collect();
            let begun = clock.now();
            let mut seen = 0;
            let mut take = |at: usize, result: &RepetitionResult| {
                seen = at + 1;
                book.note(line(open[at], repetition, result))
            };
            let ended = start.measure_each(&loads, interrupt, &mut take).await;
            budget.on(declared.gpus);
            let gpu_s = budget.count(begun, clock.now(), &mut []);
            book.note(Line::Stopped { start: number, gpu_s })?;
            let Err(error) = ended else { return Ok(()) };
            match &error {
                Error::Engine(EngineError::StartFailed { .. }) => {
                    for cell in open {
                        book.note(Line::Failed { cell, reason: start_failure(&error) })?;
                    }
                    return Ok(());
                }
                Error::ServerDied { .. }
                | Error::ServerHangs { .. }
                | Error::Stalled { .. }
                | Error::Load { .. } => match open.get(seen) {
                    Some(cell) => {
                        book.note(Line::Failed { cell: *cell, reason: error.to_string() })?;
                    }
                    None => return Err(error),
                },
                _ => return Err(error),
            }
        }
    }

    /// The report as far as it goes.
    fn report(&self, book: &Book) -> SweepReport {
        let (sweep, plan) = (self.sweep, self.plan);
        let cells = plan.cells.iter().enumerate().map(|(at, planned)| {
            let outcome = book.progress.outcome(at, sweep.starts).unwrap_or_else(|| {
                let why = book.not_run.get(&planned.server);
                let why = why.map_or("the run ended before it was measured", String::as_str);
                CellOutcome::NotRun { reason: why.to_owned() }
            });
            let published = sweep.published.iter().filter(|(values, _)| *values == planned.values);
            Cell {
                values: planned.values.clone(),
                gpus: u32::from(plan.servers[planned.server].gpus),
                outcome,
                published: published.map(|(_, it)| (it.metric, it.value)).collect(),
            }
        });
        let hardware: Vec<&str> = book.progress.hardware.iter().map(String::as_str).collect();
        let load = &plan.cells[0].load.declared;
        SweepReport {
            name: sweep.name.clone(),
            engine: self.engine.kind(),
            hardware: (!hardware.is_empty()).then(|| hardware.join(" / ")),
            model: sweep.server.server.model.clone(),
            load: format!("{}; {}", load.describe(), load.describe_arrivals()),
            axes: sweep.axes.clone(),
            goals: sweep.goals.clone(),
            cells: cells.collect(),
            starts_per_server: sweep.starts,
            starts: book.progress.starts,
            gpu_s: book.progress.gpu_s,
            published_changes: sweep.published_changes.clone(),
        }
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

/// Why a server did not start, without the end of its log.
fn start_failure(error: &Error) -> String {
    match error {
        Error::Engine(EngineError::StartFailed { kind, cause, .. }) => match cause {
            Some(cause) => format!("failed to start ({kind}): {cause}"),
            None => format!("failed to start ({kind})"),
        },
        error => error.to_string(),
    }
}
