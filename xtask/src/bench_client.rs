//! `cargo xtask bench-client`: what the load generator costs beside another client, on this
//! machine.
//!
//! The measuring is `perf/load/benches/cost.rs`; this checks what was given, runs it, and hands its
//! table through.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;
use perf_model::judge::exit_code;

/// Examples for `--help`.
pub(crate) const EXAMPLES: &str = "\
Examples:
  cargo xtask bench-client                                               this client alone
  cargo xtask bench-client --peer vllm/vllm-rs --tokenizer models/tiny   beside vLLM's Rust client, from vLLM's wheel
  cargo xtask bench-client --python-peer venv/bin/vllm --tokenizer models/tiny --rows saturated,one";

#[derive(Args)]
pub(crate) struct BenchClient {
    /// A program that takes the options of `vllm-rs bench serve`
    #[arg(long, value_name = "PATH")]
    pub(crate) peer: Option<PathBuf>,

    /// A `vllm` that takes the options of `vllm bench serve`
    #[arg(long, value_name = "PATH")]
    pub(crate) python_peer: Option<PathBuf>,

    /// A model's folder with a tokenizer.json, with which peers draw their prompts
    #[arg(long, value_name = "FOLDER")]
    pub(crate) tokenizer: Option<PathBuf>,

    /// Only rows whose names begin so: saturated, paced, one, burst, memory
    #[arg(long, value_name = "ROWS", value_delimiter = ',', value_parser = ROWS)]
    pub(crate) rows: Vec<String>,

    /// Repetitions of each row, 5 at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=5))]
    pub(crate) repetitions: Option<u32>,
}

/// What the rows of the table begin with.
const ROWS: [&str; 5] = ["saturated", "paced", "one", "burst", "memory"];

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
