//! The folder of the package that runs: [`package_folder`].

use std::path::PathBuf;

/// The folder of the package whose test or program runs. cargo names it in `CARGO_MANIFEST_DIR`;
/// without cargo it is the folder in which the program was built.
pub fn package_folder(built_in: &str) -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from(built_in), PathBuf::from)
}
