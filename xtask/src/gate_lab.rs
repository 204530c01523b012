//! `cargo xtask gate-lab`: how often the gate errs, measured on the shipped code.

use std::ffi::OsString;
use std::process::Command;

use anyhow::{Context, Result};
use perf_model::judge::exit_code;

use crate::root;

/// The study of the statistics alone, then whole runs through the front door. Fails if a promise is
/// not kept.
pub(crate) fn gate_lab(options: &[OsString]) -> Result<u8> {
    let study = bench(&["--package", "vllm-perf-gate", "--bench", "lab"], options)?;
    if !options.is_empty() {
        return Ok(study);
    }
    // The profile of the tests: what is slow is optimised in it too, and it is built already.
    let runs =
        bench(&["--package", "vllm-perf", "--bench", "front_door", "--profile", "dev"], &[])?;
    Ok(study.max(runs))
}

fn bench(which: &[&str], options: &[OsString]) -> Result<u8> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.arg("bench").args(which).arg("--").args(options).current_dir(root());
    let status = cargo.status().context("cannot run cargo")?;
    Ok(if status.success() { exit_code::HELD } else { exit_code::REGRESSED })
}
