//! Which columns a table of records has, so that it is no wider than a terminal: [`Columns`].

use perf_model::analysis::statistics::median;

use super::table::marked;

/// The columns of a table of records.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Columns {
    /// One record.
    Single,
    /// Each record, and their median.
    Each,
    /// The least, the median and the greatest of many.
    Range,
}

impl Columns {
    /// Those for so many records.
    pub(super) fn of(records: usize) -> Self {
        match records {
            0 | 1 => Self::Single,
            2 | 3 => Self::Each,
            _ => Self::Range,
        }
    }

    /// What stands above them.
    pub(super) fn head(self, records: impl Iterator<Item = String>) -> Vec<String> {
        match self {
            Self::Single => vec!["value".to_owned()],
            Self::Each => records.chain(["median".to_owned()]).collect(),
            Self::Range => ["least", "median", "greatest"].map(str::to_owned).to_vec(),
        }
    }

    /// A row of counts, which have no median.
    pub(super) fn counts(self, counts: &[u64]) -> Vec<String> {
        let each = counts.iter().map(u64::to_string);
        match self {
            Self::Single => each.collect(),
            Self::Each => each.chain([String::new()]).collect(),
            Self::Range => {
                let end = |count: Option<&u64>| count.map(u64::to_string).unwrap_or_default();
                vec![end(counts.iter().min()), String::new(), end(counts.iter().max())]
            }
        }
    }

    /// A row of values, and whether each is an estimate. Without one of them there is no median.
    pub(super) fn values(self, values: &[Option<f64>], estimated: &[bool]) -> Vec<String> {
        let known: Vec<f64> = values.iter().flatten().copied().collect();
        let middle = if known.len() == values.len() { median(&known) } else { None };
        let is_estimated = estimated.contains(&true);
        if self == Self::Range {
            let least = known.iter().copied().reduce(f64::min);
            let greatest = known.iter().copied().reduce(f64::max);
            return [least, middle, greatest].map(|value| marked(value, is_estimated)).to_vec();
        }
        let each = values.iter().zip(estimated).map(|(value, is)| marked(*value, *is));
        each.chain((self == Self::Each).then(|| marked(middle, is_estimated))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_records_there_is_the_range_and_the_median() {
        let columns = Columns::of(5);
        assert_eq!(columns.counts(&[3, 1, 2, 5, 4]), ["1", "", "5"]);
        let values = [3.0, 1.0, 2.0, 5.0, 4.0].map(Some);
        assert_eq!(columns.values(&values, &[false; 5]), ["1.000", "3.000", "5.000"]);
        assert_eq!(columns.values(&[None; 5], &[false; 5]), ["–"; 3]);
    }
}
