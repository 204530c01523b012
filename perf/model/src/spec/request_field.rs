//! Fields of a request that not every server knows: [`RequestField`].
//!
//! A server that refuses one of them is asked without it, and the record says so. What the figures
//! mean without a field is said with it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::spec::suggest::nearest;

/// A field of a request without which a server can still be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RequestField {
    /// Keeps the prompts of a run apart in the server's prefix cache.
    CacheSalt,
    /// `stream_options.continuous_usage_stats`: the token count on every chunk.
    ContinuousUsageStats,
    /// The token count at the end of a stream.
    StreamOptions,
    /// The least number of output tokens.
    MinTokens,
    /// Whether the end-of-sequence token is ignored.
    IgnoreEos,
    /// The sampling temperature.
    Temperature,
    /// The most output tokens, under this name. Without it, the limit is sent as
    /// `max_completion_tokens`.
    MaxTokens,
    /// Prompts of token ids. Without them, a word is sent for each id.
    TokenIds,
}

impl RequestField {
    /// All of them, the ones that fewest servers know first.
    pub const ALL: [Self; 8] = [
        Self::CacheSalt,
        Self::ContinuousUsageStats,
        Self::MinTokens,
        Self::IgnoreEos,
        Self::StreamOptions,
        Self::Temperature,
        Self::MaxTokens,
        Self::TokenIds,
    ];

    /// Its name on the command line, in records and in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::CacheSalt => "cache_salt",
            Self::ContinuousUsageStats => "continuous_usage_stats",
            Self::StreamOptions => "stream_options",
            Self::MinTokens => "min_tokens",
            Self::IgnoreEos => "ignore_eos",
            Self::Temperature => "temperature",
            Self::MaxTokens => "max_tokens",
            Self::TokenIds => "token_ids",
        }
    }

    /// What the figures mean where it is left out.
    pub fn without(self) -> &'static str {
        match self {
            Self::CacheSalt => {
                "prompts of an earlier run may be in the server's prefix cache, which shortens TTFT"
            }
            Self::ContinuousUsageStats => {
                "the tokens of each chunk are not counted, so ITL and TTFT are estimates where a chunk holds several tokens"
            }
            Self::StreamOptions => {
                "the server may not count the tokens of a stream; then each chunk counts as one token, and every figure in \
                 tokens is an estimate"
            }
            Self::MinTokens => "answers may be shorter than asked for unless `ignore_eos` is sent",
            Self::IgnoreEos => "answers may be shorter than asked for unless `min_tokens` is sent",
            Self::Temperature => {
                "the server samples at its own temperature, so answers differ from run to run"
            }
            Self::MaxTokens => "the limit is sent as `max_completion_tokens`; no figure changes",
            Self::TokenIds => {
                "a word is sent for each token id, so prompts have the number of tokens that the server counts, not the one \
                 declared"
            }
        }
    }
}

impl fmt::Display for RequestField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for RequestField {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let last = name.rsplit('.').next().unwrap_or(name);
        if let Some(field) = Self::ALL.into_iter().find(|field| field.name() == last) {
            return Ok(field);
        }
        let names = Self::ALL.map(Self::name);
        let known = names.join(", ");
        let meant =
            nearest(name, names).map_or(String::new(), |near| format!("did you mean `{near}`? "));
        Err(format!("`{name}` is not a field that can be left out; {meant}known fields: {known}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_reads_back_by_its_name_and_by_its_path() {
        for field in RequestField::ALL {
            assert_eq!(field.name().parse(), Ok(field));
            let json = serde_json::to_string(&field).unwrap();
            assert_eq!(json, format!("\"{field}\""));
        }
        assert_eq!(
            "stream_options.continuous_usage_stats".parse(),
            Ok(RequestField::ContinuousUsageStats)
        );
        let error = "cachesalt".parse::<RequestField>().unwrap_err();
        assert!(error.contains("did you mean `cache_salt`?"), "{error}");
    }
}
