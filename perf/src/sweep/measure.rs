//! The servers of a sweep, as many at once as it allows and the machine has GPUs for, and the cells
//! of each: [`Measurement`].

use std::path::PathBuf;
use std::sync::Mutex;
use std::thread::Scope;

use perf_clock::{Clock, Stamp};
use perf_engine::{Engine, EngineError, Lease};
use perf_model::spec::engine_kind::EngineKind;
use perf_model::sweep::cell::{Cell, CellOutcome};
use perf_model::sweep::journal::{Declaration, Line};
use perf_model::sweep::report::SweepReport;
use perf_store::sweep_file;
use tokio::task::JoinSet;

use crate::budget::Budget;
use crate::error::{Error, Result};
use crate::interrupt::{Interrupt, Stop};
use crate::neighbours::Neighbours;
use crate::session::Session;
use crate::sweep::Sweep;
use crate::sweep::book::Book;
use crate::sweep::cells::Plan;
use crate::sweep::one_start::{Ended, Starter, Turn};
use crate::time::{begin_apart, run_in_time};

/// A sweep that is to be measured.
pub(crate) struct Measurement<'a> {
    pub(crate) sweep: &'a Sweep,
    pub(crate) plan: &'a Plan,
    pub(crate) engine: &'a Engine,
    pub(crate) session: &'a Session,
}

/// What is left to start, and what is under way.
struct UnderWay {
    clock: Clock,
    interrupt: Interrupt,
    budget: Budget,
    left: Vec<Turn>,
    /// None of a start that panicked.
    starts: JoinSet<Option<Ended>>,
    stop: Stop,
}

/// A start that may begin, the cells that are open in it, and its hardware where that is leased
/// before.
type Begun = (Turn, Vec<usize>, Option<Lease>);

impl Measurement<'_> {
    /// Measures every cell that is not finished.
    pub(crate) fn run(&self, declaration: &Declaration) -> Result<SweepReport> {
        let request = self.session.settings.sweep.as_ref();
        let resumes = request.is_some_and(|sweep| sweep.resumes);
        let starter = Starter {
            name: &self.sweep.name,
            starts: self.sweep.starts,
            plan: self.plan,
            engine: self.engine,
            session: self.session,
            book: Mutex::new(Book::open(&self.folder(), declaration, resumes)?),
            neighbours: Neighbours::default(),
        };
        std::thread::scope(|scope| {
            let body = |clock, interrupt| self.measure(scope, &starter, clock, interrupt);
            run_in_time(self.engine.kind(), body)
        })
    }

    fn folder(&self) -> PathBuf {
        self.session.run_folder.join(&self.sweep.name)
    }

    /// The most servers at once. One that is up already is one server, however often it is measured.
    fn most(&self) -> usize {
        let request = self.session.settings.sweep.as_ref();
        let asked = request.and_then(|sweep| sweep.side_by_side);
        match self.engine.kind() {
            EngineKind::Remote => 1,
            _ => asked.unwrap_or(self.sweep.side_by_side) as usize,
        }
    }

    async fn measure<'scope, 'env>(
        &self,
        scope: &'scope Scope<'scope, 'env>,
        starter: &'env Starter<'env>,
        clock: Clock,
        interrupt: Interrupt,
    ) -> Result<SweepReport> {
        let limit_s = self.session.settings.budget.gpu_s.or(self.sweep.budget_gpu_s);
        let servers = 0..self.plan.servers.len();
        let turns =
            |server| (1..=self.sweep.starts).map(move |repetition| Turn { server, repetition });
        let mut under_way = UnderWay {
            clock,
            interrupt,
            budget: Budget::limited(limit_s.unwrap_or(f64::INFINITY)),
            left: servers.flat_map(turns).collect(),
            starts: JoinSet::new(),
            stop: Stop::default(),
        };
        if self.most() > 1 {
            // Not beside a server that is just starting.
            perf_load::calibration(clock).await;
        }
        let measured = self.all(scope, starter, &mut under_way).await;
        if measured.is_err() {
            under_way.stop.all();
            while let Some(ended) = under_way.starts.join_next().await {
                if let Ok(Some(ended)) = ended {
                    // The first error is returned.
                    let _ = self.count(starter, &mut under_way.budget, &ended);
                }
            }
        }
        measured?;
        let report = self.report(&starter.book());
        sweep_file::write(&self.folder(), &report)?;
        Ok(report)
    }

    async fn all<'scope, 'env>(
        &self,
        scope: &'scope Scope<'scope, 'env>,
        starter: &'env Starter<'env>,
        under_way: &mut UnderWay,
    ) -> Result {
        loop {
            while under_way.starts.len() < self.most() {
                let Some(begun) = self.next(starter, under_way).await? else { break };
                self.begin(scope, starter, under_way, begun)?;
            }
            let ended = tokio::select! {
                ended = under_way.starts.join_next() => ended,
                () = under_way.interrupt.wait() => return Err(self.interrupted()),
            };
            let Some(ended) = ended else { return Ok(()) };
            let Ok(Some(ended)) = ended else {
                return Err(Error::Usage("a start ended without a result; run again".to_owned()));
            };
            self.take(starter, under_way, ended)?;
            sweep_file::write(&self.folder(), &self.report(&starter.book()))?;
        }
    }

    /// The next start that may begin now: the first in order that has open cells, is within the
    /// budget and whose hardware is free. Where nothing is under way, it waits for the hardware.
    async fn next(&self, starter: &Starter<'_>, under_way: &mut UnderWay) -> Result<Option<Begun>> {
        let most_starts = self.session.settings.budget.starts.map_or(usize::MAX, |it| it as usize);
        let beside = under_way.starts.len();
        let mut at = 0;
        while let Some(turn) = under_way.left.get(at).copied() {
            let declared = &self.plan.servers[turn.server];
            let open = starter.open(turn);
            let is_used_up = under_way.budget.starts() + beside >= most_starts;
            let fits = under_way.budget.allows_beside(beside);
            let hindrance = match self.engine.can_run(declared) {
                _ if open.is_empty() => None,
                Err(why) => Some(why),
                Ok(()) if is_used_up || (!fits && beside == 0) => Some(format!(
                    "the budget was used up after {} engine starts",
                    starter.book().progress.starts
                )),
                Ok(()) => None,
            };
            if hindrance.is_some() || open.is_empty() {
                under_way.left.remove(at);
                starter.book().not_run.extend(hindrance.map(|why| (turn.server, why)));
                continue;
            }
            if !fits {
                return Ok(None);
            }
            if self.most() == 1 {
                under_way.left.remove(at);
                return Ok(Some((turn, open, None)));
            }
            let (clock, name) = (under_way.clock, starter.name);
            let mut progress = |what: &str| self.session.doing(name, "", what);
            let lease = if beside == 0 {
                tokio::select! {
                    lease = self.engine.lease(declared, clock, &mut progress) => Some(lease?),
                    () = under_way.interrupt.wait() => return Err(self.interrupted()),
                }
            } else {
                self.engine.lease_now(declared, clock, &mut progress).await?
            };
            if lease.is_some() {
                under_way.left.remove(at);
                return Ok(Some((turn, open, lease)));
            }
            at += 1;
        }
        Ok(None)
    }

    fn begin<'scope, 'env>(
        &self,
        scope: &'scope Scope<'scope, 'env>,
        starter: &'env Starter<'env>,
        under_way: &mut UnderWay,
        (turn, open, lease): Begun,
    ) -> Result {
        let of_server = self.plan.cells.iter().filter(|cell| cell.server == turn.server).count();
        let what = format!(
            "server {} of {}, {} of {of_server} cells to measure, from {}",
            turn.server + 1,
            self.plan.servers.len(),
            open.len(),
            self.report(&starter.book()).label(open[0])
        );
        self.session.tell(starter.name, &what);
        starter.book().note(Line::Started { start: starter.number(turn) })?;
        let interrupt = under_way.stop.interrupt();
        let body = move |clock| starter.measure(turn, open, lease, clock, interrupt);
        let ended = begin_apart(scope, self.engine.kind(), body)?;
        let (clock, is_simulated) = (under_way.clock, self.engine.kind() == EngineKind::Simulated);
        under_way.starts.spawn(async move {
            let ended = ended.await.ok()?;
            if is_simulated {
                // It is over in no time, and takes that of the sweep all the same.
                clock.sleep(ended.took).await;
            }
            Some(ended)
        });
        Ok(())
    }

    /// Takes in a start that ended. A cell that broke the server or the load fails, and those after it
    /// get another start.
    fn take(&self, starter: &Starter<'_>, under_way: &mut UnderWay, ended: Ended) -> Result {
        self.count(starter, &mut under_way.budget, &ended)?;
        let Ended { turn, open, seen, result, lease, .. } = ended;
        drop(lease);
        let Err(error) = result else { return Ok(()) };
        match &error {
            Error::Engine(EngineError::StartFailed { .. }) => {
                for cell in open {
                    let reason = start_failure(&error);
                    starter.book().note(Line::Failed { cell, reason })?;
                }
            }
            Error::ServerDied { .. }
            | Error::ServerHangs { .. }
            | Error::Stalled { .. }
            | Error::Load { .. } => match open.get(seen) {
                Some(cell) => {
                    let reason = error.to_string();
                    starter.book().note(Line::Failed { cell: *cell, reason })?;
                    under_way.left.insert(0, turn);
                }
                None => return Err(error),
            },
            _ => return Err(error),
        }
        Ok(())
    }

    fn count(&self, starter: &Starter<'_>, budget: &mut Budget, ended: &Ended) -> Result {
        budget.on(self.plan.servers[ended.turn.server].gpus);
        let gpu_s = budget.count(Stamp::ZERO, ended.took, &mut []);
        starter.book().note(Line::Stopped { start: starter.number(ended.turn), gpu_s })
    }

    fn interrupted(&self) -> Error {
        Error::Interrupted(self.session.run_folder.clone())
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
