//! The program `perf-load`, which is [`perf_tools::main`].

use std::process::ExitCode;

fn main() -> ExitCode {
    perf_tools::main()
}
