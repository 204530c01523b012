//! Conversations of a file in `ShareGPT`'s format, in its common forms: [`share_gpt`].

use std::cell::Cell;
use std::fmt;
use std::path::Path;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::workload::error::LoadError;
use crate::workload::files::{Entry, read};

/// About this number of characters make a token in English text with the common tokenizers. The
/// workload must not depend on a tokenizer that this machine may not have.
const CHARACTERS_PER_TOKEN: usize = 4;

#[derive(Deserialize)]
struct Conversation {
    #[serde(alias = "conversation", alias = "messages")]
    conversations: Vec<Option<Said>>,
    /// Not in `ShareGPT` itself: a better length, from the author of the file.
    output_tokens: Option<u32>,
}

#[derive(Deserialize)]
struct Said {
    #[serde(alias = "role")]
    from: Option<String>,
    #[serde(alias = "content")]
    value: Option<Value>,
}

/// What was said: a text, or a list of parts of which those with text count.
#[derive(Deserialize)]
#[serde(untagged)]
enum Value {
    Text(String),
    Parts(Vec<Part>),
    Other(IgnoredAny),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Part {
    Text { text: String },
    Other(IgnoredAny),
}

impl Said {
    fn is_user(&self) -> bool {
        matches!(self.from.as_deref(), Some("human" | "user"))
    }

    /// The text; empty for a turn without any, such as the call of a tool.
    fn text(self) -> String {
        match self.value {
            Some(Value::Text(text)) => text,
            Some(Value::Parts(parts)) => {
                let texts = parts.into_iter().filter_map(|part| match part {
                    Part::Text { text } => Some(text),
                    Part::Other(_) => None,
                });
                texts.collect()
            }
            Some(Value::Other(_)) | None => String::new(),
        }
    }
}

impl Conversation {
    /// What the user says first, with the length of the answer to it. `None` for a conversation
    /// without such a pair, as some of the original file do not.
    fn entry(self, most: u32) -> Option<Entry> {
        let is_user = |said: &Option<Said>| said.as_ref().is_some_and(Said::is_user);
        let mut said = self.conversations.into_iter().skip_while(|said| !is_user(said));
        let (asked, answered) = (said.next()??, said.next()??);
        if answered.is_user() {
            return None;
        }
        let (asked, answered) = (asked.text(), answered.text());
        if asked.trim().is_empty() || answered.is_empty() {
            return None;
        }
        let estimate = answered.chars().count().div_ceil(CHARACTERS_PER_TOKEN);
        let tokens =
            self.output_tokens.unwrap_or_else(|| u32::try_from(estimate).unwrap_or(u32::MAX));
        Some(Entry { prompt: asked.into(), stated: Some(tokens.clamp(1, most)) })
    }
}

/// Takes a list of conversations, or one alone, and counts them: an error has the number of the one
/// that it is in.
struct Conversations<'a> {
    most: u32,
    read: &'a Cell<usize>,
}

impl<'de> Visitor<'de> for Conversations<'_> {
    type Value = Vec<Entry>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of conversations")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<Entry>, A::Error> {
        let mut entries = Vec::new();
        while let Some(conversation) = list.next_element::<Conversation>()? {
            self.read.set(self.read.get() + 1);
            entries.extend(conversation.entry(self.most));
        }
        Ok(entries)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Vec<Entry>, A::Error> {
        let conversation = Conversation::deserialize(MapAccessDeserializer::new(map))?;
        self.read.set(1);
        Ok(conversation.entry(self.most).into_iter().collect())
    }
}

/// The conversations of a file, their answers at most `most` tokens: a list, one alone, or one a
/// line.
pub(crate) fn share_gpt(path: &Path, most: u32) -> Result<Vec<Entry>, LoadError> {
    let bad = |cause: String| LoadError::Conversations { path: path.to_owned(), cause };
    let text = read(path)?;
    let entries = match whole(&text, most) {
        Err((_, error)) if is_line(&text, &error) => lines(&text, most).map_err(bad)?,
        read => read.map_err(|(number, error)| bad(format!("conversation {number}: {error}")))?,
    };
    if entries.is_empty() {
        return Err(bad("no conversation in it has a question with an answer".to_owned()));
    }
    Ok(entries)
}

/// A list of conversations or one alone; the error comes with the number of the conversation that
/// it is in, from 1.
fn whole(text: &str, most: u32) -> Result<Vec<Entry>, (usize, serde_json::Error)> {
    let read = Cell::new(0);
    let mut value = serde_json::Deserializer::from_str(text);
    let entries = value.deserialize_any(Conversations { most, read: &read });
    entries
        .and_then(|entries| value.end().map(|()| entries))
        .map_err(|error| (read.get() + 1, error))
}

/// Whether a text that is not a single value may have one per line: its first line was one.
fn is_line(text: &str, error: &serde_json::Error) -> bool {
    error.is_syntax() && error.line() > 1 && text.trim_start().starts_with('{')
}

/// A conversation a line.
fn lines(text: &str, most: u32) -> Result<Vec<Entry>, String> {
    let mut entries = Vec::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let found =
            whole(line, most).map_err(|(_, error)| format!("line {}: {error}", index + 1))?;
        entries.extend(found);
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
        let said: Vec<(&str, Option<u32>)> =
            entries.iter().map(|entry| (&*entry.prompt, entry.stated)).collect();
        assert_eq!(said, [("Why?", Some(3)), ("Hi", Some(40)), ("Long?", Some(100))]);
    }

    #[test]
    fn a_file_without_conversations_is_refused_with_the_place_of_the_fault() {
        for (text, why) in [
            (
                r#"[{"conversations": [{"from": "human", "text": "Hi"}]}]"#,
                "no conversation in it has a question with an answer",
            ),
            (
                r#"[{"conversations": []}, {"id": "a"}]"#,
                "conversation 2: missing field `conversations`",
            ),
            (r#"{"conversations": []}"#, "no conversation in it has a question with an answer"),
            (
                "{\"conversation\": []}\n\n{\"conversation\": 3}",
                "line 3: invalid type: integer `3`",
            ),
            ("[{\"conversations\": []}", "conversation 2: EOF while parsing a list"),
            (
                "\"words\"",
                "conversation 1: invalid type: string \"words\", expected a list of conversations",
            ),
            ("[]", "no conversation in it has a question with an answer"),
        ] {
            let error = parsed(text).unwrap_err().to_string();
            assert!(error.contains(why) && error.ends_with("and `value`"), "{error}");
        }
    }

    #[test]
    fn every_common_form_is_read() {
        let pair = r#"[{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "123456789"}]"#;
        for text in [
            format!("[{{\"conversation\": {pair}}}]"),
            format!("{{\"conversations\": {pair}}}"),
            format!("{{\"messages\": {pair}}}\n{{\"messages\": []}}\n"),
        ] {
            let entries = parsed(&text).unwrap();
            assert_eq!(
                (entries.len(), &*entries[0].prompt, entries[0].stated),
                (1, "Why?", Some(3)),
                "{text}"
            );
        }
    }

    #[test]
    fn a_turn_without_text_costs_only_its_own_conversation() {
        let text = r#"[
            {"conversations": [{"from": "human", "value": null}, {"from": "gpt", "value": "b"}]},
            {"conversations": [null, {"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}, null]},
            {"conversations": [{"from": "human", "value": [{"type": "text", "text": "See "}, {"type": "image"},
                               {"type": "text", "text": "this"}]}, {"from": "gpt", "value": "A cat"}]},
            {"conversations": [{"from": "human", "value": "Call"}, {"from": "gpt", "value": {"tool": 1}}]}
        ]"#;
        let entries = parsed(text).unwrap();
        let asked: Vec<&str> = entries.iter().map(|entry| &*entry.prompt).collect();
        assert_eq!(asked, ["Hi", "See this"]);
    }
}
