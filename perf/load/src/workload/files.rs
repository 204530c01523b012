//! Prompts from files: [`json_lines`] and [`share_gpt`].

use std::path::Path;
use std::sync::Arc;

use rand::seq::SliceRandom;
use serde::Deserialize;

use super::{Drawn, Prompt, Share, Turn};
use crate::error::LoadError;

/// English text and the common tokenizers give about so many characters a token. What is asked for must not depend on a
/// tokenizer that this machine may not have.
const CHARACTERS_PER_TOKEN: usize = 4;

/// A prompt of a file, with the length of its answer where the file says it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    prompt: Arc<str>,
    stated: Option<u32>,
}

impl Entry {
    fn drawn(&self) -> Drawn {
        Drawn { prompt: Prompt::Text(Arc::clone(&self.prompt)), stated: self.stated, turn: Turn::Alone }
    }
}

/// A file's text.
pub(super) fn read(path: &Path) -> Result<String, LoadError> {
    std::fs::read_to_string(path)
        .map_err(|error| LoadError::PromptFile { path: path.to_owned(), cause: error.to_string() })
}

/// Entries in their order, from the top again when they run out.
pub(super) fn in_order(entries: &[Entry], share: Share) -> Vec<Drawn> {
    entries.iter().cycle().take(share.count as usize).map(Entry::drawn).collect()
}

/// Entries in an order from the seed, in the same again when they run out.
pub(super) fn shuffled(entries: &[Entry], share: Share) -> Vec<Drawn> {
    let mut order: Vec<&Entry> = entries.iter().collect();
    order.shuffle(&mut share.generator());
    order.into_iter().cycle().take(share.count as usize).map(Entry::drawn).collect()
}

/// The prompts of a file of JSON lines.
pub(super) fn json_lines(path: &Path) -> Result<Vec<Entry>, LoadError> {
    #[derive(Deserialize)]
    struct Line {
        prompt: String,
        output_tokens: Option<u32>,
    }
    let text = read(path)?;
    let mut entries = Vec::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let bad = |cause: String| LoadError::PromptLine { path: path.to_owned(), line: index + 1, cause };
        let line: Line = serde_json::from_str(line).map_err(|error| bad(error.to_string()))?;
        if line.output_tokens == Some(0) {
            return Err(bad("its `output_tokens` is 0".to_owned()));
        }
        entries.push(Entry { prompt: line.prompt.into(), stated: line.output_tokens });
    }
    if entries.is_empty() {
        return Err(LoadError::PromptFile { path: path.to_owned(), cause: "it holds no line".to_owned() });
    }
    Ok(entries)
}

#[derive(Deserialize)]
struct Conversation {
    conversations: Vec<Said>,
    /// Not in `ShareGPT` itself: a length that whoever made the file knows better.
    output_tokens: Option<u32>,
}

#[derive(Deserialize)]
struct Said {
    from: String,
    value: String,
}

impl Conversation {
    /// What the user says first, with the length of the answer to it. `None` for a conversation that holds no such
    /// pair, as some of the original file do not.
    fn entry(self, most: u32) -> Option<Entry> {
        let is_user = |said: &Said| matches!(said.from.as_str(), "human" | "user");
        let mut said = self.conversations.into_iter().skip_while(|said| !is_user(said));
        let (asked, answered) = (said.next()?, said.next()?);
        if is_user(&answered) || asked.value.trim().is_empty() || answered.value.is_empty() {
            return None;
        }
        let estimate = answered.value.chars().count().div_ceil(CHARACTERS_PER_TOKEN);
        let tokens = self.output_tokens.unwrap_or_else(|| u32::try_from(estimate).unwrap_or(u32::MAX));
        Some(Entry { prompt: asked.value.into(), stated: Some(tokens.clamp(1, most)) })
    }
}

/// The conversations of a file in `ShareGPT`'s format, their answers at most so many tokens.
pub(super) fn share_gpt(path: &Path, most: u32) -> Result<Vec<Entry>, LoadError> {
    let bad = |cause: String| LoadError::Conversations { path: path.to_owned(), cause };
    let conversations: Vec<Conversation> =
        serde_json::from_str(&read(path)?).map_err(|error| bad(error.to_string()))?;
    let entries: Vec<Entry> = conversations.into_iter().filter_map(|conversation| conversation.entry(most)).collect();
    if entries.is_empty() {
        return Err(bad("no conversation in it has a question with an answer".to_owned()));
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn parsed(text: &str) -> Result<Vec<Entry>, LoadError> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        share_gpt(file.path(), 100)
    }

    #[test]
    fn a_conversation_gives_its_first_question_and_the_length_of_the_answer() {
        let text = r#"[
            {"id": "a", "conversations": [{"from": "human", "value": "Why?"}, {"from": "gpt", "value": "123456789"}]},
            {"conversations": [{"from": "system", "value": "Be kind."}, {"from": "user", "value": "Hi"},
                               {"from": "assistant", "value": "Hello"}], "output_tokens": 40},
            {"conversations": [{"from": "gpt", "value": "an answer to nothing"}]},
            {"conversations": [{"from": "human", "value": "Long?"}, {"from": "gpt", "value": "LONG"}],
             "output_tokens": 4000}
        ]"#;
        let entries = parsed(&text.replace("LONG", &"long ".repeat(900))).unwrap();
        let said: Vec<(&str, Option<u32>)> = entries.iter().map(|entry| (&*entry.prompt, entry.stated)).collect();
        assert_eq!(said, [("Why?", Some(3)), ("Hi", Some(40)), ("Long?", Some(100))]);
    }

    #[test]
    fn what_is_no_file_of_conversations_is_named_with_its_place() {
        for (text, why) in [
            (r#"[{"conversations": [{"from": "human", "text": "Hi"}]}]"#, "missing field `value` at line 1 column 51"),
            (r#"[{"id": "a"}]"#, "missing field `conversations`"),
            (r#"{"conversations": []}"#, "invalid type: map, expected a sequence"),
            ("[]", "no conversation in it has a question with an answer"),
        ] {
            let error = parsed(text).unwrap_err().to_string();
            assert!(error.contains(why) && error.ends_with("and `value`"), "{error}");
        }
    }
}
