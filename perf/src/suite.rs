//! A server configuration and the loads on it: [`Suite`]; what came of running it: [`Outcome`].

use perf_engine::{Engine, ServerFailure};
use perf_model::judge::gate::Gate;
use perf_model::judge::report::SuiteReport;
use perf_model::judge::verdict::Verdict;
use perf_model::record::file::Part;
use perf_model::spec::file_name::is_file_name;
use perf_model::spec::plan::Plan;
use perf_model::spec::server::Server;
use perf_model::spec::settings::{Purpose, Settings, VARIABLE};
use perf_model::spec::tier::Tier;
use perf_report::terminal;
use perf_store::report_file;

use crate::budget::Measured;
use crate::compare::compare;
use crate::cross_check::cross_check;
use crate::error::{Error, Result};
use crate::interrupt::{Interrupt, UnderWay};
use crate::load::Load;
use crate::measure::measure;
use crate::plan::plan;
use crate::preflight;
use crate::remote;
use crate::session::Session;
use crate::start::Place;
use crate::tiers;
use crate::time::run_in_time;
use crate::vllm::Vllm;

/// One server configuration and the loads that are put on it, one after the other, in each of its
/// starts.
#[derive(Clone, Debug)]
pub struct Suite {
    name: String,
    loads: Vec<Load>,
    fails_to_start: Option<ServerFailure>,
    tier: Tier,
}

impl Suite {
    /// A suite with a name, which becomes its folder of baselines: letters, digits, `_`, `-` and
    /// `.`.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            loads: Vec::new(),
            fails_to_start: None,
            tier: Tier::default(),
        }
    }

    /// Adds a load.
    #[must_use]
    pub fn load(mut self, load: Load) -> Self {
        self.loads.push(load.finished());
        self
    }

    /// Adds a load for each of several values, such as the concurrency or the rate: a sweep. Each
    /// needs a name of its own.
    ///
    /// ```
    /// use perf::prelude::*;
    ///
    /// let suite = Suite::new("concurrency").sweep([1, 2, 4, 8], |clients| {
    ///     Load::new(&format!("concurrent_{clients}"))
    ///         .prompts(random_tokens(512))
    ///         .output_tokens(exactly(128))
    ///         .arrivals(concurrent(clients))
    ///         .requests(25 * clients)
    ///         .guard(output_throughput().may_drop(percent(2.5)))
    /// });
    /// ```
    #[must_use]
    pub fn sweep<T>(
        self,
        values: impl IntoIterator<Item = T>,
        load: impl FnMut(T) -> Load,
    ) -> Self {
        values.into_iter().map(load).fold(self, Self::load)
    }

    /// From which tier on it is measured: `Tier::PullRequest` unless it says otherwise. Its loads are
    /// of this tier or of a higher one.
    #[must_use]
    pub fn tier(mut self, tier: Tier) -> Self {
        self.tier = tier;
        self
    }

    /// Says that this server must fail to start, and how: a configuration that does not fit is a
    /// result too.
    #[must_use]
    pub fn fails_to_start(mut self, failure: ServerFailure) -> Self {
        self.fails_to_start = Some(failure);
        self
    }

    /// Starts the server, puts the loads on it, and holds what was measured against the baselines.
    ///
    /// # Errors
    /// When it could not be measured at all. What was measured before is kept in the records.
    pub fn run_on(mut self, vllm: Vllm) -> Result<Outcome> {
        let Vllm { server, .. } = vllm;
        let session = Session::open()?;
        let folder = session.run_folder.join(&self.name);
        let (engine, gate) = match self.prepare(&server, &session) {
            Ok(prepared) => prepared,
            Err(error) => {
                // The command that asked for the plan reads it there. An invalid suite name has no
                // folder, and is only in the error.
                if session.settings.plans && is_file_name(&self.name) {
                    let plan = Plan {
                        suite: self.name,
                        engine: session.settings.engine,
                        model: server.model,
                        gpus: server.gpus,
                        refused: Some(error.to_string()),
                        skipped: None,
                        loads: Vec::new(),
                        left_out: Vec::new(),
                        sweep: None,
                    };
                    report_file::write_plan(&folder, &plan)?;
                }
                return Err(error);
            }
        };
        let ended = |report: SuiteReport| -> Result<Outcome> {
            report_file::write(&folder, &report)?;
            Ok(Outcome {
                report,
                purpose: session.settings.purpose,
                reports_skips: session.settings.run_folder.is_some(),
            })
        };
        let left_out =
            tiers::leave_out(&self.name, self.tier, &mut self.loads, session.settings.tier);
        let standing = preflight::look(&self.name, &self.loads, &engine, &server, &session);
        if session.settings.plans {
            let plan = plan(&self.name, &self.loads, &engine, &server, standing, left_out);
            report_file::write_plan(&folder, &plan)?;
            let (kind, why) = (plan.engine, "planned, not measured".to_owned());
            let report = SuiteReport::unmeasured(self.name, kind, Verdict::Skipped, why);
            let purpose = session.settings.purpose;
            return Ok(Outcome { report, purpose, reports_skips: true });
        }
        if left_out.contains(&self.name) {
            // The command names what a tier leaves out. A report would count it as
            // skipped for lack of hardware.
            let (tier, purpose) = (session.settings.tier, session.settings.purpose);
            let why = format!("left out by tier {tier}");
            let report = SuiteReport::unmeasured(self.name, engine.kind(), Verdict::Skipped, why);
            return Ok(Outcome { report, purpose, reports_skips: true });
        }
        if let Err(why) = engine.can_run(&server) {
            return ended(SuiteReport::unmeasured(self.name, engine.kind(), Verdict::Skipped, why));
        }
        let kind = engine.kind();
        let faults: Vec<String> =
            standing.into_iter().filter_map(|standing| standing.fault).collect();
        if !faults.is_empty() {
            return ended(SuiteReport::unmeasured(
                self.name,
                kind,
                Verdict::Invalid,
                faults.join("\n"),
            ));
        }
        let name = self.name.clone();
        let under_way = UnderWay::begin();
        let run = |clock, interrupt| {
            let place = Place { suite: &self.name, session: &session, server: &server, clock };
            self.run(place, &engine, &gate, interrupt)
        };
        let error = match run_in_time(kind, run) {
            Ok(report) => return ended(report),
            Err(error) => error,
        };
        let report = SuiteReport::unmeasured(name, kind, Verdict::Invalid, error.to_string());
        // The first error is returned. If the report cannot be written either, the cause is the
        // same.
        let _ = report_file::write(&folder, &report);
        if matches!(error, Error::Interrupted(_)) {
            under_way.end_interrupted();
        }
        Err(error)
    }

    /// Refuses what cannot be run, before anything is started; gives the engine and the gate for
    /// what can.
    fn prepare(&mut self, server: &Server, session: &Session) -> Result<(Engine, Gate)> {
        let gate = self.check(server, session)?;
        let Settings { purpose, candidate, .. } = &session.settings;
        if let (Purpose::Refresh, Some(faults)) = (purpose, &candidate.inject) {
            return Err(Error::Usage(format!(
                "cannot refresh a baseline with `--inject {faults}`: the injected fault would become part of the baseline; \
                 run `refresh` without --inject"
            )));
        }
        for load in &mut self.loads {
            perf_load::identify(&mut load.declared)
                .map_err(|error| Error::Usage(error.to_string()))?;
        }
        if let Some(base) = &session.settings.base {
            Engine::of(base, &session.settings, &session.config)?;
        }
        let engine = Engine::new(&session.settings, &session.config)?
            .with_look(remote::look(&session.access()))
            .for_suite(&self.name);
        engine.check(server)?;
        Ok((engine, gate))
    }

    async fn run(
        &self,
        place: Place<'_>,
        engine: &Engine,
        gate: &Gate,
        interrupt: Interrupt,
    ) -> Result<SuiteReport> {
        if let Some(expected) = self.fails_to_start {
            return self.expect_start_failure(expected, place, engine, interrupt).await;
        }
        let Settings { purpose, cross_checks, .. } = place.session.settings;
        // Boxed, as they are large.
        let mut measured = match purpose {
            Purpose::Compare => {
                Box::pin(compare(place, engine, &self.loads, gate, interrupt.clone())).await?
            }
            _ => Box::pin(measure(place, engine, &self.loads, gate, interrupt.clone())).await?,
        };
        if cross_checks {
            cross_check(place, engine, &self.loads, &mut measured, interrupt).await?;
        }
        let Measured { loads, gpu_s, short_s } = measured;
        let report = SuiteReport::measured(self.name.clone(), engine.kind(), loads, gpu_s);
        Ok(SuiteReport { short_s, ..report })
    }

    /// Starts a server that must fail to.
    async fn expect_start_failure(
        &self,
        expected: ServerFailure,
        place: Place<'_>,
        engine: &Engine,
        mut interrupt: Interrupt,
    ) -> Result<SuiteReport> {
        let Place { session, server, clock, .. } = place;
        let log = session.log(&self.name, Part::Judged, 1);
        let mut progress = |what: &str| session.doing(&self.name, "", what);
        let started = tokio::select! {
            started = engine.start(server, 1, Some(&log), clock, &mut progress) => started,
            () = interrupt.wait() => return Err(Error::Interrupted(session.run_folder.clone())),
        };
        let (verdict, remark) = match started {
            Err(error) if error.failure() == Some(expected) => {
                (Verdict::Held, format!("failed to start, as expected: {expected}"))
            }
            Err(error) if error.failure().is_some() => (
                Verdict::Regressed,
                format!("expected the start to fail with `{expected}`, but: {error}"),
            ),
            Err(error) => return Err(error.into()),
            Ok(running) => {
                running.stop().await?;
                let what = format!(
                    "the server starts now, and no longer fails with `{expected}`; turn this suite into a measurement"
                );
                (Verdict::Improved, what)
            }
        };
        Ok(SuiteReport::unmeasured(self.name.clone(), engine.kind(), verdict, remark))
    }

    /// Refuses declarations that cannot be run, before anything is started; gives the gate for
    /// those that can.
    fn check(&self, server: &Server, session: &Session) -> Result<Gate> {
        let usage = |message: String| -> Result<Gate> {
            Err(Error::Usage(format!("suite `{}`: {message}", self.name)))
        };
        if !is_file_name(&self.name) {
            return usage(
                "its name becomes a folder, so it may have only letters, digits, `_`, `-` and `.`"
                    .to_owned(),
            );
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
                    "the name of the load `{name}` becomes a file, so it may have only letters, digits, `_`, `-` and `.`"
                ));
            }
            // `X.anchor.starts.json` would be of both.
            if name.ends_with(".anchor") {
                return usage(format!(
                    "the load `{name}` has the name of the files of an anchor, which lie beside the baselines; end its name \
                     with something else than `.anchor`"
                ));
            }
            if self.loads[..index].iter().any(|other| other.declared.name == *name) {
                return usage(format!(
                    "two loads have the name `{name}`; their baselines would overwrite each other"
                ));
            }
            perf_load::check(declared).or_else(|error| usage(error.to_string()).map(drop))?;
            if let Some(guard) = load
                .guards
                .iter()
                .find(|guard| !(guard.slack.fraction() > 0.0 && guard.slack.fraction() < 0.5))
            {
                return usage(format!(
                    "the slack of {} in the load `{name}` is {}; it must be above 0 % and below 50 %",
                    guard.metric.label(),
                    guard.slack
                ));
            }
        }
        let guards = self.loads.iter().map(|load| load.guards.len()).sum::<usize>();
        session.gate(guards)
    }
}

/// What came of a suite.
#[derive(Clone, Debug)]
#[must_use = "call `.hold()`, or the test passes with any verdict"]
pub struct Outcome {
    report: SuiteReport,
    purpose: Purpose,
    /// Whether the command runs this test. The command prints what was skipped; libtest cannot.
    reports_skips: bool,
}

impl Outcome {
    /// Passes if everything held or improved. On a refresh it passes if there was something worth
    /// writing.
    ///
    /// If this machine cannot run the suite, it passes only under `cargo xtask perf`, which prints
    /// that it was skipped. A plain `cargo test` would count it as passed.
    ///
    /// # Errors
    /// If this machine cannot run the suite, and no command reports it.
    ///
    /// # Panics
    /// With the whole report, if a guard does not hold: that is how a test fails.
    pub fn hold(self) -> Result {
        let verdict = self.report.verdict;
        if verdict == Verdict::Skipped && !self.reports_skips {
            return Err(Error::Usage(format!(
                "suite `{}` cannot run here: {}; run it on a machine that has the hardware, or on the simulated engine \
                 (unset {VARIABLE})",
                self.report.suite,
                self.report.remark.as_deref().unwrap_or("hardware is missing")
            )));
        }
        let fulfilled = match self.purpose {
            Purpose::Gate | Purpose::Compare => false,
            Purpose::Refresh => verdict != Verdict::Invalid,
        };
        assert!(
            verdict.is_pass() || verdict == Verdict::Skipped || fulfilled,
            "{verdict}\n\n{}",
            terminal::suite(&self.report)
        );
        Ok(())
    }

    /// The report.
    pub fn report(&self) -> &SuiteReport {
        &self.report
    }
}
