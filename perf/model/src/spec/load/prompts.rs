//! Where the prompts of a load come from: [`Prompts`].

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Length;

/// Where the prompts come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prompts {
    /// One text for every request.
    Text(String),
    /// One sentence, repeated, for every request.
    RepeatedSentence {
        /// The sentence, with the space that separates it from the next copy.
        sentence: String,
        /// The number of copies.
        times: u32,
    },
    /// Random token ids, different for each request; the length is exact.
    RandomTokens {
        /// Tokens in each prompt.
        length: Length,
    },
    /// Random token ids after one of a few shared prefixes; both lengths are exact. All prefixes
    /// begin the same number of prompts, in an order from the seed.
    SharedPrefix {
        /// The number of prefixes.
        prefixes: u32,
        /// Tokens in each prefix.
        prefix_length: Length,
        /// Tokens after the prefix, different for each request.
        suffix_length: Length,
    },
    /// Random lines of verse after lines that begin every prompt, as text.
    Verse {
        /// A text file, one line of verse per line; without it, a text that comes with the suite.
        file: Option<PathBuf>,
        /// The number of lines that begin every prompt.
        shared: u32,
        /// The number of lines that follow, different for each request.
        own: u32,
    },
    /// Random ordinary words as text, different for each request. Lengths are in words, because
    /// only the server knows its tokenizer; English takes about four tokens for three words.
    Prose {
        /// Words in each prompt.
        words: Length,
    },
    /// A file of JSON lines, each an object with a `prompt` text and optionally its
    /// `output_tokens`; used in order, again from the top when the requests outnumber the lines.
    JsonLines(PathBuf),
    /// A JSON file of conversations in `ShareGPT`'s format. The user's first message is the
    /// prompt; the recorded answer gives the output's length, up to the load's limit. Used in an
    /// order from the seed, and again when they run out.
    ShareGpt(PathBuf),
    /// Conversations: each request carries all earlier messages, including the server's own
    /// answers, and waits for the previous answer.
    Conversations {
        /// The number of the user's messages in one conversation: one request each.
        turns: u32,
        /// Random words in each message of the user.
        words: Length,
    },
    /// Recorded traffic: a file of JSON lines with `timestamp` (milliseconds), `input_length` and
    /// `output_length`, and optionally `hash_ids`, one for each 512 tokens that prompts share. Its
    /// lengths become random token ids.
    Trace(PathBuf),
}

impl Prompts {
    /// Whether no two prompts have a beginning in common that a prefix cache could serve.
    pub fn are_distinct(&self) -> bool {
        matches!(self, Self::RandomTokens { .. })
    }

    /// The file with the prompts, if there is one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::JsonLines(path) | Self::ShareGpt(path) | Self::Trace(path) => Some(path),
            Self::Verse { file, .. } => file.as_deref(),
            _ => None,
        }
    }

    /// Whether they are sent as token ids, which chat does not accept.
    pub fn are_token_ids(&self) -> bool {
        matches!(self, Self::RandomTokens { .. } | Self::SharedPrefix { .. } | Self::Trace(_))
    }
}

impl fmt::Display for Prompts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "the text {text:?}"),
            Self::RepeatedSentence { sentence, times } => write!(f, "{sentence:?} × {times}"),
            Self::RandomTokens { length } => write!(f, "{length} random tokens"),
            Self::SharedPrefix { prefixes, prefix_length, suffix_length } => {
                write!(
                    f,
                    "{prefixes} shared prefixes of {prefix_length} random tokens, each with {suffix_length} behind it"
                )
            }
            Self::Verse { file, shared, own } => {
                write!(f, "{own} random lines behind {shared} shared lines of ")?;
                match file {
                    Some(path) => write!(f, "{}", path.display()),
                    None => write!(f, "verse"),
                }
            }
            Self::Prose { words } => write!(f, "{words} random words"),
            Self::JsonLines(path) => write!(f, "prompts of {}", path.display()),
            Self::ShareGpt(path) => {
                write!(f, "conversations of {}, their first turns", path.display())
            }
            Self::Conversations { turns, words } => {
                write!(
                    f,
                    "conversations of {turns} turns of {words} random words, with their history"
                )
            }
            Self::Trace(path) => {
                write!(f, "random tokens as long as in the trace {}", path.display())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_has_its_words() {
        let shown = |prompts: Prompts| prompts.to_string();
        assert_eq!(
            shown(Prompts::SharedPrefix {
                prefixes: 4,
                prefix_length: Length::Fixed(256),
                suffix_length: Length::Uniform { min: 32, max: 64 }
            }),
            "4 shared prefixes of 256 random tokens, each with 32 to 64 behind it"
        );
        assert_eq!(
            shown(Prompts::Verse { file: None, shared: 4, own: 6 }),
            "6 random lines behind 4 shared lines of verse"
        );
        assert_eq!(
            shown(Prompts::Conversations { turns: 3, words: Length::Fixed(40) }),
            "conversations of 3 turns of 40 random words, with their history"
        );
        let words = Length::Lognormal { median: 256, sigma: 0.8, max: 4_096 };
        assert_eq!(
            shown(Prompts::Prose { words }),
            "lognormal (median 256, sigma 0.8, at most 4096) random words"
        );
        assert_eq!(
            shown(Prompts::ShareGpt("a.json".into())),
            "conversations of a.json, their first turns"
        );
        assert_eq!(
            shown(Prompts::Trace("a.jsonl".into())),
            "random tokens as long as in the trace a.jsonl"
        );
    }

    #[test]
    fn only_random_tokens_are_declared_distinct() {
        assert!(Prompts::RandomTokens { length: Length::Fixed(9) }.are_distinct());
        assert!(!Prompts::Text("hi".into()).are_distinct());
        let shared = Prompts::SharedPrefix {
            prefixes: 1,
            prefix_length: Length::Fixed(9),
            suffix_length: Length::Fixed(9),
        };
        assert!(!shared.are_distinct() && shared.are_token_ids());
    }
}
