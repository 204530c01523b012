//! Speculative decoding: how many tokens are drafted in a step, and how many of them are accepted:
//! [`Speculation`].

use crate::draw::{mix, unit};

/// The share of drafted tokens that the model would have written itself.
const AGREEMENT: f64 = 0.7;

/// What `--speculative-config` says, as far as it affects the simulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speculation {
    /// Tokens that are drafted in a step.
    pub tokens: usize,
}

/// What was drafted of one sequence, or of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Drafts {
    pub(crate) steps: usize,
    pub(crate) drafted: usize,
    pub(crate) accepted: usize,
}

/// What was drafted of all sequences, and how far it was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AllDrafts {
    pub(crate) sum: Drafts,
    /// How many drafts were accepted at each position.
    pub(crate) accepted_at: Vec<usize>,
}

impl AllDrafts {
    /// Nothing yet, of drafts of so many tokens.
    pub(crate) fn of(speculation: Speculation) -> Self {
        Self { sum: Drafts::default(), accepted_at: vec![0; speculation.tokens] }
    }

    /// Adds what came of one step.
    pub(crate) fn add(&mut self, drafted: usize, accepted: usize) {
        self.sum.add(drafted, accepted);
        self.accepted_at.iter_mut().take(accepted).for_each(|count| *count += 1);
    }
}

impl Drafts {
    /// Adds what came of one step.
    pub(crate) fn add(&mut self, drafted: usize, accepted: usize) {
        if drafted > 0 {
            self.steps += 1;
            self.drafted += drafted;
            self.accepted += accepted;
        }
    }
}

impl Speculation {
    /// Reads the value of the flag.
    pub(crate) fn parse(json: &str) -> Option<Self> {
        let value: serde_json::Value = serde_json::from_str(json).ok()?;
        let tokens = value.get("num_speculative_tokens")?.as_u64()?;
        usize::try_from(tokens).ok().filter(|tokens| *tokens > 0).map(|tokens| Self { tokens })
    }

    /// How many of the tokens that are drafted at this place of a sequence are accepted: those before
    /// the first that the model would not have written.
    pub(crate) fn accepted(self, state: u64, place: usize) -> usize {
        let seed = mix(state, 0xD4AF);
        (place..place + self.tokens).take_while(|at| unit(seed, *at as u64) < AGREEMENT).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_accepted_until_the_first_that_differs() {
        let speculation =
            Speculation::parse(r#"{"method":"ngram","num_speculative_tokens":3}"#).unwrap();
        assert_eq!(speculation, Speculation { tokens: 3 });
        assert_eq!(Speculation::parse("{}"), None);
        let all: usize = (0..10_000).map(|place| speculation.accepted(5, place)).sum();
        let mean = all as f64 / 10_000.0;
        // 0.7 + 0.7² + 0.7³
        assert!((mean - 1.533).abs() < 0.05, "{mean}");
    }
}
