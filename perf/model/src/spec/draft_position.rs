//! A place in the draft of speculative decoding: [`DraftPosition`].

/// A place in a draft, counted from 0 as vLLM counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DraftPosition(u8);

/// What a position is called in baselines and in tables.
const NAMES: [(&str, &str); DraftPosition::MOST] = [
    ("acceptance_at_0", "acceptance at position 0"),
    ("acceptance_at_1", "acceptance at position 1"),
    ("acceptance_at_2", "acceptance at position 2"),
    ("acceptance_at_3", "acceptance at position 3"),
    ("acceptance_at_4", "acceptance at position 4"),
    ("acceptance_at_5", "acceptance at position 5"),
    ("acceptance_at_6", "acceptance at position 6"),
    ("acceptance_at_7", "acceptance at position 7"),
    ("acceptance_at_8", "acceptance at position 8"),
    ("acceptance_at_9", "acceptance at position 9"),
    ("acceptance_at_10", "acceptance at position 10"),
    ("acceptance_at_11", "acceptance at position 11"),
    ("acceptance_at_12", "acceptance at position 12"),
    ("acceptance_at_13", "acceptance at position 13"),
    ("acceptance_at_14", "acceptance at position 14"),
    ("acceptance_at_15", "acceptance at position 15"),
];

impl DraftPosition {
    /// How many positions have figures. Of longer drafts the record has the others.
    pub const MOST: usize = 16;

    /// The first position.
    pub const FIRST: Self = Self(0);

    /// This position; `None` where it has no figures.
    #[expect(clippy::cast_possible_truncation, reason = "checked to be small")]
    pub const fn new(position: usize) -> Option<Self> {
        if position < Self::MOST { Some(Self(position as u8)) } else { None }
    }

    /// Its number, from 0.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    /// The name in baselines and records.
    pub(crate) fn name(self) -> &'static str {
        NAMES[self.index()].0
    }

    /// The name in tables.
    pub(crate) fn label(self) -> &'static str {
        NAMES[self.index()].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_position_is_called_by_its_number() {
        for position in 0..DraftPosition::MOST {
            let named = DraftPosition::new(position).unwrap();
            assert_eq!(named.name(), format!("acceptance_at_{position}"));
            assert_eq!(named.label(), format!("acceptance at position {position}"));
        }
        assert_eq!(DraftPosition::new(DraftPosition::MOST), None);
    }
}
