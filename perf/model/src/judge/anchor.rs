//! What the sum of all accepted changes is held against: [`Anchor`].
//!
//! A baseline moves with every accepted change, and so do small losses with it. The anchor stays
//! where it is until somebody moves it and says why; its file lies beside the baseline's.

use std::path::{Path, PathBuf};

use crate::judge::baseline::{Baseline, BaselineError};

/// A baseline that only an explicit, reasoned reset moves.
#[derive(Clone, Debug, PartialEq)]
pub struct Anchor {
    /// Why it stands where it stands.
    pub reason: String,
    /// What was measured there.
    pub baseline: Baseline,
}

/// What was found where the anchor should be.
#[derive(Clone, Debug, PartialEq)]
pub enum AnchorLookup {
    /// An anchor.
    At(Box<Anchor>),
    /// No file: nothing is held against the sum of changes.
    Nowhere,
    /// A file that cannot be used, and why.
    Unusable(String),
}

/// The file of the anchor beside a baseline's file.
pub fn anchor_file(baseline: &Path) -> PathBuf {
    baseline.with_extension("anchor.yaml")
}

impl Anchor {
    /// The text of the file.
    pub fn to_text(&self) -> String {
        format!(
            "reason: {}\n{}",
            serde_json::Value::from(self.reason.as_str()),
            self.baseline.to_yaml()
        )
    }

    /// Reads the text of a file.
    pub fn from_text(text: &str) -> Result<Self, BaselineError> {
        let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
        let reason =
            first.strip_prefix("reason: ").and_then(|reason| serde_json::from_str(reason).ok());
        let reason = reason.ok_or_else(|| {
            BaselineError::Unreadable(format!("its first line is `{first}`, not its reason"))
        })?;
        Ok(Self { reason, baseline: Baseline::from_yaml(rest)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_anchor_without_its_reason_or_with_a_cut_baseline_is_refused() {
        for text in ["", "reason: because\n", "schema: 2\n", "reason: \"because\"\nschema: 2\n"] {
            assert!(Anchor::from_text(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_anchor_lies_beside_its_baseline() {
        assert_eq!(
            anchor_file(Path::new("b/s/only-1.5.snap")),
            Path::new("b/s/only-1.5.anchor.yaml")
        );
    }
}
