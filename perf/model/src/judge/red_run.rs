//! What people found out about runs that were red: [`RedRun`], a line of a file in the repository, and the
//! [`Tally`] of them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::judge::verdict::Verdict;

/// The version of the lines.
pub const SCHEMA: u32 = 1;

/// What a red run was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The software became worse, and that was or will be corrected.
    Real,
    /// Nothing changed: a false alarm.
    Noise,
    /// The software became worse, and that was accepted.
    Accepted,
}

/// A red run, and what it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedRun {
    /// The version of this line.
    pub schema: u32,
    /// The run: a hash of its reports, the same on every machine.
    pub run: String,
    /// The day on which it was classified, such as `2026-11-28`.
    pub day: String,
    /// Its verdict.
    pub verdict: Verdict,
    /// What it was.
    pub cause: Cause,
    /// The guards that were red, as `suite / load, figure`.
    pub guards: Vec<String>,
    /// How that is known.
    pub reason: String,
}

/// Whether a run of this verdict is red: it was measured, and the build must not go on.
pub fn is_red(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Regressed | Verdict::Creep | Verdict::Stale)
}

/// Why a line cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}; correct it, or restore the file from git")]
pub struct RedRunError {
    /// Its number, from 1.
    pub line: usize,
    /// What is wrong.
    pub why: String,
}

/// Reads the lines of the file.
///
/// # Errors
/// When one cannot be read, is of a newer version, or names a run that an earlier one names.
pub fn parse(text: &str) -> Result<Vec<RedRun>, RedRunError> {
    let mut runs: Vec<RedRun> = Vec::new();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let wrong = |why: String| RedRunError { line: at + 1, why };
        let run: RedRun = serde_json::from_str(line).map_err(|error| wrong(error.to_string()))?;
        if run.schema > SCHEMA {
            let schema = run.schema;
            return Err(wrong(format!(
                "it has schema {schema}, but this version reads schema {SCHEMA} at most"
            )));
        }
        if runs.iter().any(|before| before.run == run.run) {
            return Err(wrong(format!("it classifies run {} again", run.run)));
        }
        runs.push(run);
    }
    Ok(runs)
}

/// How many red runs were what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Real losses.
    pub real: usize,
    /// False alarms.
    pub noise: usize,
    /// Losses that were accepted.
    pub accepted: usize,
}

impl Tally {
    /// Counts them.
    pub fn of(runs: &[RedRun]) -> Self {
        let count = |cause| runs.iter().filter(|run| run.cause == cause).count();
        Self {
            real: count(Cause::Real),
            noise: count(Cause::Noise),
            accepted: count(Cause::Accepted),
        }
    }

    /// All of them.
    pub fn all(&self) -> usize {
        self.real + self.noise + self.accepted
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (all, Self { real, noise, accepted }) = (self.all(), *self);
        let (runs, was) = if all == 1 { ("run", "was") } else { ("runs", "were") };
        write!(f, "of {all} red {runs} {noise} {was} noise, {real} real, {accepted} accepted")
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Real => "real",
            Self::Noise => "noise",
            Self::Accepted => "accepted",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(name: &str, cause: Cause) -> RedRun {
        RedRun {
            schema: SCHEMA,
            run: name.into(),
            day: "2026-11-28".into(),
            verdict: Verdict::Regressed,
            cause,
            guards: vec!["s / l, E2E P50".into()],
            reason: "the driver was updating".into(),
        }
    }

    fn lines(runs: &[RedRun]) -> String {
        runs.iter()
            .map(|run| serde_json::to_string(run).unwrap() + "\n")
            .collect::<Vec<_>>()
            .concat()
    }

    #[test]
    fn lines_are_read_and_counted() {
        let runs = [run("a", Cause::Noise), run("b", Cause::Real), run("c", Cause::Noise)];
        let read = parse(&(lines(&runs) + "\n")).unwrap();
        assert_eq!(read, runs);
        assert_eq!(Tally::of(&read).to_string(), "of 3 red runs 2 were noise, 1 real, 0 accepted");
        assert_eq!(
            Tally::of(&read[..1]).to_string(),
            "of 1 red run 1 was noise, 0 real, 0 accepted"
        );
        assert_eq!(parse("").unwrap(), []);
    }

    #[test]
    fn a_line_that_is_cut_newer_or_classifies_a_run_again_is_named() {
        let twice = lines(&[run("a", Cause::Noise), run("a", Cause::Real)]);
        assert!(parse(&twice).unwrap_err().to_string().starts_with("line 2: it classifies run a"));
        let newer = lines(&[run("a", Cause::Noise)]).replace("\"schema\":1", "\"schema\":9");
        assert!(parse(&newer).unwrap_err().to_string().contains("it has schema 9"));
        assert_eq!(parse("\n{\"schema\":1\n").unwrap_err().line, 2);
    }

    #[test]
    fn only_what_was_measured_and_stops_a_build_is_red() {
        use Verdict::{Creep, Held, Improved, Inconclusive, Invalid, Regressed, Skipped, Stale};
        assert!([Regressed, Creep, Stale].into_iter().all(is_red));
        assert!(![Held, Improved, Inconclusive, Invalid, Skipped].into_iter().any(is_red));
    }
}
