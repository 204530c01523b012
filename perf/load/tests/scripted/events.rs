//! What a ground-truth stream is made of: [`Event`]s, which know what they truly say, and how they
//! are written.

use rand::RngExt;
use rand::rngs::ChaCha8Rng;
use rand::seq::IndexedRandom;

/// What happens when the last byte of an event has arrived.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Says {
    /// How many tokens came with it.
    pub(crate) tokens: u32,
    /// The running total, where it gives one.
    pub(crate) total: Option<u32>,
    pub(crate) reason: Option<&'static str>,
    /// Whether it announces the end.
    pub(crate) is_done: bool,
}

/// One event, or something between events, as its bytes.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) bytes: Vec<u8>,
    /// Where the first byte of its data lies: comments and other fields come before.
    pub(crate) data_at: usize,
    /// Where its data ends, before the end of the line.
    pub(crate) data_end: usize,
    /// How many bytes complete it: a line feed after a carriage return adds nothing.
    pub(crate) complete_at: usize,
    /// How long after the event before it its first byte is sent, in microseconds.
    pub(crate) pause_us: u64,
    pub(crate) says: Says,
}

/// How a stream is written. Every way says the same.
#[expect(clippy::struct_excessive_bools, reason = "each is a choice of its own")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    pub(crate) is_chat: bool,
    line_end: &'static str,
    /// The field of a chat's chunk that carries the output.
    field: &'static str,
    /// Whether the chunk with the totals has no list of choices.
    null_choices: bool,
    space: bool,
    /// Comments and other fields between and inside events.
    noisy: bool,
    /// Data over several lines.
    folded: bool,
    /// How fast events follow each other: the longest pause in microseconds.
    longest_pause: u64,
}

/// Texts that a careless reader trips over.
const TEXTS: [&str; 9] = [
    "",
    "",
    " the",
    "x",
    "é",
    "\\n\\ndata: [DONE]\\n\\n",
    "\\\"usage\\\":{\\\"completion_tokens\\\":99}",
    "\\u2028\\r",
    "日本",
];

const NOISE: [&str; 7] = [
    ": keep-alive\n\n",
    ":\n",
    "event: completion\n",
    "id: 7\n",
    "retry: 10\n\n",
    "data:\n\n",
    "data\n\n",
];

/// Where servers put the output of a chat: `@` stands for the text.
const FIELDS: [&str; 8] = [
    r#""content":"@""#,
    r#""content":"@""#,
    r#""role":"assistant","content":"","reasoning":"@""#,
    r#""content":null,"reasoning_content":"@""#,
    r#""content":[{"type":"text","text":"@"}]"#,
    r#""tool_calls":[{"index":0,"type":"function","function":{"arguments":"@"}}]"#,
    r#""content":"","audio":{"data":"@"}"#,
    r#""content":"","a_field_of_next_year":"@""#,
];

impl Style {
    pub(crate) fn draw(rng: &mut ChaCha8Rng, is_chat: bool) -> Self {
        let longest_pause = *[0, 3, 1_000, 50_000, 400_000].choose(rng).unwrap();
        Self {
            is_chat,
            line_end: ["\n", "\n", "\r\n", "\r"].choose(rng).unwrap(),
            field: FIELDS.choose(rng).unwrap(),
            null_choices: rng.random_bool(0.2),
            space: rng.random_bool(0.8),
            noisy: rng.random_bool(0.3),
            folded: rng.random_bool(0.15),
            longest_pause,
        }
    }

    /// An event of this data, which may hold line feeds: each line is a `data` line.
    pub(crate) fn event(&self, rng: &mut ChaCha8Rng, data: &str, says: Says) -> Event {
        let mut text = String::new();
        if self.noisy && rng.random_bool(0.5) {
            text += NOISE.choose(rng).unwrap();
        }
        // A line end may have two bytes.
        let wide = |text: &str| text.len() + text.matches('\n').count() * (self.line_end.len() - 1);
        let data_at = wide(&text);
        for line in data.split('\n') {
            text += if self.space { "data: " } else { "data:" };
            text += line;
            text.push('\n');
        }
        let data_end = wide(&text) - self.line_end.len();
        if self.noisy && rng.random_bool(0.2) {
            text += "id: 8\n: inside\n";
        }
        text.push('\n');
        let text = text.replace('\n', self.line_end);
        let pause_us = rng.random_range(0..=self.longest_pause);
        let complete_at = text.len() + 1 - self.line_end.len();
        Event { bytes: text.into_bytes(), data_at, data_end, complete_at, pause_us, says }
    }

    /// A chunk with a choice. `usage` is the text of that field.
    pub(crate) fn chunk(&self, rng: &mut ChaCha8Rng, usage: Option<&str>, says: Says) -> Event {
        // A chunk without a token has no text, and one whose token is not counted has some.
        let text = match says {
            Says { tokens: 0, .. } => "",
            Says { total: None, .. } => TEXTS[2..].choose(rng).unwrap(),
            Says { .. } => TEXTS.choose(rng).unwrap(),
        };
        let reason = says.reason.map_or_else(
            || {
                if rng.random_bool(0.9) {
                    ",\"finish_reason\":null".to_owned()
                } else {
                    String::new()
                }
            },
            |reason| format!(",\"finish_reason\":\"{reason}\""),
        );
        let body = if self.is_chat {
            format!("\"delta\":{{{}}}", self.field.replace('@', text))
        } else {
            format!("\"text\":\"{text}\",\"logprobs\":null")
        };
        let choices = format!("\"choices\":[{{\"index\":0,{body}{reason}}}]");
        self.message(rng, &choices, usage, says)
    }

    /// The chunk that opens a chat and carries no token.
    pub(crate) fn role(&self, rng: &mut ChaCha8Rng, usage: Option<&str>, says: Says) -> Event {
        let content = ["", ",\"content\":\"\"", ",\"content\":null"].choose(rng).unwrap();
        let choices =
            format!("\"choices\":[{{\"index\":0,\"delta\":{{\"role\":\"assistant\"{content}}}}}]");
        self.message(rng, &choices, usage, says)
    }

    /// The chunk without a choice that closes a stream.
    pub(crate) fn totals(&self, rng: &mut ChaCha8Rng, usage: &str, says: Says) -> Event {
        let choices = if self.null_choices { "\"choices\":null" } else { "\"choices\":[]" };
        self.message(rng, choices, Some(usage), says)
    }

    pub(crate) fn done(&self, rng: &mut ChaCha8Rng) -> Event {
        let done = ["[DONE]", "[DONE]", "[DONE] "].choose(rng).unwrap();
        self.event(rng, done, Says { is_done: true, ..Says::default() })
    }

    fn message(
        &self,
        rng: &mut ChaCha8Rng,
        choices: &str,
        usage: Option<&str>,
        says: Says,
    ) -> Event {
        let fold = if self.folded { "\n" } else { "" };
        let usage = usage.map_or(String::new(), |usage| format!(",{fold}\"usage\":{usage}"));
        let head = "\"id\":\"cmpl-1\",\"object\":\"text_completion\",\"created\":1795311184,\"model\":\"tiny\",\"error\":null";
        self.event(rng, &format!("{{{head},{fold}{choices}{usage}}}"), says)
    }
}
