//! Scenarios that were built before, in a folder that can be taken to another machine: [`keep`] writes
//! it, [`read`] takes them from it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use perf_store::atomic::{self, WriteError};
use perf_store::input_file::{self, Kind};

use crate::error::unmeasurable;
use crate::scenarios::{self, Scenario};

/// The list of the programs: the file of each scenario in `tests/`, and the name of its program.
const LIST: &str = "scenarios.json";

/// Copies the programs of these scenarios into a folder.
pub(crate) fn keep(scenarios: &[Scenario], folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(WriteError::of(folder)).map_err(unmeasurable)?;
    let mut programs: BTreeMap<&str, &Path> = BTreeMap::new();
    for scenario in scenarios {
        programs.insert(scenario.file(), &scenario.binary);
    }
    for (file, binary) in &programs {
        let place = folder.join(file);
        fs::copy(binary, &place).map_err(WriteError::of(&place)).map_err(unmeasurable)?;
    }
    let names: Vec<&str> = programs.into_keys().collect();
    atomic::write(&folder.join(LIST), &serde_json::to_string_pretty(&names)?).map_err(unmeasurable)
}

/// All scenarios of a folder that [`keep`] wrote.
pub(crate) fn read(folder: &Path) -> Result<Vec<Scenario>> {
    let list = folder.join(LIST);
    let text = input_file::read(&list, Kind::Report)?;
    let names: Vec<String> = serde_json::from_str(&text)
        .with_context(|| format!("{} lists no scenarios", list.display()))?;
    let mut all = Vec::new();
    for name in names {
        let binary = folder.join(&name);
        if !perf_model::spec::file_name::is_file_name(&name) || !binary.is_file() {
            bail!("{} names {name:?}, which is no program beside it", list.display());
        }
        let binary = binary
            .canonicalize()
            .with_context(|| format!("cannot look at {}", binary.display()))?;
        all.extend(scenarios::tests_of(&name, &binary)?);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_the_programs_that_it_lists_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read(folder.path()).unwrap_err().to_string().contains("scenarios.json"));
        for (list, said) in
            [("{}", "lists no scenarios"), (r#"["gone"]"#, "names \"gone\""), (r#"["../x"]"#, "x")]
        {
            fs::write(folder.path().join(LIST), list).unwrap();
            assert!(read(folder.path()).unwrap_err().to_string().contains(said), "{list}");
        }
    }
}
