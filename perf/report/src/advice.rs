//! What to do about a verdict: [`advice`]. Every command in it is complete and safe to paste.

use std::borrow::Cow;

use perf_model::judge::report::SuiteReport;
use perf_model::judge::verdict::Verdict;
use perf_model::spec::engine_kind::EngineKind;
use perf_model::spec::gpu_time::GpuTime;
use perf_model::spec::run_request::RunRequest;
use perf_model::spec::settings::{Purpose, Settings, Variant};
use perf_model::spec::tier::Tier;

/// How a run was started, as far as an advised command must repeat it.
#[derive(Clone, Copy, Debug)]
pub struct Invocation<'a> {
    /// The scenarios that were asked for; none for all.
    pub filters: &'a [String],
    /// The tier that was asked for, if one was.
    pub tier: Option<Tier>,
    /// What that, or the default, leaves out.
    pub left_out: &'a [String],
    /// What was asked for, with the budget of the whole run.
    pub settings: &'a Settings,
}

impl<'a> Invocation<'a> {
    /// The invocation that a run was asked for with.
    pub fn of(request: &'a RunRequest) -> Self {
        let RunRequest { filters, tier, left_out, settings, .. } = request;
        Self { filters, tier: *tier, left_out, settings }
    }
}

impl Invocation<'_> {
    /// What is under test, for the reader of a verdict. Values of environment variables stay out of
    /// it: they may be secret.
    pub fn under_test(&self) -> String {
        let Variant { image, vllm, server_command, arguments, environment, inject } =
            &self.settings.candidate;
        let mut parts = vec![format!("engine {}", self.settings.engine)];
        parts.extend(image.as_ref().map(|image| format!("image {image}")));
        parts.extend(vllm.as_ref().map(|vllm| format!("vllm {}", vllm.display())));
        parts.extend(server_command.as_ref().map(|command| format!("server command {command}")));
        parts.extend(self.settings.url.as_ref().map(|url| format!("server {url}")));
        parts.extend(inject.as_ref().map(|faults| format!("--inject {faults}")));
        parts.extend(environment.keys().map(|name| format!("--env {name}")));
        if !arguments.is_empty() {
            parts.push(format!("engine arguments {}", arguments.join(" ")));
        }
        parts.join(", ")
    }

    /// The command that measures again with these options of its own.
    fn measure(&self, options: &[String]) -> String {
        let subcommand = (self.settings.purpose == Purpose::Compare).then_some("compare");
        self.command(subcommand, options)
    }

    /// The command that makes the candidate the baseline.
    fn refresh(&self, options: &[String]) -> String {
        self.command(Some("refresh"), options)
    }

    /// The command that adds a session to the baselines that this run refreshed.
    pub fn add_session(&self) -> String {
        self.refresh(&["--add-session".to_owned()])
    }

    fn command(&self, subcommand: Option<&str>, options: &[String]) -> String {
        let Settings { engine, candidate, base, url, access, models, noise, cross_checks, .. } =
            self.settings;
        let mut words: Vec<String> = ["cargo", "xtask", "perf"].map(str::to_owned).into();
        words.extend(subcommand.map(str::to_owned));
        words.extend(self.filters.iter().cloned());
        let mut option = |name: &str, value: Option<String>| {
            words.extend(value.into_iter().flat_map(|value| [name.to_owned(), value]));
        };
        option("--tier", self.tier.map(|tier| tier.to_string()));
        option("--engine", Some(engine.to_string()));
        let path = |variant: &Variant| variant.vllm.as_ref().map(|path| path.display().to_string());
        if subcommand == Some("compare") {
            option("--base", base.as_ref().map(|base| side(*engine, base)));
            option("--candidate", Some(side(*engine, candidate)));
        } else {
            option("--image", candidate.image.clone());
            option("--vllm", path(candidate));
            option("--server-command", candidate.server_command.clone());
            option("--inject", candidate.inject.clone());
            if subcommand.is_none() {
                option("--base-vllm", base.as_ref().and_then(path));
            }
        }
        for (name, value) in &candidate.environment {
            option("--env", Some(format!("{name}={value}")));
        }
        option("--url", url.clone());
        for (name, value) in &access.headers {
            option("--header", Some(format!("{name}: {value}")));
        }
        option("--ca", access.ca.as_ref().map(|file| file.display().to_string()));
        for metrics in &access.metrics_urls {
            option("--metrics-url", Some(metrics.clone()));
        }
        for (name, folder) in models {
            option("--model", Some(format!("{name}={}", folder.display())));
        }
        words.extend(access.insecure.then(|| "--insecure".to_owned()));
        let mut option = |name: &str, value: Option<String>| {
            words.extend(value.into_iter().flat_map(|value| [name.to_owned(), value]));
        };
        option("--noise", (*noise > 0).then(|| noise.to_string()));
        // Only a judged run has it.
        words.extend((subcommand.is_none() && *cross_checks).then(|| "--cross-check".to_owned()));
        words.extend(options.iter().cloned());
        if !candidate.arguments.is_empty() {
            words.push("--".to_owned());
            words.extend(candidate.arguments.iter().cloned());
        }
        shell(&words)
    }

    /// What the budget that was given lacked for its duets, and a tenth of it for what varies; where that
    /// is not known, twice the budget. In its own unit.
    fn larger_budget(&self, reports: &[SuiteReport]) -> [String; 2] {
        let budget = self.settings.budget;
        let short_s: f64 = reports.iter().map(|report| report.short_s).sum();
        let larger = match (budget.gpu_s, budget.starts) {
            (Some(gpu_s), _) if short_s > 0.0 => {
                GpuTime::at_least(1.1 * (gpu_s + short_s)).to_string()
            }
            (Some(gpu_s), _) => format!("{:.0}m", (gpu_s / 30.0).ceil()),
            (None, Some(starts)) => starts.saturating_mul(2).to_string(),
            (None, None) if self.settings.purpose == Purpose::Compare => {
                (2 * perf_gate::COMPARISON_PAIRS).to_string()
            }
            (None, None) => "16".to_owned(),
        };
        ["--budget".to_owned(), larger]
    }
}

/// A side of a comparison, as `--base` and `--candidate` name it.
fn side(engine: EngineKind, variant: &Variant) -> String {
    let vllm = || variant.vllm.as_ref().map(|path| path.display().to_string());
    let name = match engine {
        EngineKind::Docker => variant.image.clone(),
        EngineKind::Process => variant.server_command.clone().or_else(vllm),
        EngineKind::Simulated | EngineKind::Remote => variant.inject.clone(),
    };
    name.unwrap_or_else(|| "none".to_owned())
}

/// The words as a shell reads them.
fn shell(words: &[String]) -> String {
    let plain = |word: &str| {
        let safe =
            |character: char| character.is_ascii_alphanumeric() || "_-./:=,@%+".contains(character);
        !word.is_empty() && word.chars().all(safe)
    };
    let quoted = words.iter().map(|word| {
        if plain(word) {
            return Cow::Borrowed(word.as_str());
        }
        Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")))
    });
    quoted.collect::<Vec<_>>().join(" ")
}

/// What to do about the verdict of a run; `None` where there is nothing to do.
pub(crate) fn advice(
    verdict: Verdict,
    reports: &[SuiteReport],
    run: &Invocation<'_>,
) -> Option<String> {
    let Settings { purpose, candidate, .. } = run.settings;
    let changes_baseline = !matches!(
        verdict,
        Verdict::Held
            | Verdict::Skipped
            | Verdict::Inconclusive
            | Verdict::Invalid
            | Verdict::Creep
    );
    if changes_baseline && *purpose == Purpose::Compare {
        return None;
    }
    if let (true, Some(faults)) = (changes_baseline, &candidate.inject) {
        return Some(format!(
            "this run injected faults (`--inject {faults}`); do not change a baseline because of it"
        ));
    }
    let refresh = || run.refresh(&[]);
    Some(match verdict {
        Verdict::Held | Verdict::Skipped => return None,
        Verdict::Improved => format!(
            "better than the baseline; to guard the gain, run `{}` and commit the baselines",
            refresh()
        ),
        Verdict::Regressed => format!(
            "to accept the loss, run `{}`, commit the baselines, and give the reason in the pull request",
            refresh()
        ),
        Verdict::Creep => format!(
            "several small losses add up; to accept their sum, run `{}` followed by your reason, and commit the anchors",
            reset_anchors(reports)
        ),
        Verdict::Stale => format!(
            "better than the baseline for too long; run `{}` and commit the baselines",
            refresh()
        ),
        Verdict::Inconclusive if *purpose == Purpose::Compare => format!(
            "allow more engine starts (`{}`), or run on a quieter machine",
            run.measure(&run.larger_budget(reports))
        ),
        Verdict::Inconclusive if reports.iter().any(|report| report.short_s > 0.0) => format!(
            "the budget ended before a duet could decide; run `{}`",
            run.measure(&run.larger_budget(reports))
        ),
        Verdict::Inconclusive => format!(
            "allow more engine starts (`{}`), run on a quieter machine, or add a session to the baseline with the vLLM \
             that it was measured on (`refresh --add-session`)",
            run.measure(&run.larger_budget(reports))
        ),
        Verdict::Invalid => format!(
            "no verdict; fix the problems above, then run `{}` again",
            run.measure(&budget(run.settings))
        ),
        Verdict::Unrecorded => {
            format!("no baseline yet; run `{}` and commit the new files", refresh())
        }
        Verdict::Incomparable => format!(
            "if the change is intended, run `{}`, commit the baselines, and give the reason in the pull request",
            refresh()
        ),
    })
}

/// The budget as it was given.
fn budget(settings: &Settings) -> Vec<String> {
    let text = match (settings.budget.gpu_s, settings.budget.starts) {
        (Some(gpu_s), _) => format!("{gpu_s}s"),
        (None, Some(starts)) => starts.to_string(),
        (None, None) => return Vec::new(),
    };
    vec!["--budget".to_owned(), text]
}

/// The command that moves the anchors of the loads that crept; its reason is left to the reader.
fn reset_anchors(reports: &[SuiteReport]) -> String {
    let mut words: Vec<String> = ["cargo", "xtask", "perf", "accept"].map(str::to_owned).into();
    let crept = reports.iter().flat_map(|report| &report.loads);
    let crept = crept.filter(|load| load.verdict == Verdict::Creep);
    words.extend(crept.map(|load| load.baseline_file.trim_start_matches("baselines/").to_owned()));
    words.extend(["--reset-anchor", "--reason"].map(str::to_owned));
    shell(&words)
}

#[cfg(test)]
mod tests {
    use perf_model::spec::access::Access;
    use perf_model::spec::settings::Budget;

    use super::*;

    fn settings() -> Settings {
        Settings {
            engine: EngineKind::Docker,
            candidate: Variant {
                image: Some("vllm/vllm-openai:v0.32.0".into()),
                arguments: vec!["--max-num-seqs".into(), "128".into()],
                environment: [("NOTE".to_owned(), "it's new".to_owned())].into(),
                ..Variant::default()
            },
            ..Settings::default()
        }
    }

    fn text(verdict: Verdict, settings: &Settings) -> Option<String> {
        let filters = ["gpu_smoke".to_owned()];
        advice(verdict, &[], &Invocation { filters: &filters, tier: None, left_out: &[], settings })
    }

    #[test]
    fn an_advised_command_repeats_filter_engine_candidate_and_arguments() {
        let command = "`cargo xtask perf refresh gpu_smoke --engine docker --image vllm/vllm-openai:v0.32.0 \
                       --env 'NOTE=it'\\''s new' -- --max-num-seqs 128`";
        for verdict in [Verdict::Regressed, Verdict::Improved, Verdict::Unrecorded] {
            let advice = text(verdict, &settings()).unwrap();
            assert!(advice.contains(command), "{advice}");
        }
    }

    #[test]
    fn a_run_with_a_cross_check_is_repeated_with_it_and_refreshed_without() {
        let settings = Settings { cross_checks: true, ..settings() };
        assert!(text(Verdict::Invalid, &settings).unwrap().contains(" --cross-check -- --max"));
        assert!(!text(Verdict::Regressed, &settings).unwrap().contains("--cross-check"));
    }

    #[test]
    fn a_server_that_is_up_is_reached_in_the_same_way_again() {
        let access = Access {
            headers: [("x-key".to_owned(), "env:TEAM_KEY".to_owned())].into(),
            ca: Some("/etc/ssl/team.pem".into()),
            insecure: true,
            metrics_urls: vec!["http://h:1/metrics".to_owned()],
            ..Access::default()
        };
        let url = Some("https://h".to_owned());
        let settings = Settings { engine: EngineKind::Remote, url, access, ..Settings::default() };
        let said = text(Verdict::Inconclusive, &settings).unwrap();
        let wanted = "--engine remote --url https://h --header 'x-key: env:TEAM_KEY' --ca /etc/ssl/team.pem --metrics-url \
                      http://h:1/metrics --insecure --budget";
        assert!(said.contains(wanted), "{said}");
    }

    #[test]
    fn a_larger_budget_is_in_the_unit_that_was_given() {
        let with = |budget: Budget| {
            let settings = Settings { budget, ..Settings::default() };
            text(Verdict::Inconclusive, &settings).unwrap()
        };
        let minutes = with(Budget { gpu_s: Some(14.0 * 60.0), starts: None });
        assert!(
            minutes.contains("`cargo xtask perf gpu_smoke --engine simulated --budget 28m`"),
            "{minutes}"
        );
        let starts = with(Budget { gpu_s: None, starts: Some(5) });
        assert!(starts.contains("--budget 10`"), "{starts}");
    }

    #[test]
    fn a_budget_that_ended_a_duet_is_raised_by_what_the_duet_lacked() {
        let gpu_s = Some(3_600.0);
        let settings = Settings { budget: Budget { gpu_s, starts: None }, ..Settings::default() };
        let run = Invocation { filters: &[], tier: None, left_out: &[], settings: &settings };
        let suite = |short_s: f64| SuiteReport {
            short_s,
            ..SuiteReport::measured("s".into(), EngineKind::Docker, Vec::new(), 60.0)
        };
        let said = advice(Verdict::Inconclusive, &[suite(0.0), suite(600.0)], &run).unwrap();
        assert_eq!(
            said,
            "the budget ended before a duet could decide; run `cargo xtask perf --engine simulated --budget 1.3h`"
        );
    }

    #[test]
    fn an_injected_fault_is_never_advised_as_a_baseline() {
        let candidate = Variant { inject: Some("decode=1.05".into()), ..Variant::default() };
        let settings = Settings { candidate, ..Settings::default() };
        let advice = text(Verdict::Regressed, &settings).unwrap();
        assert!(advice.contains("--inject decode=1.05") && !advice.contains("refresh"), "{advice}");
        let filters = [];
        let run = Invocation { filters: &filters, tier: None, left_out: &[], settings: &settings };
        assert_eq!(run.under_test(), "engine simulated, --inject decode=1.05");
    }

    #[test]
    fn what_is_under_test_names_variables_and_hides_their_values() {
        let filters = [];
        let run =
            Invocation { filters: &filters, tier: None, left_out: &[], settings: &settings() };
        assert_eq!(
            run.under_test(),
            "engine docker, image vllm/vllm-openai:v0.32.0, --env NOTE, engine arguments --max-num-seqs 128"
        );
    }

    #[test]
    fn a_comparison_is_never_advised_as_a_baseline_and_repeats_both_sides() {
        let settings = Settings {
            purpose: Purpose::Compare,
            base: Some(Variant { inject: Some("decode=1.05".into()), ..Variant::default() }),
            ..Settings::default()
        };
        assert_eq!(text(Verdict::Regressed, &settings), None);
        let advice = text(Verdict::Inconclusive, &settings).unwrap();
        assert!(
            advice.contains(
                "`cargo xtask perf compare gpu_smoke --engine simulated --base decode=1.05 --candidate none --budget 24`"
            ),
            "{advice}"
        );
    }
}
