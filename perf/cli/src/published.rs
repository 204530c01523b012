//! `cargo xtask perf published`: the field reports' suites on the simulated engine, published
//! figures beside measured ones.

use anyhow::{Result, bail};
use perf_model::judge::exit_code;
use perf_model::judge::verdict::Verdict;
use perf_model::spec::engine_kind::EngineKind;
use perf_model::spec::settings::{Purpose, Settings, SweepRequest};
use perf_report::terminal::{self, FieldReport};
use perf_store::sweep_file;

use crate::cli::Published;
use crate::interrupt::Interrupt;
use crate::scenario_run::{Measured, Planned, Progress, plan, run_scenario};
use crate::scenarios::Scenario;
use crate::stdout::say;
use crate::{runs, scenarios, side_by_side};

/// Measures the field reports that are asked for, or all, and prints the comparison. No difference
/// fails: a published figure is one run, and its noise is unknown.
pub(crate) fn published(asked: &Published) -> Result<u8> {
    let known = scenarios::pick(&[], scenarios::features_for(EngineKind::Simulated, false))?;
    let known: Vec<Scenario> =
        known.into_iter().filter(|scenario| report_of(&scenario.name).is_some()).collect();
    if known.is_empty() {
        bail!(
            "no scenario here is a field report; the files of those are called f1_NAME.rs, f2_NAME.rs, …"
        );
    }
    let is_asked = |report: &str| {
        asked.reports.is_empty() || asked.reports.iter().any(|one| one.eq_ignore_ascii_case(report))
    };
    for report in &asked.reports {
        let is_known = |scenario: &Scenario| {
            report_of(&scenario.name).is_some_and(|known| known.eq_ignore_ascii_case(report))
        };
        if !known.iter().any(is_known) {
            bail!("there is no field report `{report}`; there are: {}", names(&known));
        }
    }
    let folder = runs::begin()?;
    let settings = Settings {
        engine: EngineKind::Simulated,
        purpose: Purpose::Gate,
        // A report of many settings is a sweep.
        sweep: Some(SweepRequest::default()),
        run_folder: Some(folder.clone()),
        ..Settings::default()
    };
    let interrupt = Interrupt::listen()?;
    let is_wanted =
        |scenario: &Scenario| report_of(&scenario.name).is_some_and(|report| is_asked(&report));
    let wanted: Vec<Scenario> = known.into_iter().filter(is_wanted).collect();
    let plans = plan(&wanted, &settings, &folder.join("plan"), &interrupt)?;
    let planned = wanted.into_iter().zip(&plans);
    let planned: Vec<Planned> =
        planned.map(|(scenario, plans)| Planned::new(scenario, plans)).collect();
    let mut found: Vec<FieldReport> = Vec::new();
    let mut unmeasured = false;
    side_by_side::in_order(
        &planned,
        side_by_side::most(&settings),
        |planned| {
            let measure = || run_scenario(planned, &settings, &folder, &interrupt, Progress::Kept);
            interrupt.unless_asked(measure)
        },
        |planned, ended| {
            let Some(Measured { reports: suites, progress }) = ended? else { return Ok(false) };
            eprint!("{progress}");
            let scenario = &planned.scenario;
            for suite in suites.iter().filter(|suite| suite.verdict == Verdict::Invalid) {
                unmeasured = true;
                say(terminal::suite(suite));
            }
            let name = report_of(&scenario.name).unwrap_or_default();
            let file = scenario.name.split("::").next().unwrap_or_default().to_owned();
            match found.last_mut().filter(|last| last.name == name) {
                Some(last) => last.suites.extend(suites),
                None if suites.is_empty() => {}
                None => found.push(FieldReport { name, file, suites }),
            }
            Ok(true)
        },
    )?;
    if interrupt.asked() {
        return Ok(exit_code::INTERRUPTED);
    }
    if !found.is_empty() {
        say(terminal::published(&found).trim_end());
    }
    for path in sweep_file::all_in(&folder)? {
        say(format!("\n{}", terminal::sweep_page(&sweep_file::read(&path)?)));
    }
    Ok(if unmeasured { exit_code::INVALID } else { exit_code::HELD })
}

/// The field report that a scenario belongs to: `F1` for `f1_qwen::wave`.
fn report_of(scenario: &str) -> Option<String> {
    let digits: String =
        scenario.strip_prefix('f')?.chars().take_while(char::is_ascii_digit).collect();
    let is_report = !digits.is_empty() && scenario[1 + digits.len()..].starts_with('_');
    is_report.then(|| format!("F{digits}"))
}

fn names(scenarios: &[Scenario]) -> String {
    let mut names: Vec<String> =
        scenarios.iter().filter_map(|scenario| report_of(&scenario.name)).collect();
    names.dedup();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::report_of;

    #[test]
    fn a_file_that_begins_with_f_and_a_number_is_a_field_report() {
        assert_eq!(report_of("f1_qwen2_5::wave").as_deref(), Some("F1"));
        for other in ["fast_chat::one", "f_1::one", "cpu_smoke::f1_"] {
            assert_eq!(report_of(other), None, "{other}");
        }
    }
}
