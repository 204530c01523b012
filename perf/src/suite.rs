//! A server configuration and the loads on it: [`Suite`]; what came of running it: [`Outcome`].

use std::future::Future;

use perf_clock::{Clock, run_virtual};
use perf_engine::{Engine, EngineError, StartFailure};
use perf_model::fingerprint::EngineKind;
use perf_model::render;
use perf_model::report::SuiteReport;
use perf_model::server::Server;
use perf_model::settings::Purpose;
use perf_model::verdict::Verdict;

use crate::error::{Error, Result};
use crate::interrupt::{Interrupt, UnderWay};
use crate::load::Load;
use crate::measure::{Measurement, measure};
use crate::records;
use crate::session::Session;
use crate::vllm::Vllm;

/// One server configuration and the loads that are put on it, one after the other, in each of its starts.
#[derive(Clone, Debug)]
pub struct Suite {
    name: String,
    loads: Vec<Load>,
    fails_to_start: Option<StartFailure>,
}

impl Suite {
    /// A suite with a name, which becomes its folder of baselines: letters, digits, `_`, `-` and `.`.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), loads: Vec::new(), fails_to_start: None }
    }

    /// Adds a load.
    #[must_use]
    pub fn load(mut self, load: Load) -> Self {
        self.loads.push(load.finished());
        self
    }

    /// Says that this server must fail to start, and how: a configuration that does not fit is a result too.
    #[must_use]
    pub fn fails_to_start(mut self, failure: StartFailure) -> Self {
        self.fails_to_start = Some(failure);
        self
    }

    /// Starts the server, puts the loads on it, and holds what was measured against the baselines.
    ///
    /// # Errors
    /// When it could not be measured at all. Whatever was measured before is kept in the records.
    pub fn run_on(self, vllm: Vllm) -> Result<Outcome> {
        let Vllm { server } = vllm;
        let session = Session::open()?;
        self.check(&server)?;
        let folder = session.run_folder.join(&self.name);
        let engine = Engine::new(&session.settings, &session.config)?;
        if let Err(why) = engine.can_run(&server) {
            let report = SuiteReport::unmeasured(self.name, engine.kind(), Verdict::Skipped, why);
            records::write_report(&folder, &report)?;
            return Ok(Outcome { report, purpose: session.settings.purpose });
        }
        let kind = engine.kind();
        let name = self.name.clone();
        let under_way = UnderWay::begin();
        let error = match in_time_of(kind, |clock, interrupt| self.run(&session, &engine, &server, clock, interrupt)) {
            Ok(report) => {
                records::write_report(&folder, &report)?;
                return Ok(Outcome { report, purpose: session.settings.purpose });
            }
            Err(error) => error,
        };
        let report = SuiteReport::unmeasured(name, kind, Verdict::Invalid, error.to_string());
        // What went wrong first is what is told: where the report cannot be written either, it has the same cause.
        let _ = records::write_report(&folder, &report);
        if matches!(error, Error::Interrupted(_)) {
            under_way.end_interrupted();
        }
        Err(error)
    }

    async fn run(
        &self,
        session: &Session,
        engine: &Engine,
        server: &Server,
        clock: Clock,
        interrupt: Interrupt,
    ) -> Result<SuiteReport> {
        if let Some(expected) = self.fails_to_start {
            return self.watch_it_fail(expected, session, engine, server, clock, interrupt).await;
        }
        let what = Measurement { suite: &self.name, loads: &self.loads, session, engine, server, clock };
        let loads = measure(&what, interrupt).await?;
        Ok(SuiteReport::measured(self.name.clone(), engine.kind(), loads))
    }

    /// Starts a server that must fail to.
    async fn watch_it_fail(
        &self,
        expected: StartFailure,
        session: &Session,
        engine: &Engine,
        server: &Server,
        clock: Clock,
        mut interrupt: Interrupt,
    ) -> Result<SuiteReport> {
        let mut progress = |what: &str| session.tell(&self.name, what);
        let started = tokio::select! {
            started = engine.start(server, 1, clock, &mut progress) => started,
            () = interrupt.wait() => return Err(Error::Interrupted(session.run_folder.clone())),
        };
        let (verdict, remark) = match started {
            Err(EngineError::StartFailed { kind, .. }) if kind == expected => {
                (Verdict::Held, format!("failed to start as expected: {expected}"))
            }
            Err(error @ EngineError::StartFailed { .. }) => {
                (Verdict::Regressed, format!("must fail to start with `{expected}`, but: {error}"))
            }
            Err(error) => return Err(error.into()),
            Ok(running) => {
                running.stop().await?;
                let what =
                    format!("used to fail to start with `{expected}` and starts now; turn it into a measurement");
                (Verdict::Improved, what)
            }
        };
        Ok(SuiteReport::unmeasured(self.name.clone(), engine.kind(), verdict, remark))
    }

    /// Refuses declarations that cannot be run, before anything is started.
    fn check(&self, server: &Server) -> Result {
        let usage = |message: String| Err(Error::Usage(format!("suite `{}`: {message}", self.name)));
        if !is_file_name(&self.name) {
            return usage("its name must be letters, digits, `_`, `-` and `.` only: it becomes a folder".to_owned());
        }
        if server.model.is_empty() {
            return usage("the server has no model; add `.model(\"…\")`".to_owned());
        }
        if self.loads.is_empty() && self.fails_to_start.is_none() {
            return usage("it has no load; add `.load(Load::new(\"…\"))`".to_owned());
        }
        for (index, load) in self.loads.iter().enumerate() {
            let declared = &load.declared;
            let name = &declared.name;
            if !is_file_name(name) {
                return usage(format!(
                    "the load `{name}` must be letters, digits, `_`, `-` and `.` only: it becomes a file"
                ));
            }
            if self.loads[..index].iter().any(|other| other.declared.name == *name) {
                return usage(format!("two loads are called `{name}`; their baselines would overwrite each other"));
            }
            if declared.requests == 0 || declared.arrivals.width() == 0 || declared.workload.output.limit() == 0 {
                return usage(format!("the load `{name}` sends nothing or asks for nothing"));
            }
            if let Some(guard) =
                load.guards.iter().find(|guard| guard.slack.value().is_nan() || guard.slack.value() < 0.0)
            {
                return usage(format!("the slack of {} in the load `{name}` is {}", guard.metric.label(), guard.slack));
            }
        }
        Ok(())
    }
}

fn is_file_name(name: &str) -> bool {
    let fits = |character: char| character.is_ascii_alphanumeric() || "_-.".contains(character);
    !name.is_empty() && !name.starts_with('.') && name.chars().all(fits)
}

/// Runs `body` in virtual time for the simulated engine, in real time for every other.
fn in_time_of<F>(kind: EngineKind, body: impl FnOnce(Clock, Interrupt) -> F) -> Result<SuiteReport>
where
    F: Future<Output = Result<SuiteReport>>,
{
    if kind == EngineKind::Simulated {
        return run_virtual(|clock| body(clock, Interrupt::never()));
    }
    // One thread makes the requests, so that none waits for another thread to be woken; what becomes of samples and
    // records stays on this one.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| Error::Usage(format!("cannot start the load generator's threads: {error}")))?;
    runtime.block_on(async {
        let interrupt = Interrupt::listen()
            .map_err(|error| Error::Usage(format!("cannot listen for Ctrl-C, so nothing is started: {error}")))?;
        body(Clock::real(), interrupt).await
    })
}

/// What came of a suite.
#[derive(Clone, Debug)]
#[must_use = "call `.hold()`, or nothing is held against the baseline"]
pub struct Outcome {
    report: SuiteReport,
    purpose: Purpose,
}

impl Outcome {
    /// Passes if everything held or improved, and if this machine cannot run it at all (which `cargo xtask perf` says).
    /// On a refresh it passes if there was something worth writing.
    ///
    /// # Panics
    /// With the whole report, if a guard does not hold: that is how a test fails.
    pub fn hold(self) -> Result {
        let verdict = self.report.verdict;
        let refreshed = self.purpose == Purpose::Refresh && verdict != Verdict::Invalid;
        assert!(
            verdict.is_pass() || verdict == Verdict::Skipped || refreshed,
            "{verdict}\n\n{}",
            render::suite(&self.report)
        );
        Ok(())
    }

    /// The report.
    pub fn report(&self) -> &SuiteReport {
        &self.report
    }
}
