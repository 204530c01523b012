//! The file that says how a run is split over machines: [`write()`] and [`read`].

use std::path::Path;

use perf_model::spec::split::{SCHEMA, Split};
use serde_json::Value;

use crate::atomic::{self, WriteError};
use crate::input_file::{self, InputError, Kind};

/// Writes a split.
pub fn write(path: &Path, split: &Split) -> Result<(), WriteError> {
    let text = serde_json::to_string_pretty(split)
        .map_err(|error| WriteError { path: path.to_owned(), cause: error.into() })?;
    atomic::write(path, &(text + "\n"))
}

/// Reads a split.
pub fn read(path: &Path) -> Result<Split, InputError> {
    let text = input_file::read(path, Kind::Report)?;
    let content: Value =
        serde_json::from_str(&text).map_err(|error| InputError::content(path, &error))?;
    // Before its content, which a newer version may have changed.
    match content["schema"].as_u64() {
        Some(schema) if schema == u64::from(SCHEMA) => {}
        Some(schema) => {
            let why = format!(
                "it has schema {schema}, but this version reads schema {SCHEMA}; split the run again with `cargo xtask perf split`"
            );
            return Err(InputError::content(path, &why));
        }
        None => {
            let why = "it is no split of a run; `cargo xtask perf split` writes one";
            return Err(InputError::content(path, &why));
        }
    }
    serde_json::from_value(content).map_err(|error| InputError::content(path, &error))
}

#[cfg(test)]
mod tests {
    use perf_model::spec::code::Code;
    use perf_model::spec::tier::Tier;

    use super::*;

    #[test]
    fn a_split_is_read_as_it_was_written_and_one_of_another_version_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("split.json");
        let split = Split {
            schema: SCHEMA,
            code: Code::default(),
            tier: Tier::Nightly,
            filters: vec!["chat".into()],
            guards: 7,
            parts: Vec::new(),
            without_machine: Vec::new(),
            left_out: Vec::new(),
        };
        write(&file, &split).unwrap();
        assert_eq!(read(&file).unwrap(), split);
        for (text, said) in [
            (r#"{"schema": 99}"#, "it has schema 99"),
            (r#"{"complete": true}"#, "it is no split of a run"),
            (r#"{"schema": 1}"#, "missing field"),
            ("", "EOF"),
        ] {
            std::fs::write(&file, text).unwrap();
            let why = read(&file).unwrap_err().to_string();
            assert!(why.contains(said), "{why}");
        }
    }
}
