//! Server-sent events out of a byte stream: [`Splitter`].
//!
//! The network cuts the stream anywhere and glues events together, so nothing is assumed about
//! where a read ends. An event remembers when its first byte had arrived. Only `data` matters to
//! us: comments (vLLM sends them to keep idle connections open) and other fields are skipped,
//! several data lines of one event are joined by line feeds, and lines end with LF, CRLF or CR. The
//! end of the stream completes an event as a blank line does. Lines that are none of these are kept
//! apart: some servers send errors in this way.

use perf_clock::Stamp;

/// How much is kept of lines that are not server-sent events.
const FOREIGN: usize = 8 * 1024;

/// Cuts a byte stream into the data of its events.
#[derive(Debug, Default)]
pub(crate) struct Splitter {
    /// A line whose end has not arrived, and when its first byte had.
    line: Vec<u8>,
    line_since: Stamp,
    /// The data lines of an event whose end has not arrived, and when its first byte had.
    data: Vec<u8>,
    data_since: Option<Stamp>,
    /// The last line ended with a carriage return, and the line feed that may belong to it has not
    /// arrived.
    after_return: bool,
    /// Whether a line has been read: only the first may begin with a byte order mark.
    has_begun: bool,
    foreign: Foreign,
}

/// Lines that are not server-sent events.
#[derive(Debug, Default)]
pub(crate) struct Foreign {
    /// Their text, at most [`FOREIGN`] bytes of it.
    pub(crate) text: Vec<u8>,
    /// How many there were.
    pub(crate) lines: usize,
}

impl Splitter {
    /// Takes what arrived at `now` and hands every event that it completes to `event`, with the
    /// moment at which the event's first byte had arrived. Stops at the first error.
    pub(crate) fn push<E>(
        &mut self,
        mut read: &[u8],
        now: Stamp,
        mut event: impl FnMut(Stamp, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.after_return && !read.is_empty() {
            self.after_return = false;
            read = read.strip_prefix(b"\n").unwrap_or(read);
        }
        while let Some(end) = memchr::memchr2(b'\n', b'\r', read) {
            let line = &read[..end];
            let rest = self.after_line_end(&read[end..]);
            read = rest;
            if self.line.is_empty() {
                // The usual case, without a copy: a data line and the blank line after it in one
                // read.
                let is_blank = matches!(rest.first(), Some(b'\n' | b'\r'));
                if let (Some(data), None, true) = (data_of(line), self.data_since, is_blank) {
                    read = self.after_line_end(rest);
                    self.has_begun = true;
                    event(now, data)?;
                } else {
                    self.take_line(line, now, &mut event)?;
                }
            } else {
                let mut whole = std::mem::take(&mut self.line);
                whole.extend_from_slice(line);
                let result = self.take_line(&whole, self.line_since, &mut event);
                whole.clear();
                self.line = whole;
                result?;
            }
        }
        if !read.is_empty() {
            if self.line.is_empty() {
                self.line_since = now;
            }
            self.line.extend_from_slice(read);
        }
        Ok(())
    }

    /// Hands over the event that the end of the stream completes in place of a blank line. Gives
    /// whether there was one.
    pub(crate) fn finish<E>(
        &mut self,
        mut event: impl FnMut(Stamp, &[u8]) -> Result<(), E>,
    ) -> Result<bool, E> {
        let line = std::mem::take(&mut self.line);
        if !line.is_empty() {
            self.take_line(&line, self.line_since, &mut event)?;
        }
        let Some(since) = self.data_since.take() else { return Ok(false) };
        event(since, &std::mem::take(&mut self.data))?;
        Ok(true)
    }

    /// How many bytes it holds of an event that has not ended. The caller bounds it.
    pub(crate) fn held(&self) -> usize {
        self.line.len() + self.data.len()
    }

    /// The lines that are not server-sent events.
    pub(crate) fn foreign(&self) -> &Foreign {
        &self.foreign
    }

    /// What follows the line end that `read` begins with: a line feed, a carriage return, or both.
    fn after_line_end<'a>(&mut self, read: &'a [u8]) -> &'a [u8] {
        match read {
            [b'\r'] => {
                self.after_return = true;
                &[]
            }
            [b'\r', b'\n', rest @ ..] | [_, rest @ ..] => rest,
            [] => read,
        }
    }

    fn take_line<E>(
        &mut self,
        mut line: &[u8],
        since: Stamp,
        event: &mut impl FnMut(Stamp, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        if !std::mem::replace(&mut self.has_begun, true) {
            line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
        }
        if let Some(data) = data_of(line) {
            if self.data_since.is_some() {
                self.data.push(b'\n');
            } else {
                self.data_since = Some(since);
            }
            self.data.extend_from_slice(data);
        } else if line.is_empty() {
            if let Some(since) = self.data_since.take() {
                let result = event(since, &self.data);
                self.data.clear();
                return result;
            }
        } else if !is_without_data(line) {
            self.foreign.lines += 1;
            let room = FOREIGN.saturating_sub(self.foreign.text.len());
            self.foreign.text.extend_from_slice(&line[..line.len().min(room)]);
            self.foreign.text.push(b'\n');
        }
        Ok(())
    }
}

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// The value of a `data` line.
fn data_of(line: &[u8]) -> Option<&[u8]> {
    let value = line.strip_prefix(b"data")?;
    if value.is_empty() {
        return Some(value);
    }
    let value = value.strip_prefix(b":")?;
    Some(value.strip_prefix(b" ").unwrap_or(value))
}

/// Whether a line is a comment or a field that carries no data: both belong to the format.
fn is_without_data(line: &[u8]) -> bool {
    let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
    matches!(name, b"" | b"event" | b"id" | b"retry")
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::time::Duration;

    use super::*;
    use crate::testing::{body_of, capture};
    use proptest::prelude::*;

    /// The events of a stream that arrives in pieces, the first at 0 µs, the next at 1 µs and so
    /// on.
    fn events<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<(u128, String)> {
        let mut splitter = Splitter::default();
        let mut events = Vec::new();
        for (index, piece) in pieces.into_iter().enumerate() {
            let now = Duration::from_micros(index as u64);
            let Ok(()) = splitter.push(piece, now, |since, data| {
                events.push((since.as_micros(), String::from_utf8_lossy(data).into_owned()));
                Ok::<(), Infallible>(())
            });
        }
        events
    }

    fn texts(stream: &str) -> Vec<String> {
        events([stream.as_bytes()]).into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn events_glued_together_come_apart() {
        assert_eq!(texts("data: a\n\ndata: b\n\ndata:c\n\n"), ["a", "b", "c"]);
    }

    #[test]
    fn comments_and_other_fields_are_skipped() {
        assert_eq!(
            texts(
                ": keep-alive\n\nevent: x\nid: 7\ndata: a\n: more\n\n\n\nretry: 5\n\ndatabase: b\n\n"
            ),
            ["a"]
        );
    }

    #[test]
    fn lines_may_end_with_carriage_returns_and_data_may_span_lines() {
        assert_eq!(texts("data: a\r\n\r\ndata: b\r\ndata\r\ndata:  c\r\n\r\n"), ["a", "b\n\n c"]);
    }

    #[test]
    fn the_end_of_the_stream_completes_an_event() {
        for (stream, last) in [
            ("data: a\n\n", None),
            ("data: a\n\ndata: b", Some("b")),
            ("data: b\n", Some("b")),
            ("", None),
        ] {
            let mut splitter = Splitter::default();
            let Ok(()) =
                splitter.push(stream.as_bytes(), Duration::ZERO, |_, _| Ok::<(), Infallible>(()));
            let mut seen = None;
            let Ok(there) = splitter.finish(|_, data| {
                seen = Some(String::from_utf8_lossy(data).into_owned());
                Ok::<(), Infallible>(())
            });
            assert_eq!((seen.as_deref(), there), (last, last.is_some()), "after {stream:?}");
        }
    }

    #[test]
    fn a_byte_order_mark_opens_a_stream_and_carriage_returns_end_lines() {
        assert_eq!(texts("\u{feff}data: a\r\rdata: b\r\r"), ["a", "b"]);
        let pieces: [&[u8]; 5] = [b"data: a\r", b"\n\r", b"\ndata: b\r", b"data: c\r\n", b"\r\n"];
        let seen: Vec<String> = events(pieces).into_iter().map(|(_, text)| text).collect();
        assert_eq!(seen, ["a", "b\nc"]);
    }

    #[test]
    fn lines_that_are_no_events_are_kept_apart() {
        let mut splitter = Splitter::default();
        let stream =
            "error: {\"a\":1}\n: comment\nid: 3\nevent: x\n\ndata: a\n\n<html>\nretry: 1\n";
        let Ok(()) =
            splitter.push(stream.as_bytes(), Duration::ZERO, |_, _| Ok::<(), Infallible>(()));
        assert_eq!(splitter.foreign().lines, 2);
        assert_eq!(splitter.foreign().text, b"error: {\"a\":1}\n<html>\n");
        let long = "x".repeat(FOREIGN) + "\nmore\n";
        let Ok(()) =
            splitter.push(long.as_bytes(), Duration::ZERO, |_, _| Ok::<(), Infallible>(()));
        assert!(splitter.foreign().text.len() < FOREIGN + 8 && splitter.foreign().lines == 4);
    }

    #[test]
    fn an_event_is_as_old_as_its_first_byte() {
        let pieces: [&[u8]; 6] =
            [b": comment\n", b"da", b"ta: a\r\n", b"\r", b"\nd", b"ata: b\n\ndata: c\n\n"];
        assert_eq!(events(pieces), [(1, "a".to_owned()), (4, "b".to_owned()), (5, "c".to_owned())]);
    }

    #[test]
    fn an_error_stops_the_splitting() {
        let mut seen = 0;
        let result = Splitter::default().push(b"data: a\n\ndata: b\n\n", Duration::ZERO, |_, _| {
            seen += 1;
            Err("enough")
        });
        assert_eq!((result, seen), (Err("enough"), 1));
    }

    #[test]
    fn a_real_stream_split_at_any_byte_gives_the_same_events() {
        for name in ["completion-stream", "chat-stream", "completion-stream-interval10"] {
            let bytes = capture(name);
            for end in [b"\n".as_slice(), b"\r\n", b"\r"] {
                let stream = with_line_end(body_of(&bytes), end);
                let whole: Vec<String> =
                    events([&stream[..]]).into_iter().map(|(_, text)| text).collect();
                assert_eq!(whole.last().map(String::as_str), Some("[DONE]"));
                for middle in 0..stream.len() {
                    let (left, right) = stream.split_at(middle);
                    assert!(
                        events([left, right])
                            .into_iter()
                            .map(|(_, text)| text)
                            .eq(whole.iter().cloned())
                    );
                }
                let bytewise = events(stream.chunks(1));
                assert!(bytewise.into_iter().map(|(_, text)| text).eq(whole.iter().cloned()));
            }
        }
    }

    fn with_line_end(stream: &[u8], end: &[u8]) -> Vec<u8> {
        let lines: Vec<&[u8]> = stream.split(|byte| *byte == b'\n').collect();
        lines.join(end)
    }

    proptest! {
        #[test]
        fn a_real_stream_cut_anywhere_gives_the_same_events(cuts in prop::collection::vec(0_usize..5_000, 0..60)) {
            let bytes = capture("chat-stream");
            let stream = body_of(&bytes);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(stream.len())).collect();
            cuts.sort_unstable();
            let edges: Vec<usize> = std::iter::once(0).chain(cuts).chain([stream.len()]).collect();
            let pieces: Vec<&[u8]> = edges.windows(2).map(|edge| &stream[edge[0]..edge[1]]).collect();
            let cut: Vec<String> = events(pieces).into_iter().map(|(_, text)| text).collect();
            let whole: Vec<String> = events([stream]).into_iter().map(|(_, text)| text).collect();
            prop_assert_eq!(cut, whole);
        }

        #[test]
        fn no_bytes_make_the_splitter_panic(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..10)) {
            events(pieces.iter().map(Vec::as_slice));
        }
    }
}
