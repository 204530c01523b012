//! Tries the gate, as it is shipped, on simulated suites whose truth is known, and holds it to its
//! aims.
//!
//!     cargo bench -p vllm-perf-gate --bench lab [-- [--suites N | --quick] [ROW …]]
//!     cargo bench -p vllm-perf-gate --bench lab -- [--suites N | --quick] clock
//!
//! The second is the study of the clock as a covariate: a table of its own, of what is not shipped.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench prints its table to stdout and unwraps its own set-up"
)]

mod clock;
mod clock_rows;
mod covariate;
mod figures;
mod histories;
mod judging;
mod percentile;
mod rivals;
mod rows;
mod sides;
mod table;
mod tally;
mod trial;
mod world;

use std::process::ExitCode;

/// What names the study of the clock, which is a table of its own and without aims.
const CLOCK: &str = "clock";

fn main() -> ExitCode {
    let (mut suites, mut wanted) = (4_000, vec![]);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--suites" => suites = arguments.next().unwrap().parse().unwrap(),
            "--quick" => suites = 300,
            // What cargo itself passes.
            "--bench" => {}
            name => wanted.push(name.to_owned()),
        }
    }
    if wanted == [CLOCK] {
        clock_rows::print(suites);
        return ExitCode::SUCCESS;
    }
    rows::print(suites, &wanted)
}
