//! Text to tokens and back: [`Tokenizer`]. A word, a punctuation mark or a line break is one token.
//!
//! This is not a real tokenizer: ids are hashes, and the text of an id is a made-up word. It has
//! the two properties that a load and the prefix cache need: equal text gives equal ids, and some
//! tokens have no text of their own (half of a UTF-8 character).

use crate::draw::mix;

/// Ids below this are special tokens.
const SPECIAL: u32 = 4;
const MESSAGE_BEGIN: u32 = 1;
const MESSAGE_END: u32 = 2;
/// Words longer than this are split, as a real tokenizer would.
const LONGEST_WORD: usize = 12;
/// One id in this many has no text.
const EMPTY_ONE_IN: u64 = 33;
const SYLLABLES: [&str; 16] = [
    "la", "re", "mi", "so", "ta", "ne", "ro", "vi", "ku", "pe", "sha", "dor", "lin", "bra", "gen",
    "tal",
];

/// Cuts text for a vocabulary of a given size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tokenizer {
    vocab_size: u32,
}

impl Tokenizer {
    pub(crate) fn new(vocab_size: u32) -> Self {
        Self { vocab_size }
    }

    pub(crate) fn knows(self, id: u32) -> bool {
        id < self.vocab_size
    }

    /// The tokens of a text.
    pub(crate) fn encode(self, text: &str) -> Vec<u32> {
        let mut tokens = Vec::new();
        let mut word: Vec<u8> = Vec::new();
        let mut letters = 0;
        let mut buffer = [0; 4];
        for letter in text.chars() {
            let is_word = letter.is_alphanumeric() || letter == '_';
            if !word.is_empty() && (!is_word || letters == LONGEST_WORD) {
                tokens.push(self.id_of(&word));
                word.clear();
                letters = 0;
            }
            if is_word {
                word.extend_from_slice(letter.encode_utf8(&mut buffer).as_bytes());
                letters += 1;
            } else if letter == '\n' || !letter.is_whitespace() {
                tokens.push(self.id_of(letter.encode_utf8(&mut buffer).as_bytes()));
            }
        }
        if !word.is_empty() {
            tokens.push(self.id_of(&word));
        }
        tokens
    }

    /// The tokens of a conversation, up to the start of the assistant's answer.
    pub(crate) fn encode_chat<'a>(
        self,
        messages: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Vec<u32> {
        let mut tokens = Vec::new();
        for (role, content) in messages {
            tokens.push(MESSAGE_BEGIN);
            tokens.extend(self.encode(role));
            tokens.extend(self.encode("\n"));
            tokens.extend(self.encode(content));
            tokens.push(MESSAGE_END);
            tokens.extend(self.encode("\n"));
        }
        tokens.push(MESSAGE_BEGIN);
        tokens.extend(self.encode("assistant\n"));
        tokens
    }

    /// The token that a model in this state generates at this place.
    pub(crate) fn written(self, state: u64, place: usize) -> u32 {
        self.plain_id(mix(state, place as u64))
    }

    /// The text of tokens.
    #[allow(clippy::unused_self, reason = "which text an id has is the tokenizer's business")]
    pub(crate) fn decode(self, ids: &[u32]) -> String {
        let mut text = String::new();
        for id in ids {
            decode_into(*id, &mut text);
        }
        text
    }

    fn id_of(self, bytes: &[u8]) -> u32 {
        // FNV-1a.
        let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        self.plain_id(mix(hash, 0))
    }

    fn plain_id(self, value: u64) -> u32 {
        let plain = u64::from(self.vocab_size - SPECIAL);
        SPECIAL + u32::try_from(value % plain).unwrap_or(0)
    }
}

/// Appends the text of a token; about 3 % have none.
fn decode_into(id: u32, text: &mut String) {
    let value = mix(0x7e57, u64::from(id));
    if id < SPECIAL || value.is_multiple_of(EMPTY_ONE_IN) {
        return;
    }
    text.push(' ');
    for place in 0..=(value >> 8) % 3 {
        let syllable = usize::try_from((value >> (12 + 4 * place)) % 16).unwrap_or(0);
        text.push_str(SYLLABLES[syllable]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKENIZER: Tokenizer = Tokenizer { vocab_size: 4096 };

    #[test]
    fn words_marks_and_line_breaks_are_tokens() {
        assert_eq!(TOKENIZER.encode("The quick brown fox jumps over the lazy dog. ").len(), 10);
        assert_eq!(TOKENIZER.encode("import os\nprint(os.environ)").len(), 9);
        assert_eq!(TOKENIZER.encode("  ").len(), 0);
        assert_eq!(TOKENIZER.encode(&"x".repeat(30)).len(), 3);
    }

    #[test]
    fn equal_words_are_equal_tokens_within_the_vocabulary() {
        let tokens = TOKENIZER.encode("dog cat dog");
        assert_eq!(tokens[0], tokens[2]);
        assert_ne!(tokens[0], tokens[1]);
        assert!((0..1000).all(|place| TOKENIZER.knows(TOKENIZER.written(5, place))));
    }

    #[test]
    fn some_tokens_have_no_text() {
        let empty = (SPECIAL..4096).filter(|id| TOKENIZER.decode(&[*id]).is_empty()).count();
        assert!((80..170).contains(&empty), "{empty}");
    }
}
