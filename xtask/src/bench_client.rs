//! `cargo xtask bench-client`: what the load generator costs beside another client, on this
//! machine.
//!
//! The measuring is `perf/load/benches/cost.rs`; this checks what was given, runs it, and hands its
//! table through.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::cli::BenchClient;
use perf_model::judge::exit_code;

/// Runs the bench; its failure is a failure to measure.
pub(crate) fn bench_client(asked: &BenchClient) -> Result<u8> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["bench", "--package", "vllm-perf-load", "--bench", "cost"]);
    for (option, variable, path) in [
        ("--peer", "PERF_PEER", &asked.peer),
        ("--python-peer", "PERF_PYTHON_PEER", &asked.python_peer),
    ] {
        if let Some(path) = path {
            command.env(variable, program(option, path)?);
        }
    }
    if let Some(folder) = &asked.tokenizer {
        if !folder.join("tokenizer.json").is_file() {
            bail!(
                "--tokenizer {} holds no tokenizer.json; name the folder of a model",
                folder.display()
            );
        }
        command.env("PERF_TOKENIZER", whole(folder)?);
    } else if asked.peer.is_some() || asked.python_peer.is_some() {
        bail!(
            "a peer draws its prompts with a tokenizer; give --tokenizer FOLDER, a model's folder with tokenizer.json"
        );
    }
    if !asked.rows.is_empty() {
        command.env("PERF_ROWS", asked.rows.join(","));
    }
    if let Some(repetitions) = asked.repetitions {
        command.env("PERF_REPETITIONS", repetitions.to_string());
    }
    let status = command.status().context("cannot run cargo; is it installed?")?;
    Ok(if status.success() { exit_code::HELD } else { exit_code::INVALID })
}

/// A peer's program, which must be there before minutes are spent on building.
fn program(option: &str, path: &Path) -> Result<PathBuf> {
    if !path.is_file() {
        bail!(
            "{option} {} is no file; name the peer's program, such as the wheel's vllm/vllm-rs",
            path.display()
        );
    }
    whole(path)
}

/// The bench runs in its package's folder, where a relative path would lead elsewhere.
fn whole(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("cannot make {} absolute", path.display()))
}
