//! What a run was measured with: [`Code`]. Parts of one run must agree on it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The code of a run: the suite, and the commit of the repository with the scenarios.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Code {
    /// The version of this suite.
    pub version: String,
    /// The version of the records that it writes.
    pub record_schema: u32,
    /// The commit of the repository; absent where git does not know it.
    pub commit: Option<String>,
    /// Whether files that git tracks differ from that commit.
    pub is_changed: bool,
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.commit {
            Some(commit) => write!(f, "commit {}", commit.get(..12).unwrap_or(commit))?,
            None => f.write_str("an unknown commit")?,
        }
        if self.is_changed {
            f.write_str(" with changes")?;
        }
        write!(f, ", version {}, records of schema {}", self.version, self.record_schema)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_named_by_commit_version_and_schema() {
        let code = Code {
            version: "0.1.0".into(),
            record_schema: 2,
            commit: Some("0123456789abcdef".into()),
            is_changed: true,
        };
        assert_eq!(
            code.to_string(),
            "commit 0123456789ab with changes, version 0.1.0, records of schema 2"
        );
    }
}
