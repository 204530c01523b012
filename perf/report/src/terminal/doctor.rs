//! What `cargo xtask perf doctor` found on a machine: [`doctor`], from [`Check`]s.

use perf_model::spec::engine_kind::EngineKind;

use super::wrap::{WIDTH, columns, wrapped};

/// How much a check matters to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// As it should be.
    Ok,
    /// A run is possible; its figures may suffer, or a part of the scenarios may fail.
    Note,
    /// A run on the engine asked for would end without a result.
    Problem,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// How much it matters.
    pub severity: Severity,
    /// What was found, and where.
    pub what: String,
    /// What to do about it; nothing where all is well.
    pub remedy: Option<String>,
}

impl Check {
    /// Something that is as it should be.
    pub fn ok(what: impl Into<String>) -> Self {
        Self { severity: Severity::Ok, what: what.into(), remedy: None }
    }

    /// Something that does not stop a run, and what to do about it.
    pub fn note(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { severity: Severity::Note, what: what.into(), remedy: Some(remedy.into()) }
    }

    /// Something that stops a run, and what to do about it.
    pub fn problem(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { severity: Severity::Problem, ..Self::note(what, remedy) }
    }

    /// A problem where it stops a run, otherwise a note.
    pub fn problem_if(stops: bool, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        if stops { Self::problem(what, remedy) } else { Self::note(what, remedy) }
    }
}

/// The checks, problems last, each with its remedy on the next line, and whether a run is possible. No
/// line is wider than 80 columns unless a single word is, or a message that has lines of its own.
pub fn doctor(engine: EngineKind, checks: &[Check]) -> String {
    let mut sorted: Vec<&Check> = checks.iter().collect();
    sorted.sort_by_key(|check| check.severity);
    let mut text = String::new();
    for check in &sorted {
        let word = match check.severity {
            Severity::Ok => "ok",
            Severity::Note => "note",
            Severity::Problem => "PROBLEM",
        };
        text.push_str(&item(&format!("{word:<9}"), &check.what));
        if let Some(remedy) = &check.remedy {
            text.push_str(&item("       → ", remedy));
        }
    }
    let count = |severity| sorted.iter().filter(|check| check.severity == severity).count();
    let notes = counted(count(Severity::Note), "note");
    let last = match count(Severity::Problem) {
        0 => format!("nothing stops a run on the engine {engine} ({notes})"),
        1 => format!("1 problem stops a run on the engine {engine} ({notes})"),
        many => format!("{many} problems stop a run on the engine {engine} ({notes})"),
    };
    text.push('\n');
    text.push_str(&wrapped(&last, ""));
    text
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Text behind a mark, under which its further lines are indented. A text of several lines, such as a
/// parser's message that points at a column, keeps them as they are.
fn item(mark: &str, text: &str) -> String {
    let indent = " ".repeat(mark.chars().count());
    if text.contains('\n') {
        let lines = text.trim_end().lines().map(str::trim_end).collect::<Vec<_>>();
        return format!("{mark}{}\n", lines.join(&format!("\n{indent}")));
    }
    let (mut lines, mut line) = (String::new(), mark.to_owned());
    for word in text.split_whitespace() {
        let is_empty = line == mark || line == indent;
        if !is_empty && columns(&line) + 1 + columns(word) > WIDTH {
            lines.push_str(&line);
            lines.push('\n');
            line.clone_from(&indent);
        } else if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
    }
    format!("{lines}{line}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checks() -> Vec<Check> {
        vec![
            Check::problem(
                "GPU 0 (NVIDIA H200) is in use by process 4242 (python3, 81920 MiB), and a run leases only GPUs that nothing \
                 else computes on",
                "end it (`kill 4242`), or let the run wait for it with `--wait=30m`",
            ),
            Check::ok("perf.toml can be read"),
            Check::note(
                "GPU 0 (NVIDIA H200): persistence mode is off, so that the driver is loaded anew for each server",
                "`sudo nvidia-smi -i 0 -pm 1`",
            ),
            Check::ok("Docker 28.2.2 answers"),
        ]
    }

    #[test]
    fn problems_come_last_and_each_has_its_remedy() {
        let text = doctor(EngineKind::Docker, &checks());
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        insta::assert_snapshot!(text);
    }

    #[test]
    fn a_machine_without_a_problem_is_said_to_have_none() {
        let checks = [Check::ok("perf.toml can be read")];
        insta::assert_snapshot!(doctor(EngineKind::Simulated, &checks));
    }

    #[test]
    fn a_message_that_points_at_a_column_keeps_its_lines() {
        let checks = [Check::problem(
            "perf.toml: TOML parse error\n  |\n1 | strats = 5\n  | ^^^^^^",
            "correct it",
        )];
        let text = doctor(EngineKind::Docker, &checks);
        assert!(text.contains("\n         1 | strats = 5\n           | ^^^^^^\n"), "{text}");
    }

    #[test]
    fn several_problems_are_counted() {
        let checks = [checks()[0].clone(), checks()[0].clone()];
        assert!(
            doctor(EngineKind::Docker, &checks)
                .ends_with("\n2 problems stop a run on the engine docker (0 notes)\n")
        );
    }
}
