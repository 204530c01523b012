//! A run that is a part of a split one: [`Part`].

use std::path::PathBuf;

use anyhow::{Result, bail};
use perf_model::spec::merged;
use perf_model::spec::split::{Split, SplitPart};
use perf_store::split_file;

use crate::cli::PartOf;
use crate::scenarios::{self, Scenario};
use crate::{built, git, runs};

/// The part that a run measures.
pub(crate) struct Part {
    /// The whole.
    pub(crate) split: Split,
    own: SplitPart,
    /// The folder with scenarios that were built before.
    built: Option<PathBuf>,
}

impl Part {
    /// Reads what the command line names, if it names a part.
    pub(crate) fn of(asked: &PartOf) -> Result<Option<Self>> {
        let (Some(file), Some(name)) = (&asked.split, &asked.part) else { return Ok(None) };
        let split = split_file::read(file)?;
        let Some(own) = split.part(name).cloned() else {
            let names: Vec<&str> = split.parts.iter().map(|part| part.name.as_str()).collect();
            bail!(
                "{} has no part `{}`; its parts are: {}",
                file.display(),
                name.escape_debug(),
                names.join(", ")
            );
        };
        Ok(Some(Self { split, own, built: asked.built.clone() }))
    }

    /// The whole names of its scenarios.
    pub(crate) fn scenarios(&self) -> &[String] {
        &self.own.scenarios
    }

    /// Its scenarios, which are built with these Cargo features unless they were built before.
    ///
    /// # Errors
    /// When one is not there: the split was made with other code.
    pub(crate) fn pick(&self, features: &[&str]) -> Result<Vec<Scenario>> {
        let all = match &self.built {
            Some(folder) => built::read(folder)?,
            None => scenarios::pick(&[], features)?,
        };
        let is_there = |name: &&String| all.iter().any(|scenario| scenario.name == **name);
        if let Some(missing) = self.own.scenarios.iter().find(|name| !is_there(name)) {
            bail!(
                "there is no scenario {missing}, which part {} is to measure: the split was made with other code; check out \
                 the same commit, or split the run again",
                self.own.name
            );
        }
        Ok(all.into_iter().filter(|one| self.own.scenarios.contains(&one.name)).collect())
    }

    /// The guards that share the error rate: those of the whole.
    ///
    /// # Errors
    /// When this part has more guards than the split counted for it.
    pub(crate) fn guards(&self, own: usize) -> Result<usize> {
        let (counted, whole) = (self.own.guards as usize, self.split.guards as usize);
        if own > counted {
            bail!(
                "part {} has {own} guards here, and the split counted {counted}: it was made with other code; check out the \
                 same commit, or split the run again",
                self.own.name
            );
        }
        Ok(whole)
    }

    /// What the run says of it.
    pub(crate) fn described(self) -> merged::PartOf {
        let Self { split, own, .. } = self;
        merged::PartOf { name: own.name, code: git::code(&runs::root()), split }
    }
}
