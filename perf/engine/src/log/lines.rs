//! Splits what a server writes into lines of bounded length: [`Lines`].

/// Bytes of a line that are kept. Lines of vLLM have a few hundred.
const LONGEST: usize = 16 * 1024;

/// What stands for the rest of a line that is too long.
const CUT: &[u8] = b" [the rest of this line is left out]";

/// A log that arrives piece by piece.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    line: Vec<u8>,
}

impl Lines {
    /// Adds a piece, and hands over each line that it ends.
    pub(crate) fn push(&mut self, piece: &[u8], mut each: impl FnMut(&[u8])) {
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            let room = LONGEST.saturating_sub(self.line.len());
            self.line.extend_from_slice(&part[..part.len().min(room)]);
            if part.len() > room && self.line.len() == LONGEST {
                self.line.extend_from_slice(CUT);
            }
            if part.ends_with(b"\n") {
                each(&self.line);
                self.line.clear();
            }
        }
    }

    /// Hands over what follows the last line feed.
    pub(crate) fn end(self, mut each: impl FnMut(&[u8])) {
        if !self.line.is_empty() {
            each(&self.line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<String> {
        let (mut lines, mut found) = (Lines::default(), Vec::new());
        let mut keep =
            |line: &[u8]| found.push(String::from_utf8_lossy(line).trim_end().to_owned());
        for piece in pieces {
            lines.push(piece, &mut keep);
        }
        lines.end(&mut keep);
        found
    }

    #[test]
    fn lines_are_found_across_pieces() {
        assert_eq!(lines(&[b"a", b"b\nc\n\nd", b"e"]), ["ab", "c", "", "de"]);
    }

    #[test]
    fn a_line_without_end_takes_bounded_memory_and_the_next_one_is_whole() {
        let piece = vec![b'x'; 10_000];
        let mut pieces: Vec<&[u8]> = vec![&piece; 1_000];
        pieces.push(b"\nnext\n");
        let found = lines(&pieces);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].len(), LONGEST + CUT.len());
        assert_eq!(found[1], "next");
    }
}
