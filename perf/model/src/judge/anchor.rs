//! What the sum of all accepted changes is held against: [`Anchor`].
//!
//! A baseline moves with every accepted change, and so do small losses with it. The anchor stays
//! where it is until somebody moves it and says why; its file lies beside the baseline's.

use std::path::{Path, PathBuf};

use crate::judge::baseline::{Baseline, BaselineError, Sessions, StartsFile, Texts};
use crate::spec::metric::Metric;

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
    /// The texts of the file and of the engine starts beside it.
    pub fn to_texts(&self) -> Texts {
        let Texts { snapshot, starts } = self.baseline.to_texts();
        let reason = serde_json::Value::from(self.reason.as_str());
        Texts { snapshot: format!("reason: {reason}\n{snapshot}"), starts }
    }

    /// This anchor with the sessions that were added to its baseline since, if `baseline` is that: of
    /// the same, with the anchor's sessions as its first ones and others after them. `None` if it is
    /// not, or if nothing was added.
    ///
    /// More sessions of the same say better where the anchor is, and do not move it: an anchor of one
    /// session could prove no creep, however many the baseline has. What was measured afresh is
    /// another baseline, even of the same image, and leaves the anchor where it is.
    #[must_use]
    pub fn grown(&self, baseline: &Baseline) -> Option<Self> {
        let has_grown = |(metric, sessions): (&Metric, &Sessions)| {
            let own = self.baseline.sessions(*metric);
            !own.is_empty() && own.len() < sessions.len() && sessions.starts_with(own)
        };
        let is_extended = !baseline.metrics.is_empty()
            && baseline.metrics.iter().all(has_grown)
            && self.baseline.differences(baseline).is_empty();
        is_extended.then(|| Self { reason: self.reason.clone(), baseline: baseline.clone() })
    }

    /// Reads the text of a file, with the engine starts beside it.
    ///
    /// # Errors
    /// When it has no reason, or its baseline cannot be used.
    pub fn from_texts(text: &str, starts: &StartsFile<'_>) -> Result<Self, BaselineError> {
        let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
        let reason =
            first.strip_prefix("reason: ").and_then(|reason| serde_json::from_str(reason).ok());
        let reason = reason.ok_or_else(|| {
            BaselineError::Unreadable(format!("its first line is `{first}`, not its reason"))
        })?;
        Ok(Self { reason, baseline: Baseline::from_texts(rest, starts)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_anchor_without_its_reason_or_with_a_cut_baseline_is_refused() {
        for text in ["", "reason: because\n", "schema: 4\n", "reason: \"because\"\nschema: 4\n"] {
            let starts = StartsFile { name: "l.anchor.starts.json", text: Ok("{}") };
            assert!(Anchor::from_texts(text, &starts).is_err(), "{text:?}");
        }
    }

    #[test]
    fn an_anchor_takes_the_sessions_that_are_added_to_its_baseline_and_no_others() {
        let of = |sessions: &[f64]| {
            let sessions = sessions.iter().map(|value| vec![vec![*value]]).collect();
            crate::fixtures::baseline("ttft_p50_ms".parse().unwrap(), sessions)
        };
        let anchor = Anchor { reason: "because".into(), baseline: of(&[1.0]) };
        let grown = anchor.grown(&of(&[1.0, 1.1])).unwrap();
        assert_eq!((grown.reason.as_str(), &grown.baseline), ("because", &of(&[1.0, 1.1])));
        assert_eq!(grown.grown(&of(&[1.0, 1.1, 0.9])).unwrap().baseline.rests_on().1, 3);
        // Nothing was added; measured afresh; of another image.
        assert_eq!(anchor.grown(&of(&[1.0])), None);
        assert_eq!(anchor.grown(&of(&[1.2, 1.1])), None);
        let mut other = of(&[1.0, 1.1]);
        other.fingerprint.vllm = Some("another".into());
        assert_eq!(anchor.grown(&other), None);
    }

    #[test]
    fn the_anchor_lies_beside_its_baseline() {
        assert_eq!(
            anchor_file(Path::new("b/s/only-1.5.snap")),
            Path::new("b/s/only-1.5.anchor.yaml")
        );
    }
}
