//! What is asked: [`draw`] makes one [`Ask`] for every request of a run.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use perf_model::load::{OutputLength, Prompts, Workload};
use rand::RngExt;
use serde::{Deserialize, Serialize, Serializer};

use crate::error::LoadError;
use crate::seed::Stream;

/// Random token ids lie in here: past the special tokens, bytes and digits at the beginning of a vocabulary, and inside
/// even a vocabulary of 4,096.
const TOKEN_IDS: std::ops::Range<u32> = 1_000..4_000;

/// A short prompt may have been drawn before; so many times another is drawn. Only prompts of one or two tokens run out.
const REDRAWS: u32 = 64;

/// A prompt, as it stands in a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum Prompt {
    /// Shared, because it may be long and the same for every request.
    #[serde(serialize_with = "shared")]
    Text(Arc<str>),
    TokenIds(Vec<u32>),
}

/// What one request asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) prompt: Prompt,
    pub(crate) output: OutputLength,
}

/// What a run asks: its measured requests, and those that warm up before them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Asks {
    pub(crate) measured: Vec<Ask>,
    pub(crate) warm_up: Vec<Ask>,
}

/// Draws what a run asks. Random prompts are all distinct, also those of the warm-up from the measured ones; other
/// prompts are the declared ones in their order, for the warm-up as for the measurement.
pub(crate) fn draw(workload: &Workload, measured: u32, warm_up: u32, seed: u64) -> Result<Asks, LoadError> {
    let source: Vec<Ask> = match &workload.prompts {
        Prompts::Text(text) => vec![Ask { prompt: Prompt::Text(text.as_str().into()), output: workload.output }],
        Prompts::RepeatedSentence { sentence, times } => {
            let text = sentence.repeat(*times as usize);
            vec![Ask { prompt: Prompt::Text(text.into()), output: workload.output }]
        }
        Prompts::JsonLines(path) => read_lines(path, workload.output)?,
        Prompts::RandomTokens { length } => {
            let mut drawn = HashSet::new();
            let mut rows = |stream: Stream, count: u32| -> Vec<Ask> {
                let mut generator = stream.generator(seed);
                let mut row = || (0..*length).map(|_| generator.random_range(TOKEN_IDS)).collect::<Vec<u32>>();
                let rows = (0..count).map(|_| {
                    let mut ids = row();
                    for _ in 0..REDRAWS {
                        if drawn.insert(ids.clone()) {
                            break;
                        }
                        ids = row();
                    }
                    Ask { prompt: Prompt::TokenIds(ids), output: workload.output }
                });
                rows.collect()
            };
            return Ok(Asks {
                measured: rows(Stream::Prompts, measured),
                warm_up: rows(Stream::WarmUpPrompts, warm_up),
            });
        }
    };
    let repeat = |count: u32| source.iter().cycle().take(count as usize).cloned().collect();
    Ok(Asks { measured: repeat(measured), warm_up: repeat(warm_up) })
}

fn shared<S: Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

#[derive(Deserialize)]
struct Line {
    prompt: String,
    output_tokens: Option<u32>,
}

/// The prompts of a file. A line's `output_tokens` stands for the load's number and keeps its kind.
fn read_lines(path: &Path, output: OutputLength) -> Result<Vec<Ask>, LoadError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| LoadError::PromptFile { path: path.to_owned(), cause: error.to_string() })?;
    let mut asks = Vec::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let bad = |cause: String| LoadError::PromptLine { path: path.to_owned(), line: index + 1, cause };
        let line: Line = serde_json::from_str(line).map_err(|error| bad(error.to_string()))?;
        let output = match (line.output_tokens, output) {
            (None, output) => output,
            (Some(0), _) => return Err(bad("its `output_tokens` is 0".to_owned())),
            (Some(tokens), OutputLength::Exactly(_)) => OutputLength::Exactly(tokens),
            (Some(tokens), OutputLength::AtMost(_)) => OutputLength::AtMost(tokens),
        };
        asks.push(Ask { prompt: Prompt::Text(line.prompt.into()), output });
    }
    if asks.is_empty() {
        return Err(LoadError::PromptFile { path: path.to_owned(), cause: "it holds no line".to_owned() });
    }
    Ok(asks)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use perf_model::load::Api;
    use proptest::prelude::*;

    fn workload(prompts: Prompts, output: OutputLength) -> Workload {
        Workload { prompts, output, api: Api::Completions, stream: true, temperature: 0.0 }
    }

    fn lines(text: &str, output: OutputLength) -> Result<Asks, LoadError> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        draw(&workload(Prompts::JsonLines(file.path().to_owned()), output), 3, 1, 1)
    }

    fn text(ask: &Ask) -> &str {
        match &ask.prompt {
            Prompt::Text(text) => text,
            Prompt::TokenIds(ids) => panic!("ids {ids:?} are no text"),
        }
    }

    #[test]
    fn a_sentence_is_repeated() {
        let prompts = Prompts::RepeatedSentence { sentence: "Hi. ".to_owned(), times: 3 };
        let asks = draw(&workload(prompts, OutputLength::AtMost(8)), 2, 1, 1).unwrap();
        assert_eq!((asks.measured.len(), asks.warm_up.len()), (2, 1));
        assert_eq!(text(&asks.measured[1]), "Hi. Hi. Hi. ");
    }

    #[test]
    fn the_lines_of_a_file_are_used_in_order_and_again() {
        let file = "{\"prompt\": \"a\", \"output_tokens\": 5}\n\n{\"prompt\": \"b\", \"id\": 7}\n";
        let asks = lines(file, OutputLength::Exactly(9)).unwrap();
        assert_eq!(asks.measured.iter().map(text).collect::<Vec<_>>(), ["a", "b", "a"]);
        let outputs: Vec<OutputLength> = asks.measured.iter().map(|ask| ask.output).collect();
        assert_eq!(outputs, [5, 9, 5].map(OutputLength::Exactly));
        assert_eq!(lines(file, OutputLength::AtMost(9)).unwrap().measured[0].output, OutputLength::AtMost(5));
    }

    #[test]
    fn a_bad_line_is_named_by_its_number() {
        for (bad, why) in [
            ("{\"text\": \"a\"}", "missing field `prompt`"),
            ("{\"prompt\": 7}", "invalid type"),
            ("{\"prompt\": \"a\", \"output_tokens\": 0}", "`output_tokens` is 0"),
            ("{\"prompt", "EOF"),
        ] {
            let error = lines(&format!("{{\"prompt\": \"a\"}}\n{bad}\n"), OutputLength::AtMost(9)).unwrap_err();
            let text = error.to_string();
            assert!(text.starts_with("line 2 of ") && text.contains(why), "{text}");
        }
    }

    #[test]
    fn a_file_that_is_missing_or_empty_is_named() {
        let missing = Prompts::JsonLines("no/such/prompts.jsonl".into());
        let error = draw(&workload(missing, OutputLength::AtMost(9)), 1, 0, 1).unwrap_err().to_string();
        assert!(error.starts_with("the prompts in no/such/prompts.jsonl cannot be read"), "{error}");
        let error = lines("\n", OutputLength::AtMost(9)).unwrap_err().to_string();
        assert!(error.contains("it holds no line"), "{error}");
    }

    proptest! {
        #[test]
        fn random_prompts_are_exact_distinct_and_follow_from_the_seed(
            length in 2_u32..40, measured in 1_u32..60, warm_up in 0_u32..20, seed: u64,
        ) {
            let workload = workload(Prompts::RandomTokens { length }, OutputLength::Exactly(4));
            let asks = draw(&workload, measured, warm_up, seed).unwrap();
            let rows: Vec<&Vec<u32>> = asks.measured.iter().chain(&asks.warm_up).map(|ask| match &ask.prompt {
                Prompt::TokenIds(ids) => ids,
                Prompt::Text(text) => panic!("{text:?} is no row of ids"),
            }).collect();
            prop_assert!(rows.iter().all(|row| row.len() == length as usize));
            prop_assert!(rows.iter().flat_map(|row| row.iter()).all(|id| TOKEN_IDS.contains(id)));
            prop_assert_eq!(rows.iter().collect::<HashSet<_>>().len(), rows.len());
            prop_assert_eq!(&draw(&workload, measured, warm_up, seed).unwrap(), &asks);
            // The warm-up has no say in what is measured.
            prop_assert_eq!(&draw(&workload, measured, 0, seed).unwrap().measured, &asks.measured);
        }
    }
}
