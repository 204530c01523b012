//! Conversations of a file in `ShareGPT`'s format, in its common forms: [`share_gpt`].

use std::fmt;
use std::path::Path;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::workload::error::LoadError;
use crate::workload::files::{Entry, read};
use crate::workload::skips::Skips;

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

    /// Whether it is a text, or parts that all are.
    fn is_text(&self) -> bool {
        match &self.value {
            Some(Value::Text(text)) => !text.is_empty(),
            Some(Value::Parts(parts)) => {
                !parts.is_empty() && parts.iter().all(|part| matches!(part, Part::Text { .. }))
            }
            Some(Value::Other(_)) | None => false,
        }
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
    /// How many of its turns have no text, or parts that are none: calls of tools, images, lost answers.
    fn turns_without_text(&self) -> u64 {
        let is_text = |said: &&Option<Said>| said.as_ref().is_some_and(Said::is_text);
        (self.conversations.len() - self.conversations.iter().filter(is_text).count()) as u64
    }

    /// What the user says first, with the length of the answer to it; or why there is no such pair,
    /// as in some of the original file.
    fn entry(self, most: u32) -> Result<Entry, &'static str> {
        let is_user = |said: &Option<Said>| said.as_ref().is_some_and(Said::is_user);
        let mut said = self.conversations.into_iter().skip_while(|said| !is_user(said));
        let asked = said.next().flatten().ok_or("it has no question")?;
        let answered = said.next().flatten().ok_or("its question has no answer")?;
        if answered.is_user() {
            return Err("its question has no answer");
        }
        let (asked, answered) = (asked.text(), answered.text());
        if asked.trim().is_empty() {
            return Err("its question has no text");
        }
        if answered.is_empty() {
            return Err("its answer has no text");
        }
        let estimate = answered.chars().count().div_ceil(CHARACTERS_PER_TOKEN);
        let tokens =
            self.output_tokens.unwrap_or_else(|| u32::try_from(estimate).unwrap_or(u32::MAX));
        Ok(Entry { prompt: asked.into(), stated: Some(tokens.clamp(1, most)) })
    }
}

/// The conversations of a file, and what was wrong with the others.
struct Reading<'a> {
    /// The whole file, from which the line of a conversation follows.
    text: &'a str,
    most: u32,
    entries: Vec<Entry>,
    skips: Skips,
}

impl Reading<'_> {
    /// Takes a conversation, which is JSON at least.
    fn take(&mut self, raw: &str) {
        self.skips.read += 1;
        let entry = serde_json::from_str::<Conversation>(raw).map_err(|error| plain(&error));
        let entry = entry.and_then(|conversation| {
            let turns = conversation.turns_without_text();
            Ok((conversation.entry(self.most).map_err(str::to_owned)?, turns))
        });
        let (text, number) = (self.text, self.skips.read);
        let place = || {
            let before = raw.as_ptr().addr().saturating_sub(text.as_ptr().addr());
            let lines = text.as_bytes().get(..before).unwrap_or_default();
            let line = memchr::memchr_iter(b'\n', lines).count() + 1;
            format!("conversation {number} in line {line}")
        };
        match entry {
            Ok((entry, turns)) => {
                self.entries.push(entry);
                self.skips.pass_over(turns, place);
            }
            Err(why) => self.skips.skip(place, &why),
        }
    }
}

/// An error without its place, which would be that in the conversation alone.
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or(&text).to_owned()
}

/// Takes a list of conversations, or one alone.
struct Conversations<'a, 'b>(&'a mut Reading<'b>);

impl<'de> Visitor<'de> for Conversations<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of conversations")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(raw) = list.next_element::<&RawValue>()? {
            self.0.take(raw.get());
        }
        Ok(())
    }
}

/// The conversations of a file, their answers at most `most` tokens: a list, one alone, or one a
/// line.
pub(crate) fn share_gpt(path: &Path, most: u32) -> Result<(Vec<Entry>, Skips), LoadError> {
    let bad = |cause: String| LoadError::Conversations { path: path.to_owned(), cause };
    let text = read(path)?;
    let (entries, skips) = (Vec::new(), Skips::default());
    let mut reading = Reading { text: &text, most, entries, skips };
    if text.trim_start().starts_with('{') {
        one_or_lines(&mut reading).map_err(bad)?;
    } else {
        let mut value = serde_json::Deserializer::from_str(&text);
        let read = value.deserialize_any(Conversations(&mut reading));
        read.and_then(|()| value.end())
            .map_err(|error| bad(format!("conversation {}: {error}", reading.skips.read + 1)))?;
    }
    let Reading { entries, skips, .. } = reading;
    if entries.is_empty() {
        return Err(bad(format!(
            "no conversation in it has a question with an answer{}",
            skips.because()
        )));
    }
    Ok((entries, skips))
}

/// A conversation alone, or one a line.
fn one_or_lines(reading: &mut Reading<'_>) -> Result<(), String> {
    let text = reading.text;
    match serde_json::from_str::<&RawValue>(text) {
        Ok(raw) => reading.take(raw.get()),
        // Its first line was a value.
        Err(error) if error.is_syntax() && error.line() > 1 => {
            for (index, line) in text.lines().enumerate() {
                if line.trim().is_empty() {
                    continue;
                }
                match serde_json::from_str::<&RawValue>(line) {
                    Ok(raw) => reading.take(raw.get()),
                    Err(error) => {
                        reading.skips.read += 1;
                        let number = reading.skips.read;
                        let place = || format!("conversation {number} in line {}", index + 1);
                        reading.skips.skip(place, &plain(&error));
                    }
                }
            }
        }
        Err(error) => return Err(format!("conversation 1: {error}")),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use perf_model::record::skipped_entries::SkippedEntries;

    use super::*;

    fn parsed(text: &str) -> Result<Vec<Entry>, LoadError> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        share_gpt(file.path(), 100).map(|(entries, _)| entries)
    }

    fn skipped(text: &str) -> SkippedEntries {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        share_gpt(file.path(), 100).unwrap().1.of_file(file.path(), "conversations").unwrap()
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
                r#"[{"id": "a"}, {"conversations": []}]"#,
                "2 of 2 were skipped, the first is conversation 1 in line 1: missing field `conversations`",
            ),
            (r#"{"conversations": []}"#, "no conversation in it has a question with an answer"),
            (
                "{\"conversation\": 3}\n\n{\"conversation\": []}",
                "conversation 1 in line 1: invalid type: integer `3`",
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
        let skipped = skipped(text);
        // Nothing was said at the beginning and at the end of the second, and the third has an image.
        assert_eq!((skipped.read, skipped.skipped, skipped.turns), (4, 2, 3));
        assert_eq!(skipped.first, "conversation 1 in line 2: its question has no text");
    }

    #[test]
    fn turns_that_are_not_needed_and_have_no_text_are_counted() {
        let asked =
            r#"{"role": "user", "content": "Weather?"}, {"role": "assistant", "content": "Fine."}"#;
        let call = r#"{"role": "assistant", "content": null, "tool_calls": []}"#;
        let text = format!("{{\"messages\": [{asked}]}}\n{{\"messages\": [{asked}, {call}]}}");
        let skipped = skipped(&text);
        assert_eq!((skipped.read, skipped.skipped, skipped.turns), (2, 0, 1));
        assert_eq!(skipped.first, "conversation 2 in line 2");
    }

    #[test]
    fn one_bad_conversation_among_many_is_named_with_its_line() {
        let good = r#"{"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}"#;
        let list = format!("[\n{good},\n{{\"conversations\": 7}},\n{good}\n]");
        assert_eq!(parsed(&list).unwrap().len(), 2);
        let said = skipped(&list).first;
        assert!(said.starts_with("conversation 2 in line 3: invalid type: integer `7`"), "{said}");
        let lines = format!("{good}\n{{\"conversations\": \n{good}\n");
        assert_eq!(parsed(&lines).unwrap().len(), 2);
        let said = skipped(&lines).first;
        assert!(said.starts_with("conversation 2 in line 2: EOF"), "{said}");
    }
}
