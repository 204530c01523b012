//! What `cargo xtask perf` exits with, one code for each thing that a script may want to tell
//! apart.

use crate::judge::verdict::Verdict;

/// Everything held or improved.
pub const HELD: u8 = 0;
/// At least one guard regressed.
pub const REGRESSED: u8 = 1;
/// The command line or `perf.toml` is wrong.
pub const USAGE: u8 = 2;
/// Too noisy to tell, or too few starts.
pub const INCONCLUSIVE: u8 = 3;
/// Could not be measured or judged: a server did not start, requests failed, counts disagree, a
/// baseline cannot be read, records cannot be written.
pub const INVALID: u8 = 4;
/// No baseline yet.
pub const UNRECORDED: u8 = 5;
/// The baseline is of another machine, model, workload or argument.
pub const INCOMPARABLE: u8 = 6;
/// Hardware or Docker that was required is missing, or nothing that was asked for can run here.
pub const MISSING: u8 = 7;
/// The losses accepted since the anchor add up to more than the slack.
pub const CREEP: u8 = 8;
/// The results have been better than the baseline for too long without a refresh.
pub const STALE: u8 = 9;
/// Interrupted with Ctrl-C: 128 + SIGINT.
pub const INTERRUPTED: u8 = 130;

/// The table of exit codes as `--help` shows it.
pub const HELP: &str = "\
Exit codes:
  0    every guard held or improved
  1    REGRESSED: worse than the baseline by more than its noise and the slack explain
  2    the command line or perf.toml is wrong
  3    INCONCLUSIVE: the budget was used up before a decision
  4    INVALID: a server did not start, requests failed, counts disagree, a baseline cannot be
       read, or records cannot be written
  5    UNRECORDED: there is no baseline yet
  6    INCOMPARABLE: the baseline is of another machine, model, workload or argument
  7    skipped: required hardware or Docker is missing, or nothing asked for can run here
  8    CREEP: the losses accepted since the anchor add up to more than the slack
  9    STALE: better than the baseline for too long; refresh it
  130  interrupted";

/// The exit code of a verdict.
pub fn code(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Held | Verdict::Improved => HELD,
        Verdict::Skipped => MISSING,
        Verdict::Inconclusive => INCONCLUSIVE,
        Verdict::Unrecorded => UNRECORDED,
        Verdict::Incomparable => INCOMPARABLE,
        Verdict::Invalid => INVALID,
        Verdict::Stale => STALE,
        Verdict::Creep => CREEP,
        Verdict::Regressed => REGRESSED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_names_every_code_of_a_verdict() {
        use Verdict::{
            Creep, Held, Incomparable, Inconclusive, Invalid, Regressed, Skipped, Stale, Unrecorded,
        };
        for verdict in [
            Held,
            Skipped,
            Inconclusive,
            Unrecorded,
            Incomparable,
            Invalid,
            Stale,
            Creep,
            Regressed,
        ] {
            let line = format!("\n  {}  ", code(verdict));
            assert!(HELP.contains(&line), "{verdict}: {line:?}");
        }
    }
}
