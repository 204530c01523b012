//! One start of an engine, and the loads that are put on it: [`Start`] → evidence of each.

use std::time::Duration;

use perf_clock::Clock;
use perf_engine::{Address, Engine, Lease, Running, ServerExit};
use perf_load::{Endpoint, LoadError};
use perf_model::judge::results::RepetitionResult;
use perf_model::record::file::Part;
use perf_model::record::finding::{Finding, FindingCode};
use perf_model::spec::server::Server;
use perf_model::spec::settings::Purpose;

use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::load::Load;
use crate::neighbours::Neighbour;
use crate::run::Run;
use crate::session::Session;

/// How long a server whose engine is dead may take until its process ends.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// What looks at each run of a load when it has ended.
pub(crate) type Each<'a> = dyn FnMut(usize, &RepetitionResult) -> Result + 'a;

/// Where what is measured belongs to, and in whose time.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    /// The suite's name.
    pub(crate) suite: &'a str,
    /// What was asked for, and where things are.
    pub(crate) session: &'a Session,
    /// The server.
    pub(crate) server: &'a Server,
    /// The time in which all of it happens.
    pub(crate) clock: Clock,
}

/// One start of an engine.
pub(crate) struct Start<'a> {
    pub(crate) place: Place<'a>,
    /// What brings the server up.
    pub(crate) engine: &'a Engine,
    /// The part of the run that it belongs to.
    pub(crate) part: Part,
    /// Which start of that part, from 1.
    pub(crate) number: u32,
    /// How often each load is put on it.
    pub(crate) runs: u32,
    /// Its place among the servers of the run that share this machine; none where it has it alone.
    pub(crate) neighbour: Option<&'a Neighbour<'a>>,
}

impl Start<'_> {
    /// Brings the server up, puts the loads on it one after the other, as often as there are to be
    /// runs, and takes it down. Gives the runs of each load.
    pub(crate) async fn measure(
        &self,
        loads: &[&Load],
        interrupt: &mut Interrupt,
    ) -> Result<Vec<Vec<RepetitionResult>>> {
        self.measure_each(None, loads, interrupt, &mut |_, _| Ok(())).await
    }

    /// The same, and shows each run of a load as soon as it has ended: its number among the loads,
    /// and what was measured. An error ends the start. Without a lease it takes one itself.
    pub(crate) async fn measure_each(
        &self,
        lease: Option<Lease>,
        loads: &[&Load],
        interrupt: &mut Interrupt,
        each: &mut Each<'_>,
    ) -> Result<Vec<Vec<RepetitionResult>>> {
        let Place { suite, session, server, clock } = self.place;
        let log = session.log(suite, self.part, self.number);
        let title = self.title();
        let mut progress = |what: &str| session.doing(suite, &title, what);
        let mut running = tokio::select! {
            running = self.engine.start_on(lease, server, self.draw(), Some(&log), clock, &mut progress) => running?,
            () = interrupt.wait() => return Err(Error::Interrupted(session.run_folder.clone())),
        };
        let result = self.load(loads, &mut running, interrupt, each).await;
        // The server stops first, also when the loads failed.
        let stopped = running.stop().await;
        let mut evidence = result.map_err(|error| error.logged(&log))?;
        for held in stopped? {
            let finding = Finding::new(FindingCode::GpuMemoryHeld, held);
            evidence.iter_mut().flatten().for_each(|run| run.remarks.push(finding.clone()));
        }
        if log.is_file() {
            let faulty = evidence.iter_mut().flatten().filter(|run| !run.faults.is_empty());
            faulty.for_each(|run| {
                let place = format!("the server's log is in {}", session.shown(&log));
                run.remarks.push(Finding::new(FindingCode::ServerLog, place));
            });
        }
        Ok(evidence)
    }

    /// Which start it is: `start 2`, or `duet, base 1`.
    fn title(&self) -> String {
        let is_duet =
            self.part != Part::Judged && self.place.session.settings.purpose == Purpose::Gate;
        let start = self.part.folder(self.number, 1).replace('-', " ");
        if is_duet { format!("duet, {start}") } else { start }
    }

    /// Which draw of a simulated server's noise this is: every part of a run has its own.
    fn draw(&self) -> u32 {
        let part = match self.part {
            Part::Judged => 0,
            Part::Base => 1,
            Part::Candidate => 2,
        };
        part * 10_000 + self.number
    }

    /// Puts the loads on a server that is up.
    async fn load(
        &self,
        loads: &[&Load],
        running: &mut Running,
        interrupt: &mut Interrupt,
        each: &mut Each<'_>,
    ) -> Result<Vec<Vec<RepetitionResult>>> {
        let Place { suite, session, clock, .. } = self.place;
        let endpoint = match running.address() {
            Address::Url(url) => {
                let endpoint = Endpoint::connect(url, &session.access())
                    .map_err(|error| Error::Usage(error.to_string()))?;
                endpoint.warnings().iter().for_each(|warning| session.tell(suite, warning));
                endpoint
            }
            Address::InProcess(router) => Endpoint::in_process(router.clone()),
        };
        let (fingerprint, start_up) = (running.fingerprint().clone(), running.start_up());
        let gpus = running.gpus().clone();
        let interrupted = || Err(Error::Interrupted(session.run_folder.clone()));
        let mut evidence = vec![Vec::new(); loads.len()];
        // Load by load, so that the runs of one lie apart: what drifts within a start is in their
        // scatter.
        for (number, at) in
            (1..=self.runs).flat_map(|number| (0..loads.len()).map(move |at| (number, at)))
        {
            let load = loads[at];
            // The second run of a start finds a warm server.
            if number > 1 && load.once_per_start {
                continue;
            }
            let run = Run {
                suite,
                session,
                load,
                part: self.part,
                start: self.number,
                number,
                endpoint: &endpoint,
                fingerprint: &fingerprint,
                start_up,
                gpus: &gpus,
                clock,
                neighbour: self.neighbour,
            };
            let died = |death: ServerExit| Error::ServerDied {
                load: load.declared.name.clone(),
                how: death.to_string(),
            };
            let measured = tokio::select! {
                measured = run.measure() => measured,
                death = running.died() => return Err(died(death)),
                () = interrupt.wait() => return interrupted(),
            };
            if requests_failed(&measured) {
                tokio::select! {
                    death = running.died() => return Err(died(death)),
                    () = interrupt.wait() => return interrupted(),
                    () = clock.sleep(LAST_WORDS) => {}
                }
            }
            let measured = measured?;
            each(at, &measured)?;
            evidence[at].push(measured);
        }
        Ok(evidence)
    }
}

/// Whether the server may be dying: one whose engine is dead fails every request, and is gone only
/// seconds later.
fn requests_failed(measured: &Result<RepetitionResult>) -> bool {
    match measured {
        Ok(evidence) => evidence.summary.failed() > 0,
        Err(error) => matches!(error, Error::Load { cause: LoadError::WarmUp { .. }, .. }),
    }
}
