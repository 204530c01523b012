//! `cargo xtask perf`, `refresh` and `compare`: pick an engine, run the scenarios, show what came
//! of them.

use std::collections::BTreeSet;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use perf_model::judge::baseline::{Baseline, GOOD_SESSIONS};
use perf_model::judge::exit_code;
use perf_model::judge::gate as model;
use perf_model::judge::report::SuiteReport;
use perf_model::judge::verdict::Verdict;
use perf_model::spec::config::Config;
use perf_model::spec::engine_kind::EngineKind;
use perf_model::spec::plan::{Plan, PlannedLoad};
use perf_model::spec::run_request::RunRequest;
use perf_model::spec::settings::{Purpose, Settings};
use perf_report::terminal::{Cost, SuiteCost};
use perf_report::{Invocation, Overview, terminal};
use perf_store::runs::{write_request, write_settings};
use perf_store::{config_file, report_file};

use crate::cli::{Compare, Gate, On, Refresh};
use crate::error::unmeasurable;
use crate::interrupt::Interrupt;
use crate::live::Live;
use crate::part::Part;
use crate::scenario_run::{Planned, Progress, plan, run_scenario};
use crate::scenarios::Scenario;
use crate::settings::{Asked, pick_engine};
use crate::stdout::say;
use crate::{
    detect, estimate, formats, refresh_summary, runs, scenarios, side_by_side, staleness, tiers,
};

/// Measures and judges.
pub(crate) fn gate(asked: &Gate) -> Result<u8> {
    let part = Part::of(&asked.part_of)?;
    run(&asked.on, part, |_| Ok(Asked::gate(asked)))
}

/// Measures and writes the baselines.
pub(crate) fn refresh(asked: &Refresh) -> Result<u8> {
    run(&asked.on, None, |_| Ok(Asked::refresh(asked)))
}

/// Measures two variants in turn.
pub(crate) fn compare(asked: &Compare) -> Result<u8> {
    run(&asked.on, None, |engine| Asked::compare(asked, engine))
}

fn run<'a>(
    on: &On,
    part: Option<Part>,
    asked: impl FnOnce(EngineKind) -> Result<Asked<'a>>,
) -> Result<u8> {
    let config = read_config()?;
    let Some(engine) = pick_engine(on)? else {
        return Ok(exit_code::MISSING);
    };
    let mut settings = asked(engine)?.settings(engine)?;
    if let Some(part) = &part {
        settings.tier = part.split.tier;
    }
    tiers::budget(&mut settings, &config);
    let features = scenarios::features(&settings, &config, detect::nvml());
    let picked = match &part {
        Some(part) => part.pick(&features)?,
        None => scenarios::pick(&on.filters, &features)?,
    };
    let folder = runs::begin()?;
    settings.run_folder = Some(folder.clone());
    let interrupt = Interrupt::listen()?;
    let run = match prepare(&picked, part.as_ref(), &mut settings, &config, &folder, &interrupt) {
        Ok(ControlFlow::Continue(run)) => run,
        // Nothing was measured, so there is nothing to keep.
        stopped => {
            let _ = std::fs::remove_dir_all(&folder);
            return stopped.map(|code| code.break_value().unwrap_or(exit_code::HELD));
        }
    };

    let asked = settings.clone();
    let request = RunRequest {
        filters: part.as_ref().map_or(&on.filters[..], Part::scenarios).to_vec(),
        tier: part.as_ref().map(|part| part.split.tier).or(on.tier),
        left_out: run.left_out.clone(),
        requires_hardware: on.require.is_some(),
        settings: asked,
        part: part.map(Part::described),
        merged: None,
    };
    write_request(&folder, &settings, &request, false).map_err(unmeasurable)?;
    let said = terminal::estimate(&run.costs, settings.budget.gpu_s);
    if !said.is_empty() {
        eprint!("{said}");
    }
    let estimate = (!run.costs.is_empty()).then(|| Cost::of(&run.costs).time());
    let begun = Instant::now();
    let reports = measure((&run.measured, estimate), &settings, &config, &folder, &interrupt)?;
    let took = begun.elapsed();
    if settings.purpose == Purpose::Refresh {
        let add_session = Invocation::of(&request).add_session();
        let Run { loads, before, gate, .. } = &run;
        refresh_summary::on(&runs::root(), loads, before, &folder, gate, &add_session)?
            .iter()
            .for_each(say);
        terminal::left_out(settings.tier, &run.left_out).iter().for_each(say);
        if !on.filters.is_empty() {
            say("only the scenarios asked for were measured; the other baselines did not change");
        }
    }
    if interrupt.asked() {
        // The write fails if the terminal is gone.
        let _ = writeln!(
            std::io::stderr(),
            "interrupted; what was measured so far is kept in {}",
            folder.display()
        );
        return Ok(exit_code::INTERRUPTED);
    }
    write_request(&folder, &settings, &request, true).map_err(unmeasurable)?;
    let code = close(&reports, &request, &folder, took);
    if settings.purpose != Purpose::Refresh {
        formats::write_reports(&folder)?;
    }
    Ok(code)
}

/// Measures the scenarios, and shows each when it and all before it have ended.
fn measure(
    (scenarios, estimate): (&[Planned], Option<Duration>),
    settings: &Settings,
    config: &Config,
    folder: &Path,
    interrupt: &Interrupt,
) -> Result<Vec<SuiteReport>> {
    let at_once = side_by_side::most(settings);
    let live = Live::begin(scenarios.len(), estimate);
    let progress = match &live {
        _ if at_once > 1 => Progress::Kept,
        Some(live) => Progress::Live(live),
        None => Progress::Plain,
    };
    let budget = Mutex::new(settings.budget);
    let budget = || budget.lock().unwrap_or_else(PoisonError::into_inner);
    let mut reports = Vec::new();
    side_by_side::in_order(
        scenarios,
        at_once,
        |planned| {
            interrupt.unless_asked(|| {
                let name = &planned.scenario.name;
                let settings = Settings { budget: *budget(), ..settings.clone() };
                if let Some(live) = &live {
                    live.scenario(name, planned.gpus, settings.budget.gpu_s);
                }
                if let Progress::Plain = progress {
                    eprintln!("{name}");
                }
                let measured = run_scenario(planned, &settings, folder, interrupt, progress);
                if let Some(live) = &live {
                    live.ended(name);
                }
                measured
            })
        },
        |planned, ended| {
            let Some(measured) = ended? else { return Ok(false) };
            // On a terminal, the line showed it.
            if let (Progress::Kept, None) = (progress, &live) {
                eprint!("{}\n{}", planned.scenario.name, measured.progress);
            }
            for mut report in measured.reports {
                // What this suite took is gone for those after it.
                if let Some(left) = &mut budget().gpu_s {
                    *left = (*left - report.gpu_s).max(0.0);
                }
                if settings.purpose == Purpose::Gate {
                    staleness::complete(&mut report, config);
                    // The file must say what the exit code says.
                    report_file::rewrite(folder, &report).map_err(unmeasurable)?;
                }
                // A refresh writes baselines. It compares with the old ones at its end, and gives no
                // verdict.
                if settings.purpose != Purpose::Refresh || report.verdict == Verdict::Invalid {
                    say(terminal::brief(&report));
                }
                reports.push(report);
            }
            Ok(true)
        },
    )?;
    Ok(reports)
}

/// What is to be measured.
struct Run {
    /// The scenarios of which the tier leaves anything.
    measured: Vec<Planned>,
    /// What the tier leaves out.
    left_out: Vec<String>,
    /// The loads that this machine can run.
    loads: Vec<PlannedLoad>,
    /// Their baselines before the run, those that can be read.
    before: Vec<Baseline>,
    /// What each suite costs if nothing changed.
    costs: Vec<SuiteCost>,
    gate: model::Gate,
}

/// Plans the run, and writes down what was asked for. Gives an exit code where measuring would be
/// to no use, which has been said then.
fn prepare(
    picked: &[Scenario],
    part: Option<&Part>,
    settings: &mut Settings,
    config: &Config,
    folder: &Path,
    interrupt: &Interrupt,
) -> Result<ControlFlow<u8, Run>> {
    let plans = plan(picked, settings, &folder.join("plan"), interrupt)?;
    if interrupt.asked() {
        let _ = writeln!(std::io::stderr(), "interrupted before anything was measured");
        return Ok(ControlFlow::Break(exit_code::INTERRUPTED));
    }
    let left_out = tiers::left_out(&plans, settings.tier)?;
    let mut is_measured: Vec<bool> = plans.iter().map(|plans| tiers::measures(plans)).collect();
    if settings.adds_session && add_only_where_wanted(&plans, &mut is_measured) {
        return Ok(ControlFlow::Break(exit_code::HELD));
    }
    let sweep = plans.iter().flatten().find(|plan| plan.sweep.is_some());
    if let (Some(sweep), false) = (sweep, is_measured.contains(&true)) {
        bail!("`{0}` is a sweep; measure it with `cargo xtask perf sweep {0}`", sweep.suite);
    }
    let measured =
        picked.iter().zip(&plans).zip(is_measured).filter(|(_, is_measured)| *is_measured);
    let measured =
        measured.map(|((scenario, plans), _)| Planned::new(scenario.clone(), plans)).collect();
    let runnable: Vec<Plan> =
        plans.into_iter().flatten().filter(|plan| plan.skipped.is_none()).collect();
    let loads: Vec<PlannedLoad> = runnable.iter().flat_map(|plan| plan.loads.clone()).collect();
    // What is true of many baselines is said once.
    let notes: BTreeSet<&String> =
        loads.iter().filter_map(|load| load.baseline.note.as_ref()).collect();
    for note in notes {
        eprintln!("warning: {note}");
    }
    let faults: Vec<&String> =
        loads.iter().filter_map(|load| load.baseline.fault.as_ref()).collect();
    for fault in &faults {
        eprintln!("error: {fault}");
    }
    if !faults.is_empty() {
        eprintln!("nothing was measured");
        return Ok(ControlFlow::Break(exit_code::INVALID));
    }
    let own = loads.iter().map(|load| load.guards.len()).sum::<usize>();
    // The guards of all parts share the error rate of the whole.
    let guards = part.map_or(Ok(own), |part| part.guards(own))?.max(1);
    settings.checks = Some(u32::try_from(guards).unwrap_or(u32::MAX));
    let gate = model::Gate::of_run(&config.gate, guards, settings.budget.starts)?;
    write_settings(folder, settings, false).map_err(unmeasurable)?;
    let recorded = loads.iter().filter(|load| load.baseline.is_recorded);
    let file = |load: &PlannedLoad| runs::root().join(&load.baseline.file);
    let before: Vec<Baseline> =
        recorded.filter_map(|load| runs::baseline(&file(load)).ok()).collect();
    let costs = estimate::suites(&runnable, &before, &gate, settings, config);
    Ok(ControlFlow::Continue(Run { measured, left_out, loads, before, costs, gate }))
}

/// Leaves out what has as many sessions as a good baseline needs, so that the same command can run
/// every night. Whether nothing is left.
fn add_only_where_wanted(plans: &[Vec<Plan>], is_measured: &mut [bool]) -> bool {
    let sessions = |load: &PlannedLoad| {
        let baseline = runs::baseline(&runs::root().join(&load.baseline.file)).ok();
        baseline.filter(|_| load.baseline.is_recorded).map_or(0, |baseline| baseline.rests_on().1)
    };
    for (plans, is_measured) in plans.iter().zip(is_measured.iter_mut()) {
        let mut loads = plans
            .iter()
            .filter(|plan| plan.skipped.is_none())
            .flat_map(|plan| &plan.loads)
            .peekable();
        if *is_measured
            && loads.peek().is_some()
            && loads.all(|load| sessions(load) >= GOOD_SESSIONS)
        {
            *is_measured = false;
            for plan in plans {
                say(format!("{}: complete, {GOOD_SESSIONS} sessions", plan.suite));
            }
        }
    }
    !is_measured.contains(&true)
}

/// Prints the result of the whole and gives its exit code.
fn close(reports: &[SuiteReport], request: &RunRequest, folder: &Path, took: Duration) -> u8 {
    let took = format!("took {}", terminal::span(took));
    if request.settings.purpose == Purpose::Refresh {
        let is_invalid = |report: &&SuiteReport| report.verdict == Verdict::Invalid;
        let invalid = reports.iter().filter(is_invalid).count();
        let gpu_s: f64 = reports.iter().map(|report| report.gpu_s).sum();
        say(format!("{took}, used {:.1} GPU-min", gpu_s / 60.0));
        say(format!("records in {}", folder.display()));
        if invalid > 0 {
            say(format!("{invalid} of {} suites gave no valid measurement", reports.len()));
        }
        return if invalid > 0 { exit_code::INVALID } else { exit_code::HELD };
    }
    let run = Overview { reports, request: Some(request), is_complete: true };
    say(format!("{}{took}\nrecords in {}", terminal::closing(&run), folder.display()));
    run.exit_code()
}

/// Reads `perf.toml`, so that a fault in it is reported before anything is built.
pub(crate) fn read_config() -> Result<Config> {
    Ok(config_file::read(&runs::root())?)
}
