//! `perf.toml` in a repository's root: [`read`].

use std::path::Path;

use perf_model::spec::config::Config;

use crate::input_file::{self, InputError, Kind};

/// Reads `perf.toml`; without the file, the defaults.
pub fn read(root: &Path) -> Result<Config, InputError> {
    let path = root.join("perf.toml");
    match input_file::read(&path, Kind::Config) {
        Ok(text) => Config::from_toml(&text).map_err(|why| InputError::content(&path, &why)),
        Err(error) if error.is_missing() => Ok(Config::default()),
        Err(error) => Err(error),
    }
}
