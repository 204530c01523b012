//! `cargo xtask perf load`: builds the load generator's own program and hands the command line on
//! to it.
//!
//! It is a program of its own because it speaks HTTP, which takes a minute to compile, and this one
//! must not.

use std::ffi::OsString;
use std::process::Command;

use anyhow::{Context, Result};
use perf_model::judge::exit_code;

use crate::interrupt::Interrupt;
use crate::repository::{self, Repository};
use crate::{artifacts, cargo_features, measure, runs};

/// The options that put no load on anything.
const TALK: [&str; 4] = ["-h", "--help", "-V", "--version"];

/// Runs it; its exit code is ours.
pub(crate) fn load(arguments: &[OsString]) -> Result<u8> {
    let Repository { tools_package: package, tools_program: name, .. } = repository::get();
    let config = measure::read_config()?;
    let is_encrypted = |text: &OsString| text.to_string_lossy().contains("https://");
    // Of the workspace: a package alone has other features of its dependencies, and all of it would
    // be built a second time.
    let mut command_line = vec!["build", "--workspace", "--bin", name];
    let tls = format!("{package}/tls");
    if arguments.iter().any(is_encrypted) || config.remote.needs_tls("") {
        cargo_features::check(package, &["tls"], "vllm-perf-tools")?;
        eprintln!("building with TLS support");
        command_line.extend(["--features", &tls]);
    }
    let built = artifacts::build(&command_line, "the load generator does")?;
    let program = built
        .into_iter()
        .filter(|artifact| artifact.target.name == *name)
        .find_map(|artifact| artifact.executable);
    let program = program.with_context(|| {
        format!("the package `{package}` has no program `{name}`; `perf load` needs it")
    })?;
    let mut command = Command::new(&program);
    let talks = arguments.is_empty()
        || arguments.iter().any(|argument| TALK.iter().any(|talk| argument == talk));
    let folder = if talks { None } else { Some(runs::begin()?) };
    if let Some(folder) = &folder {
        command.arg("--records").arg(folder).arg("--root").arg(runs::root());
    }
    let interrupt = Interrupt::listen()?;
    let child = command
        .args(arguments)
        .spawn()
        .with_context(|| format!("cannot run {}", program.display()))?;
    let status = interrupt.wait(child)?.status;
    if let Some(folder) = folder {
        // Only an empty folder can be removed so: one in which nothing was recorded.
        let _ = std::fs::remove_dir(folder);
    }
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(exit_code::INVALID))
}
