//! `cargo xtask perf` in this repository.

use std::process::ExitCode;

use perf_cli::Repository;

fn main() -> ExitCode {
    perf_cli::main(Repository {
        root: Repository::root_above(env!("CARGO_MANIFEST_DIR")),
        scenarios_package: "perf-tests".to_owned(),
        tools_package: "perf-load".to_owned(),
        tools_program: "perf-load".to_owned(),
    })
}
