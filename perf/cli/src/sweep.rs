//! `cargo xtask perf sweep`: measures declared sweeps or one from the command line, and goes on with
//! a run that was not finished.

use std::path::Path;

use anyhow::{Context, Result, bail};
use perf_model::judge::exit_code;
use perf_model::spec::engine_kind::EngineKind;
use perf_model::spec::settings::{OneOffSweep, Settings, SweepRequest};
use perf_model::sweep::axis::Axis;
use perf_report::terminal;
use perf_store::{runs as store, sweep_file};

use crate::cli::{On, OneOff, Sweep};
use crate::error::unmeasurable;
use crate::interrupt::Interrupt;
use crate::live::{Live, above};
use crate::scenario_run::{Progress, plan, run_test};
use crate::scenarios::Scenario;
use crate::settings::{Asked, pick_engine};
use crate::stdout::say;
use crate::{detect, filters, measure, runs, scenarios};

/// A sweep that is to be measured: the scenario that declares it, and its name.
struct Picked {
    scenario: Scenario,
    sweep: String,
}

/// Measures what was asked for.
pub(crate) fn sweep(asked: &Sweep) -> Result<u8> {
    let config = measure::read_config()?;
    let mut settings = match &asked.resume {
        Some(run) => resumed(run, asked)?,
        None => match begun(asked)? {
            Some(settings) => settings,
            None => return Ok(exit_code::MISSING),
        },
    };
    let interrupt = Interrupt::listen()?;
    let features = scenarios::features(&settings, &config, detect::nvml());
    let known = scenarios::pick(&[], &features)?;
    let picked = pick(known, &settings, &interrupt)?;
    if interrupt.asked() {
        return Ok(exit_code::INTERRUPTED);
    }
    let folder = match &settings.run_folder {
        Some(folder) => folder.clone(),
        None => runs::begin()?,
    };
    settings.run_folder = Some(folder.clone());
    let remember =
        |complete| store::write_settings(&folder, &settings, complete).map_err(unmeasurable);
    remember(false)?;
    let (mut failed, mut left) = (false, false);
    let live = Live::begin(picked.len(), None);
    for Picked { scenario, sweep } in &picked {
        if interrupt.asked() {
            break;
        }
        let progress = live.as_ref().map_or(Progress::Plain, Progress::Live);
        match &live {
            Some(live) => live.scenario(sweep, 0, None),
            None => eprintln!("{} ({sweep})", scenario.name),
        }
        let ended = run_test(scenario, &settings, &folder, &interrupt, progress)?;
        if let Some(live) = &live {
            live.ended(sweep);
        }
        let report = folder.join(sweep).join("sweep.json");
        if !ended.succeeded && !interrupt.asked() {
            above(|| eprintln!("error: {}", ended.cause));
            failed = true;
        }
        if report.is_file() {
            let report = sweep_file::read(&report)?;
            left |= report.counts().2 > 0;
            say(terminal::sweep_page(&report));
        }
    }
    drop(live);
    let number = folder.file_name().unwrap_or(folder.as_os_str()).display();
    let resume = format!("go on with `cargo xtask perf sweep --resume {number}`");
    say(format!("records, sweep.json and sweep.csv in {}", folder.display()));
    if interrupt.asked() {
        eprintln!("interrupted; {resume}");
        return Ok(exit_code::INTERRUPTED);
    }
    if failed {
        return Ok(exit_code::INVALID);
    }
    if left {
        say(format!("not every cell was run; {resume}"));
        return Ok(exit_code::INCONCLUSIVE);
    }
    remember(true)?;
    Ok(exit_code::HELD)
}

/// The settings of a run that goes on: its own.
fn resumed(run: &str, asked: &Sweep) -> Result<Settings> {
    let folder = runs::find(run)?;
    let mut settings = store::read_settings(&folder)?;
    let Some(sweep) = &mut settings.sweep else {
        bail!(
            "{} is not a run of `cargo xtask perf sweep`; only sweeps can go on",
            folder.display()
        );
    };
    sweep.resumes = true;
    sweep.side_by_side = asked.side_by_side.or(sweep.side_by_side);
    settings.run_folder = Some(folder);
    if let Some(budget) = asked.budget {
        settings.budget = budget;
    }
    Ok(settings)
}

/// The settings of a new run; none where the hardware that is required is missing.
fn begun(asked: &Sweep) -> Result<Option<Settings>> {
    let pairs = asked.model.iter().filter_map(|model| model.split_once('='));
    let on = On {
        filters: asked.filters.clone(),
        tier: None,
        engine: asked.engine,
        url: asked.url.clone(),
        reach: asked.reach.clone(),
        model: pairs.map(|(name, folder)| (name.to_owned(), folder.to_owned())).collect(),
        require: asked.require,
        noise: asked.noise,
        wait: asked.wait,
    };
    let one_off = one_off(asked)?;
    let Some(engine) = pick_engine(&on)? else { return Ok(None) };
    let mut settings =
        Asked::sweep(&on, &asked.under_test, asked.budget.unwrap_or_default()).settings(engine)?;
    let gpus = u8::from(detect::gpus() > 0 && engine != EngineKind::Remote);
    let one_off =
        one_off.map(|one_off| OneOffSweep { gpus: asked.one_off.gpus.unwrap_or(gpus), ..one_off });
    let request = SweepRequest {
        filters: asked.filters.clone(),
        resumes: false,
        one_off,
        side_by_side: asked.side_by_side,
    };
    hint(&request);
    settings.sweep = Some(request);
    Ok(Some(settings))
}

/// The sweep of the command line, if it declares one.
fn one_off(asked: &Sweep) -> Result<Option<OneOffSweep>> {
    let OneOff {
        axes,
        input,
        output,
        requests,
        concurrency,
        starts,
        lateness_limit,
        simulated_as,
        ..
    } = &asked.one_off;
    if axes.is_empty() {
        if let Some(model) = asked.model.iter().find(|model| !model.contains('=')) {
            bail!(
                "--model {model} declares a sweep that needs an axis: --axis concurrency=1,8,32; for a declared sweep, give \
                 --model NAME=FOLDER"
            );
        }
        return Ok(None);
    }
    if !asked.filters.is_empty() {
        bail!("--axis declares a sweep of its own; leave out `{}`", asked.filters.join(" "));
    }
    for axis in axes {
        axis.parse::<Axis>()?;
    }
    let model = asked.model.first().context("a sweep with --axis needs a model: --model NAME")?;
    let name = model.split_once('=').map_or(model.as_str(), |(name, _)| name);
    Ok(Some(OneOffSweep {
        model: name.to_owned(),
        gpus: 0,
        axes: axes.clone(),
        input: *input,
        output: *output,
        requests: *requests,
        concurrency: *concurrency,
        starts: *starts,
        lateness_limit_ms: *lateness_limit,
        simulated_as: simulated_as.clone(),
    }))
}

/// Names the last run if it is of the same sweep and was not finished.
fn hint(request: &SweepRequest) {
    let Ok(last) = runs::find("last") else { return };
    let same = store::read_settings(&last).is_ok_and(|settings| {
        settings.sweep.is_some_and(|sweep| {
            sweep.filters == request.filters && sweep.one_off == request.one_off
        })
    });
    if same && store::was_interrupted(&last) {
        let number = last.file_name().unwrap_or(last.as_os_str()).display();
        eprintln!(
            "note: run {number} of this sweep was not finished; --resume {number} goes on with it"
        );
    }
}

/// The scenarios that declare what was asked for. Only their plans say which these are.
fn pick(known: Vec<Scenario>, settings: &Settings, interrupt: &Interrupt) -> Result<Vec<Picked>> {
    let request = settings.sweep.clone().unwrap_or_default();
    let is_one_off = request.one_off.is_some();
    let scratch = std::env::temp_dir().join(format!("perf-sweep-plan-{}", std::process::id()));
    let (mut picked, mut others, mut faults) = (Vec::new(), Vec::new(), Vec::new());
    for scenario in known {
        if interrupt.asked() {
            break;
        }
        let is_named =
            |name: &str| !request.filters.is_empty() && filters::matches(name, &request.filters);
        match plan(std::slice::from_ref(&scenario), settings, &scratch, interrupt) {
            Ok(plans) => {
                for plan in plans.into_iter().flatten().filter(|plan| plan.sweep.is_some()) {
                    let wanted = if is_one_off {
                        plan.suite == ONE_OFF
                    } else {
                        is_named(&plan.suite) || is_named(&scenario.name)
                    };
                    if wanted {
                        picked.push(Picked { scenario: scenario.clone(), sweep: plan.suite });
                    } else {
                        others.push(plan.suite);
                    }
                }
            }
            // What another scenario cannot do on this engine is of no interest here.
            Err(why) => {
                let text = format!("{why:#}");
                let is_of_sweep = text.starts_with(&format!("sweep `{ONE_OFF}`"));
                if is_named(&scenario.name) || (is_one_off && is_of_sweep) {
                    faults.push(why);
                }
            }
        }
    }
    let _ = std::fs::remove_dir_all(scratch);
    if !picked.is_empty() || interrupt.asked() {
        return Ok(picked);
    }
    if let Some(why) = faults.into_iter().next() {
        return Err(why);
    }
    if is_one_off {
        bail!(
            "no test in tests/ measures a sweep of the command line; add one that calls `Sweep::from_command_line`"
        );
    }
    let list = if others.is_empty() { "none".to_owned() } else { others.join(", ") };
    if request.filters.is_empty() {
        bail!("name a sweep, or declare one with --model and --axis; declared are: {list}");
    }
    bail!("no sweep has `{}` in its name; declared are: {list}", request.filters.join("` or `"))
}

/// The name of a sweep from the command line.
const ONE_OFF: &str = "one-off";

/// Prints the sweeps of a run again; gives whether there is one. Records of a sweep are too many to
/// be shown unasked.
pub(crate) fn show(run: &Path, asked: &[String]) -> Result<bool> {
    let mut has_sweep = false;
    for path in sweep_file::all_in(run)? {
        match sweep_file::read(&path) {
            Ok(report) if filters::matches(&report.name, asked) => {
                has_sweep = true;
                say(terminal::sweep_page(&report));
            }
            Ok(_) => {}
            Err(why) => eprintln!("error: {why}"),
        }
    }
    Ok(has_sweep)
}
