//! Entries of an input file that could not be used: [`SkippedEntries`].

use serde::{Deserialize, Serialize};

use crate::record::finding::{Finding, FindingCode};

/// What of an input file could not be used: entries, and turns of the others. The rest was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkippedEntries {
    /// The file's name, without its folder.
    pub file: String,
    /// What an entry is: conversations, lines.
    pub what: String,
    /// How many entries were read.
    pub read: u64,
    /// How many of them were skipped.
    pub skipped: u64,
    /// The first of these and what is wrong with it: `line 7: …`. Where no entry was skipped, the same
    /// of the first turn.
    pub first: String,
    /// How many turns of the other entries have no text, or parts that are none, and were passed over.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub turns: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl SkippedEntries {
    /// What a reader of the figures should know.
    pub fn remark(&self) -> Finding {
        let Self { file, what, read, skipped, first, turns } = self;
        let were = |count: u64| if count == 1 { "was" } else { "were" };
        let plural = if *turns == 1 { "" } else { "s" };
        let of_turns = format!("{turns} turn{plural} without text {} passed over", were(*turns));
        let message = match (skipped, turns) {
            (0, _) => format!("{of_turns} in the {what} of {file}; the first is {first}"),
            (skipped, turns) => {
                let more =
                    if *turns > 0 { format!("; of the others, {of_turns}") } else { String::new() };
                let were = were(*skipped);
                format!(
                    "{skipped} of {read} {what} in {file} {were} skipped; the first is {first}{more}"
                )
            }
        };
        Finding::new(FindingCode::EntriesSkipped, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_and_turns_are_counted_apart() {
        let message = |skipped: u64, turns: u64| {
            let (file, what, first) =
                ("a.json".into(), "conversations".into(), "line 2: none".into());
            SkippedEntries { file, what, read: 9, skipped, first, turns }.remark().message
        };
        assert_eq!(
            message(1, 0),
            "1 of 9 conversations in a.json was skipped; the first is line 2: none"
        );
        assert_eq!(
            message(0, 2),
            "2 turns without text were passed over in the conversations of a.json; the first is line 2: none"
        );
        assert_eq!(
            message(3, 1),
            "3 of 9 conversations in a.json were skipped; the first is line 2: none; of the others, 1 turn without text \
             was passed over"
        );
    }
}
