//! The server under test as a test declares it: [`Server`].

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// One engine argument: a flag and, for most, its value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Argument {
    /// The flag with its dashes: `--max-model-len`.
    pub flag: String,
    /// `None` for a switch.
    pub value: Option<String>,
}

impl fmt::Display for Argument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{}={value}", self.flag),
            None => write!(f, "{}", self.flag),
        }
    }
}

/// Reads arguments in the form of a command line: `--flag value`, `--flag=value`, `--switch`.
///
/// A word that does not start with dashes belongs to the flag before it; a word with
/// no flag before it is an error, returned unchanged.
pub fn parse_arguments<S: AsRef<str>>(words: &[S]) -> Result<Vec<Argument>, String> {
    let mut arguments: Vec<Argument> = Vec::new();
    for word in words.iter().map(AsRef::as_ref) {
        match (word.starts_with("--"), word.split_once('=')) {
            (true, Some((flag, value))) => {
                arguments.push(Argument { flag: flag.to_owned(), value: Some(value.to_owned()) });
            }
            (true, None) => arguments.push(Argument { flag: word.to_owned(), value: None }),
            (false, _) => match arguments.last_mut() {
                Some(last @ Argument { value: None, .. }) => last.value = Some(word.to_owned()),
                _ => return Err(word.to_owned()),
            },
        }
    }
    Ok(arguments)
}

/// A server under test: what it serves and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Server {
    /// The model's name, in requests and in `perf.toml`, which has the path of its files.
    pub model: String,
    /// How many GPUs it needs; 0 for a server on the CPU.
    pub gpus: u8,
    /// A part of the name that these GPUs must have.
    pub gpu_model: Option<String>,
    /// The least memory that each of them must have, in MiB.
    pub gpu_memory_mib: Option<u64>,
    /// Engine arguments, in the order declared.
    pub arguments: Vec<Argument>,
    /// Environment variables whose values are not secret.
    pub environment: BTreeMap<String, String>,
    /// Names of environment variables whose values are passed on from this process and never
    /// shown.
    pub secrets: Vec<String>,
    /// The image, where the declaration pins one; otherwise the one under test.
    pub image: Option<String>,
    /// The hardware profile of the simulated engine.
    pub simulated_profile: Option<String>,
    /// Whether the start of a simulated server is recorded.
    pub simulates_start_up: bool,
    /// Whether the KV cache of a simulated server is recorded, where its start is not.
    pub simulates_kv_cache: bool,
}

impl Server {
    /// Sets an argument: the value of a flag that is there already, otherwise a new one at the end.
    pub fn set_argument(&mut self, argument: Argument) {
        match self.arguments.iter_mut().find(|there| there.flag == argument.flag) {
            Some(there) => there.value = argument.value,
            None => self.arguments.push(argument),
        }
    }

    /// The arguments as words of a command line.
    pub fn argument_words(&self) -> Vec<String> {
        self.arguments
            .iter()
            .flat_map(|argument| {
                std::iter::once(argument.flag.clone()).chain(argument.value.clone())
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_read_in_both_spellings() {
        let arguments =
            parse_arguments(&["--max-model-len", "8192", "--enforce-eager", "--dtype=bfloat16"])
                .unwrap();
        let shown: Vec<String> = arguments.iter().map(Argument::to_string).collect();
        assert_eq!(shown, ["--max-model-len=8192", "--enforce-eager", "--dtype=bfloat16"]);
    }

    #[test]
    fn a_word_without_a_flag_is_given_back() {
        assert_eq!(parse_arguments(&["8192"]), Err("8192".to_owned()));
        assert_eq!(parse_arguments(&["--a", "1", "2"]), Err("2".to_owned()));
    }

    #[test]
    fn setting_an_argument_replaces_the_one_declared() {
        let mut server = Server {
            arguments: parse_arguments(&["--a=1", "--b=2"]).unwrap(),
            ..Server::default()
        };
        server.set_argument(Argument { flag: "--a".into(), value: Some("3".into()) });
        server.set_argument(Argument { flag: "--c".into(), value: None });
        assert_eq!(server.argument_words(), ["--a", "3", "--b", "2", "--c"]);
    }
}
