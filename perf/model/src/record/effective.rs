//! What the engine says that it runs with, after every default: [`EffectiveConfiguration`].
//!
//! Declared arguments miss what an image changes underneath: another attention backend, another
//! default, a feature that is switched off because something does not support it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::record::difference::Difference;
use crate::spec::hash::fnv_1a;

/// Letters of a value that are kept. A longer one keeps its beginning and a hash of all of it.
const LONGEST: usize = 100;

/// Settings that are kept, far above the few hundred that vLLM has.
const MOST: usize = 1_000;

/// Settings by name, as text. Nested ones have a dotted name: `compilation_config.cudagraph_mode`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EffectiveConfiguration {
    settings: BTreeMap<String, String>,
}

impl EffectiveConfiguration {
    /// Takes in a setting. The last value of a name counts.
    pub fn insert(&mut self, name: &str, value: &str) {
        if self.settings.len() < MOST || self.settings.contains_key(name) {
            self.settings.insert(shortened(name), shortened(value));
        }
    }

    /// These settings, and those of another source.
    #[must_use]
    pub fn joined(mut self, other: Self) -> Self {
        other.settings.into_iter().for_each(|(name, value)| self.insert(&name, &value));
        self
    }

    /// These settings, and the commit of the model, where that is known.
    #[must_use]
    pub fn of_model(mut self, revision: Option<String>) -> Self {
        if let Some(commit) = revision {
            self.insert("model_revision", &commit);
        }
        self
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.settings.is_empty()
    }

    /// The settings, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// What differs in a later configuration. Settings that only one of the two has are named
    /// together, because a newer engine reports more of them. Nothing differs from what is unknown.
    pub fn differences(&self, later: &Self) -> Vec<Difference> {
        if self.is_empty() || later.is_empty() {
            return Vec::new();
        }
        let names: BTreeSet<&String> = self.settings.keys().chain(later.settings.keys()).collect();
        let (mut differences, mut gone, mut new) = (Vec::new(), Vec::new(), Vec::new());
        for name in names {
            match (self.settings.get(name), later.settings.get(name)) {
                (Some(before), Some(now)) if before != now => differences.push(Difference {
                    what: format!("engine: {name}"),
                    baseline: before.clone(),
                    measured: now.clone(),
                }),
                (Some(before), None) => gone.push(format!("{name} = {before}")),
                (None, Some(now)) => new.push(format!("{name} = {now}")),
                _ => {}
            }
        }
        let of_one = |what: &str, names: &[String], in_baseline: bool| {
            let (listed, none) = (names.join(", "), "not reported".to_owned());
            let (baseline, measured) = if in_baseline { (listed, none) } else { (none, listed) };
            (!names.is_empty()).then(|| Difference { what: what.to_owned(), baseline, measured })
        };
        differences.extend(of_one("engine, reported no longer", &gone, true));
        differences.extend(of_one("engine, newly reported", &new, false));
        differences
    }
}

impl FromIterator<(String, String)> for EffectiveConfiguration {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(settings: I) -> Self {
        let mut read = Self::default();
        settings.into_iter().for_each(|(name, value)| read.insert(&name, &value));
        read
    }
}

/// A text of one line and bounded length that still differs where the whole text differs.
fn shortened(text: &str) -> String {
    let line: String = text.chars().map(|at| if at.is_control() { ' ' } else { at }).collect();
    if line.chars().count() <= LONGEST {
        return line;
    }
    let beginning: String = line.chars().take(LONGEST - 20).collect();
    format!("{beginning}… #{:016x}", fnv_1a(line.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(settings: &[(&str, &str)]) -> EffectiveConfiguration {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        settings.iter().map(own).collect()
    }

    #[test]
    fn what_changed_is_named_one_by_one_and_what_one_engine_alone_reports_together() {
        let before =
            read(&[("attention_backend", "FLASH_ATTN"), ("dtype", "bfloat16"), ("old", "1")]);
        let now = read(&[("attention_backend", "FLASHINFER"), ("dtype", "bfloat16"), ("new", "2")]);
        let shown: Vec<String> = before.differences(&now).iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "engine: attention_backend: FLASH_ATTN → FLASHINFER",
                "engine, reported no longer: old = 1 → not reported",
                "engine, newly reported: not reported → new = 2"
            ]
        );
    }

    #[test]
    fn nothing_differs_from_what_is_unknown() {
        let known = read(&[("dtype", "bfloat16")]);
        let unknown = EffectiveConfiguration::default();
        assert!(known.differences(&unknown).is_empty() && unknown.differences(&known).is_empty());
        assert!(known.differences(&known).is_empty());
    }

    #[test]
    fn long_values_stay_short_and_still_differ_in_their_last_letter() {
        let sizes = |last: &str| read(&[("sizes", &format!("{}{last}", "1, ".repeat(500)))]);
        let (one, other) = (sizes("1"), sizes("2"));
        assert_eq!(one.differences(&other).len(), 1);
        assert!(one.iter().all(|(_, value)| value.chars().count() <= LONGEST));
    }
}
