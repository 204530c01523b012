//! From a declared sweep to one that can be measured: what is refused before anything starts, and
//! [`Sweep::run`].

use perf_engine::Engine;
use perf_model::spec::engine_kind::EngineKind;
use perf_model::spec::file_name::is_file_name;
use perf_model::spec::plan::{Plan as SuitePlan, PlannedSweep};
use perf_model::sweep::journal::{Declaration, SCHEMA};
use perf_model::sweep::report::SweepReport;
use perf_store::report_file;

use crate::error::{Error, Result};
use crate::interrupt::UnderWay;
use crate::remote;
use crate::session::Session;
use crate::sweep::cells::{Plan, plan};
use crate::sweep::measure::Measurement;
use crate::sweep::{Sweep, SweepOutcome};

impl Sweep {
    /// Measures every cell, or goes on where a run was killed.
    ///
    /// A plain `cargo test` measures on the simulated engine. `cargo xtask perf sweep NAME` measures
    /// on a real one; no other command does.
    ///
    /// # Errors
    /// When the sweep is declared wrongly, when a run of another declaration is to be continued, and
    /// when the hardware is in use. What is finished is in the journal, and `--resume` goes on.
    pub fn run(self) -> Result<SweepOutcome> {
        let session = Session::open()?;
        self.run_in(&session)
    }

    pub(crate) fn run_in(mut self, session: &Session) -> Result<SweepOutcome> {
        let folder = session.run_folder.join(&self.name);
        let prepared = self.prepare(session);
        if session.settings.plans && is_file_name(&self.name) {
            report_file::write_plan(&folder, &self.as_plan(session, &prepared))?;
        }
        let (plan, mut engine) = prepared?;
        let locks = folder.join("locks");
        if engine.kind() == EngineKind::Simulated {
            // Its GPUs are its own, and other runs have others.
            engine = engine.with_lock_folder(locks.clone());
        }
        let is_of_command = session.settings.run_folder.is_some();
        let is_asked = !is_of_command || session.settings.sweep.is_some();
        if session.settings.plans || !is_asked {
            return Ok(SweepOutcome { report: None, is_of_command });
        }
        let declaration = self.declaration(session, &plan);
        let measurement = Measurement { sweep: &self, plan: &plan, engine: &engine, session };
        let under_way = UnderWay::begin();
        let report: Result<SweepReport> = measurement.run(&declaration);
        if engine.kind() == EngineKind::Simulated {
            // Where only one server was up at once, there is none.
            let _ = std::fs::remove_dir_all(&locks);
        }
        if matches!(report, Err(Error::Interrupted(_))) {
            under_way.end_interrupted();
        }
        Ok(SweepOutcome { report: Some(report?), is_of_command })
    }

    /// Refuses what cannot be run, before anything is started.
    fn prepare(&mut self, session: &Session) -> Result<(Plan, Engine)> {
        let usage = |message: &dyn std::fmt::Display| {
            Error::Usage(format!("sweep `{}`: {message}", self.name))
        };
        if !is_file_name(&self.name) {
            return Err(usage(
                &"its name becomes a folder, so it may have only letters, digits, `_`, `-` and `.`",
            ));
        }
        if self.server.server.model.is_empty() {
            return Err(usage(
                &"the server has no model; add `.server(Vllm::under_test().model(\"…\"))`",
            ));
        }
        if self.goals.is_empty() {
            return Err(usage(&"it has no goal; add `.goal(\"throughput\", output_throughput())`"));
        }
        if self.starts == 0 {
            return Err(usage(&"it has 0 engine starts for each server; give at least one"));
        }
        if self.side_by_side == 0 {
            return Err(usage(&"it allows 0 servers at once; give at least one"));
        }
        for (at, axis) in self.axes.iter().enumerate() {
            axis.check().map_err(|error| usage(&error))?;
            if self.axes[..at].iter().any(|other| other.setting == axis.setting) {
                return Err(usage(&format!("it has the axis `{}` twice; join them", axis.setting)));
            }
            // What a run puts under test is not for a sweep that it does not measure.
            let flag = axis.setting.flag().filter(|_| session.settings.sweep.is_some());
            let Some(flag) = flag else { continue };
            if session.settings.engine == EngineKind::Remote {
                return Err(usage(&format!(
                    "the axis `{}` does nothing with the remote engine, whose server is up already; sweep over concurrency, \
                     rate or lengths",
                    axis.setting
                )));
            }
            let is_it = |word: &&String| word.split('=').next() == Some(flag);
            if session.settings.candidate.arguments.iter().any(|word| is_it(&word)) {
                return Err(usage(&format!(
                    "`{flag}` is an axis and cannot be set on the command line too; take it out of one"
                )));
            }
        }
        let keeps = |cell: &crate::sweep::SweepCell<'_>| self.constraints.iter().all(|is| is(cell));
        let mut plan = plan(&self.axes, &self.server.server, &self.load, keeps)
            .map_err(|error| usage(&error))?;
        if plan.cells.is_empty() {
            return Err(usage(&"its constraints leave out every cell"));
        }
        for cell in &mut plan.cells {
            let declared = &mut cell.load.declared;
            perf_load::check(declared).map_err(|error| usage(&error))?;
            perf_load::identify(declared).map_err(|error| usage(&error))?;
        }
        let engine = Engine::new(&session.settings, &session.config)?
            .with_look(remote::look(&session.access()));
        plan.servers.iter().try_for_each(|server| engine.check(server))?;
        Ok((plan, engine))
    }

    fn as_plan(&self, session: &Session, prepared: &Result<(Plan, Engine)>) -> SuitePlan {
        let server = &self.server.server;
        let plan = prepared.as_ref().ok().map(|(plan, _)| plan);
        SuitePlan {
            suite: self.name.clone(),
            engine: session.settings.engine,
            model: server.model.clone(),
            gpus: plan.map_or(server.gpus, |plan| {
                plan.servers.iter().map(|server| server.gpus).max().unwrap_or_default()
            }),
            refused: prepared.as_ref().err().map(ToString::to_string),
            skipped: None,
            loads: Vec::new(),
            left_out: Vec::new(),
            sweep: Some(PlannedSweep {
                cells: plan.map_or(0, |plan| plan.cells.len()),
                servers: plan.map_or(0, |plan| plan.servers.len()),
            }),
        }
    }

    /// What the cells depend on.
    fn declaration(&self, session: &Session, plan: &Plan) -> Declaration {
        let candidate = &session.settings.candidate;
        let mut under_test = candidate.arguments.clone();
        under_test
            .extend(candidate.environment.iter().map(|(name, value)| format!("{name}={value}")));
        under_test.extend(candidate.image.clone());
        under_test.extend(candidate.server_command.clone());
        under_test.extend(candidate.vllm.as_ref().map(|vllm| vllm.display().to_string()));
        under_test.extend(candidate.inject.clone());
        if session.settings.noise > 0 {
            under_test.push(format!("noise {}", session.settings.noise));
        }
        let cell = |cell: &crate::sweep::cells::Planned| {
            let (server, load) = (&plan.servers[cell.server], &cell.load.declared);
            let environment =
                server.environment.iter().map(|(name, value)| format!("{name}={value}"));
            let words: Vec<String> = server
                .argument_words()
                .into_iter()
                .chain(environment)
                .chain(server.image.clone())
                .chain(server.simulated_profile.clone())
                .collect();
            format!(
                "{} on {} GPUs with {}: {}, {}",
                server.model,
                server.gpus,
                words.join(" "),
                load.describe(),
                load.describe_arrivals()
            )
        };
        Declaration {
            schema: SCHEMA,
            sweep: self.name.clone(),
            engine: session.settings.engine,
            under_test,
            starts: self.starts,
            cells: plan.cells.iter().map(cell).collect(),
        }
    }
}
