//! A stand-in for NVIDIA's management library (NVML), which plays GPUs from a [`Script`]. For tests on
//! machines without a GPU.
//!
//! A test copies it under the name of the real library ([`install`]) and starts a program with that
//! folder in `LD_LIBRARY_PATH` and the path of the script in [`VARIABLE`]; the program loads it as it
//! loads the real one. This is the only crate of the workspace with unsafe code.

mod calls;
mod monitoring;
mod script;

use std::io;
use std::path::{Path, PathBuf};

pub use script::{Curve, Device, Process, Script, Slowed};

/// Names the file with the script.
pub const VARIABLE: &str = "PERF_FAKE_NVML";

/// Copies the library into a folder under the name of the real one.
///
/// # Errors
/// When it was not built, or cannot be copied.
pub fn install(folder: &Path) -> io::Result<()> {
    let to = folder.join("libnvidia-ml.so.1");
    std::fs::copy(library()?, to).map(drop)
}

/// Where Cargo puts the library: beside the test programs.
fn library() -> io::Result<PathBuf> {
    let program = std::env::current_exe()?;
    let folders = program.ancestors().skip(1).take(2);
    let places = folders.map(|folder| folder.join("libperf_fake_nvml.so"));
    let missing = || io::Error::other("libperf_fake_nvml.so is not beside this test program");
    places.into_iter().find(|path| path.is_file()).ok_or_else(missing)
}
