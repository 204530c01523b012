//! What is not known of a request and was estimated: [`Estimated`], and the figures that depend on
//! it.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::spec::metric::Quantity;

/// What is not known of a request and was estimated. Written as a list of names, `["chunk_tokens"]`.
/// Records of older versions have `true` for the tokens of its chunks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Estimated {
    /// When the first token came: a chunk without output came before the first with output, and
    /// tokens are missing in the chunks.
    pub first_token: bool,
    /// When the last token came: a chunk without output came behind the last with output, and
    /// tokens are missing in the chunks.
    pub last_token: bool,
    /// How many tokens came with each chunk.
    pub chunk_tokens: bool,
    /// How many tokens there were in all.
    pub output_tokens: bool,
    /// How many of them were reasoning.
    pub reasoning_tokens: bool,
}

impl Estimated {
    /// Nothing was estimated.
    pub const NOTHING: Self = Self {
        first_token: false,
        last_token: false,
        chunk_tokens: false,
        output_tokens: false,
        reasoning_tokens: false,
    };

    /// Only the tokens of each chunk were.
    pub const CHUNK_TOKENS: Self = Self { chunk_tokens: true, ..Self::NOTHING };

    /// Whether nothing was.
    pub fn is_nothing(&self) -> bool {
        *self == Self::NOTHING
    }

    /// Whether a quantity of one request depends on what was estimated. Those of the whole server
    /// that count tokens do too; goodput and what a search finds depend on their objectives.
    pub fn affects(self, quantity: Quantity) -> bool {
        let Self { first_token, last_token, chunk_tokens, output_tokens, reasoning_tokens } = self;
        match quantity {
            Quantity::Ttft => first_token,
            Quantity::E2e => last_token,
            Quantity::Tpot => first_token || last_token || output_tokens,
            Quantity::Itl => chunk_tokens || first_token || last_token || output_tokens,
            Quantity::RequestOutputRate => last_token || output_tokens,
            Quantity::OutputThroughput | Quantity::TotalThroughput => output_tokens,
            Quantity::ReasoningTokens | Quantity::AnswerTokens => reasoning_tokens,
            // Goodput and what a search finds by their objectives; the rest rests on no assumption.
            _ => false,
        }
    }

    fn named(&mut self) -> [(&'static str, &mut bool); 5] {
        [
            ("first_token", &mut self.first_token),
            ("last_token", &mut self.last_token),
            ("chunk_tokens", &mut self.chunk_tokens),
            ("output_tokens", &mut self.output_tokens),
            ("reasoning_tokens", &mut self.reasoning_tokens),
        ]
    }
}

impl Serialize for Estimated {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut copy = *self;
        serializer.collect_seq(copy.named().into_iter().filter(|it| *it.1).map(|it| it.0))
    }
}

impl<'de> Deserialize<'de> for Estimated {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Old(bool),
            Names(Vec<String>),
        }
        let mut estimated = Self::NOTHING;
        match Written::deserialize(deserializer)? {
            Written::Old(chunk_tokens) => estimated.chunk_tokens = chunk_tokens,
            Written::Names(names) => {
                for name in names {
                    let known = estimated.named().into_iter().find(|it| it.0 == name);
                    let (_, flag) = known.ok_or_else(|| {
                        serde::de::Error::custom(format!("nothing estimated is called `{name}`"))
                    })?;
                    *flag = true;
                }
            }
        }
        Ok(estimated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_as_names_and_the_flag_of_older_records_is_read() {
        let both = Estimated { last_token: true, ..Estimated::CHUNK_TOKENS };
        let json = serde_json::to_string(&both).unwrap();
        assert_eq!(json, r#"["last_token","chunk_tokens"]"#);
        assert_eq!(serde_json::from_str::<Estimated>(&json).unwrap(), both);
        assert_eq!(serde_json::from_str::<Estimated>("true").unwrap(), Estimated::CHUNK_TOKENS);
        assert_eq!(serde_json::from_str::<Estimated>("false").unwrap(), Estimated::NOTHING);
        assert!(serde_json::from_str::<Estimated>(r#"["mood"]"#).is_err());
    }

    #[test]
    fn what_depends_on_an_estimate_is_an_estimate() {
        let of = |estimated: Estimated| -> Vec<&'static str> {
            let all = crate::spec::metric::QUANTITIES.into_iter();
            all.filter(|it| estimated.affects(*it)).map(Quantity::name).collect()
        };
        assert_eq!(of(Estimated::NOTHING), [""; 0]);
        assert_eq!(of(Estimated::CHUNK_TOKENS), ["itl"]);
        let first = Estimated { first_token: true, ..Estimated::NOTHING };
        assert_eq!(of(first), ["ttft", "tpot", "itl"]);
        let last = Estimated { last_token: true, ..Estimated::NOTHING };
        assert_eq!(of(last), ["request_output_rate", "tpot", "itl", "e2e"]);
        let count = Estimated { output_tokens: true, ..Estimated::NOTHING };
        let rates = ["output_throughput", "total_throughput", "request_output_rate"];
        assert_eq!(of(count), [&rates[..], &["tpot", "itl"]].concat());
    }
}
