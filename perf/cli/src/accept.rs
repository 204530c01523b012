//! `cargo xtask perf accept`: baselines that a run measured, here or on another machine, become
//! this checkout's.

use std::path::Path;

use anyhow::{Context, Result, bail};
use perf_model::judge::baseline::Baseline;
use perf_model::judge::exit_code;
use perf_model::spec::file_name::is_file_name;
use perf_store::baselines::write;
use perf_store::input_file::escaped;
use perf_store::lock::Lock;
use perf_store::runs::was_interrupted;

use crate::cli::Accept;
use crate::stdout::say;
use crate::{anchors, runs};

/// Takes the baselines of a run, and moves the anchors where that was asked for.
pub(crate) fn accept(asked: &Accept) -> Result<u8> {
    if let Some(from) = &asked.from {
        take(from, &asked.filters)?;
    }
    if let (true, Some(reason)) = (asked.reset_anchor, &asked.reason) {
        anchors::reset(&asked.filters, reason)?;
    }
    say("review them with `git diff 'baselines/*.snap'`, and say in the commit why they changed");
    Ok(exit_code::HELD)
}

/// Checks every baseline of the run before it writes the first.
fn take(from: &str, filters: &[String]) -> Result<()> {
    let run = runs::find(from)?;
    let source = run.join("baselines");
    if !source.is_dir() {
        bail!(
            "{} holds no baselines: what was judged never becomes one, so measure afresh with `cargo xtask perf refresh`",
            run.display()
        );
    }
    let mut accepted = Vec::new();
    for (name, path) in runs::baselines(&source, filters)? {
        let baseline = check(&name, &path)
            .with_context(|| format!("{} is not taken, and nothing else", escaped(&path)))?;
        accepted.push((name, baseline));
    }
    if was_interrupted(&run) {
        eprintln!(
            "warning: {} was interrupted; what it did not come to measure is not in it",
            run.display()
        );
    }
    for (name, baseline) in accepted {
        let file = runs::root().join("baselines").join(&name);
        write(&Lock::on(&file)?, &file, &baseline)?;
        say(format!("wrote baselines/{name}"));
    }
    Ok(())
}

/// A baseline must be readable, and lie where its content says that it belongs.
fn check(name: &str, file: &Path) -> Result<Baseline> {
    let baseline = runs::baseline(file)?;
    if let Some(name) =
        [&baseline.suite, &baseline.load].into_iter().find(|name| !is_file_name(name))
    {
        bail!("its suite or load is called {name:?}; give letters, digits, `_`, `-` and `.` only");
    }
    let place = Path::new(&baseline.fingerprint.folder())
        .join(&baseline.suite)
        .join(format!("{}.snap", baseline.load));
    if place != Path::new(name) {
        bail!("it says that it is {}, and lies at {name}", place.display());
    }
    Ok(baseline)
}
