//! Server-sent events out of a byte stream: [`Splitter`].
//!
//! The network cuts the stream anywhere and glues events together, so nothing is assumed about
//! where a read ends. An event remembers when its first byte had arrived. Only `data` matters to
//! us: comments (vLLM sends them to keep idle connections open) and other fields are skipped,
//! several data lines of one event are joined by line feeds, and lines end with LF or CRLF.

use perf_clock::Stamp;

/// Cuts a byte stream into the data of its events.
#[derive(Debug, Default)]
pub(crate) struct Splitter {
    /// A line whose end has not arrived, and when its first byte had.
    line: Vec<u8>,
    line_since: Stamp,
    /// The data lines of an event whose end has not arrived, and when its first byte had.
    data: Vec<u8>,
    data_since: Option<Stamp>,
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
        while let Some(end) = memchr::memchr(b'\n', read) {
            let (line, rest) = (&read[..end], &read[end + 1..]);
            read = rest;
            if self.line.is_empty() {
                // The usual case, without a copy: a data line and the blank line after it in one
                // read.
                let blank = if rest.starts_with(b"\r\n") {
                    2
                } else {
                    usize::from(rest.starts_with(b"\n"))
                };
                if let (Some(data), None, 1..) = (data_of(line), self.data_since, blank) {
                    read = &rest[blank..];
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

    /// How many bytes it holds of an event that has not ended. The caller bounds it.
    pub(crate) fn held(&self) -> usize {
        self.line.len() + self.data.len()
    }

    /// Whether an event has begun and not ended.
    pub(crate) fn is_inside_event(&self) -> bool {
        self.data_since.is_some() || !self.line.is_empty()
    }

    fn take_line<E>(
        &mut self,
        line: &[u8],
        since: Stamp,
        event: &mut impl FnMut(Stamp, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        if let Some(data) = data_of(line) {
            if self.data_since.is_some() {
                self.data.push(b'\n');
            } else {
                self.data_since = Some(since);
            }
            self.data.extend_from_slice(data);
        } else if without_cr(line).is_empty()
            && let Some(since) = self.data_since.take()
        {
            let result = event(since, &self.data);
            self.data.clear();
            return result;
        }
        Ok(())
    }
}

/// The value of a `data` line.
fn data_of(line: &[u8]) -> Option<&[u8]> {
    let value = without_cr(line).strip_prefix(b"data")?;
    if value.is_empty() {
        return Some(value);
    }
    let value = value.strip_prefix(b":")?;
    Some(value.strip_prefix(b" ").unwrap_or(value))
}

fn without_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
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
    fn an_event_without_its_blank_line_has_not_ended() {
        let mut splitter = Splitter::default();
        for (piece, inside) in
            [("data: a", true), ("\n", true), ("\n", false), (": c\n", false), ("d", true)]
        {
            let Ok(()) =
                splitter.push(piece.as_bytes(), Duration::ZERO, |_, _| Ok::<(), Infallible>(()));
            assert_eq!(splitter.is_inside_event(), inside, "after {piece:?}");
        }
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
            for stream in [body_of(&bytes).to_vec(), with_crlf(body_of(&bytes))] {
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

    fn with_crlf(stream: &[u8]) -> Vec<u8> {
        stream
            .iter()
            .flat_map(|byte| if *byte == b'\n' { b"\r\n".to_vec() } else { vec![*byte] })
            .collect()
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
