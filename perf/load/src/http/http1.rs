//! HTTP/1.1 as bytes, without a socket: [`request`] writes the head of a request, [`parse_head`]
//! reads that of a response, and [`Body`] takes the framing off its body.
//!
//! It is written here because it is all that lies between the socket and the stamp of a token. A
//! body is decoded from the bytes of one read, in one go and without another allocation; a
//! general client hands on every chunk of the transfer by itself, through a queue. What a response
//! may look like follows RFC 9112; what is doubtful is refused, so that no byte is counted for the
//! wrong response.

use http::header::HeaderValue;
use http::{Method, StatusCode};

/// The longest head of a response, and the longest line of a body's framing. (Others allow 8 to 400
/// KiB for a head.)
const LONGEST: usize = 64 * 1024;

/// How much of what a server sent a message repeats, in bytes.
const EXCERPT: usize = 80;

/// The most header fields of a response.
const FIELDS: usize = 128;

/// What the head of a response says that matters here.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: StatusCode,
    pub(crate) content_type: Option<HeaderValue>,
    /// Where a redirect points to.
    pub(crate) location: Option<HeaderValue>,
    pub(crate) body: Body,
    /// Whether the connection may carry another request afterwards.
    pub(crate) stays: bool,
}

/// The body of a response, of which some may have come.
#[derive(Debug)]
pub(crate) struct Body {
    framing: Framing,
    /// The beginning of a line of the framing whose end has not come.
    line: Vec<u8>,
}

/// What comes next in a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// This number of bytes, and no framing.
    Plain(u64),
    /// Everything until the connection ends.
    Rest,
    /// The line with a chunk's size.
    Size,
    /// This number of bytes of a chunk.
    Chunk(u64),
    /// The line feed after a chunk.
    ChunkEnd,
    /// Lines until a blank one.
    Trailers,
    /// Nothing.
    Done,
}

/// The head of a request, with the length of its body if it has one. Path and host are the
/// caller's, and hold no line feed.
pub(crate) fn request(method: &Method, path: &str, host: &str, length: usize) -> Vec<u8> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\n");
    if length > 0 {
        head.push_str("content-type: application/json\r\ncontent-length: ");
        head.push_str(&length.to_string());
        head.push_str("\r\n");
    }
    head.push_str("\r\n");
    head.into_bytes()
}

/// The head of a response and how many bytes it took, if it is whole. Interim responses (1xx)
/// before it are skipped.
pub(crate) fn parse_head(bytes: &[u8]) -> Result<Option<(usize, Head)>, String> {
    let mut begin = 0;
    loop {
        let mut fields = [httparse::EMPTY_HEADER; FIELDS];
        let mut response = httparse::Response::new(&mut fields);
        // An alert: a server that speaks TLS does not understand what it hears.
        if bytes.starts_with(&[0x15, 0x03]) {
            return Err("the response is not HTTP/1.1 but TLS".to_owned());
        }
        let read = response.parse(&bytes[begin..]).map_err(|error| {
            let begins = escaped(&bytes[begin..]);
            format!("the response is not HTTP/1.1 ({error}): it begins with \"{begins}\"")
        })?;
        let httparse::Status::Complete(length) = read else {
            let too_long = bytes.len() > LONGEST;
            return if too_long {
                Err(format!("the server sent a head of more than {} KiB", LONGEST / 1024))
            } else {
                Ok(None)
            };
        };
        begin += length;
        match response.code {
            Some(101) => return Err("the server switches to another protocol".to_owned()),
            Some(100..200) => {}
            _ => return Ok(Some((begin, read_fields(&response)?))),
        }
    }
}

/// What a parsed head says.
fn read_fields(response: &httparse::Response<'_, '_>) -> Result<Head, String> {
    let status = response
        .code
        .and_then(|code| StatusCode::from_u16(code).ok())
        .ok_or("the response has no status")?;
    // Since HTTP/1.1 a connection stays unless it is said otherwise.
    let mut stays = response.version == Some(1);
    let (mut content_type, mut location, mut length, mut coding) = (None, None, None, None);
    for field in response.headers.iter() {
        let is = |name: &str| field.name.eq_ignore_ascii_case(name);
        if is("content-type") {
            content_type = HeaderValue::from_bytes(field.value).ok();
        } else if is("location") {
            location = HeaderValue::from_bytes(field.value).ok();
        } else if is("content-length") {
            let text = std::str::from_utf8(field.value)
                .ok()
                .filter(|text| text.bytes().all(|c| c.is_ascii_digit()));
            let said: u64 = text.and_then(|text| text.parse().ok()).ok_or_else(|| {
                let said = escaped(field.value);
                format!("the response's content-length is not a number: \"{said}\"")
            })?;
            if let Some(before) = length.replace(said).filter(|before| *before != said) {
                return Err(format!(
                    "the response has two different content lengths: {before} and {said}"
                ));
            }
        } else if is("transfer-encoding") {
            // The last coding, over all such fields, is the one that frames the body.
            coding = words(field.value).last();
        } else if is("connection") {
            for word in words(field.value) {
                stays = (stays || word == "keep-alive") && word != "close";
            }
        }
    }
    let framing = match (coding.as_deref(), length) {
        _ if status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED => {
            Framing::Done
        }
        (Some("chunked"), _) => Framing::Size,
        (None, Some(0)) => Framing::Done,
        (None, Some(length)) => Framing::Plain(length),
        (Some(_), _) | (None, None) => Framing::Rest,
    };
    Ok(Head {
        status,
        content_type,
        location,
        body: Body { framing, line: Vec::new() },
        stays: stays && framing != Framing::Rest,
    })
}

/// The beginning of what a server sent, escaped for a message.
pub(crate) fn escaped(bytes: &[u8]) -> String {
    let end = if bytes.len() > EXCERPT { "…" } else { "" };
    format!("{}{end}", bytes[..bytes.len().min(EXCERPT)].escape_ascii())
}

/// The words of a header's list, in small letters.
fn words(value: &[u8]) -> impl Iterator<Item = String> {
    value
        .split(|byte| *byte == b',')
        .map(|word| String::from_utf8_lossy(word).trim().to_ascii_lowercase())
}

impl Body {
    /// Whether all of it has come.
    pub(crate) fn is_done(&self) -> bool {
        self.framing == Framing::Done
    }

    /// Whether it ends well when the connection does.
    pub(crate) fn may_end(&self) -> bool {
        matches!(self.framing, Framing::Rest | Framing::Done)
    }

    /// Takes what was read and appends to `into` what of it is content. Gives how many bytes are
    /// the body's: fewer than there are when it ends among them.
    pub(crate) fn take(&mut self, read: &[u8], into: &mut Vec<u8>) -> Result<usize, &'static str> {
        let mut rest = read;
        while !rest.is_empty() && self.framing != Framing::Done {
            match self.framing {
                Framing::Plain(left) => {
                    let left = left - content(left, &mut rest, into);
                    self.framing = if left == 0 { Framing::Done } else { Framing::Plain(left) };
                }
                Framing::Chunk(left) => {
                    let left = left - content(left, &mut rest, into);
                    self.framing = if left == 0 { Framing::ChunkEnd } else { Framing::Chunk(left) };
                }
                Framing::Rest => {
                    content(u64::MAX, &mut rest, into);
                }
                Framing::Size | Framing::ChunkEnd | Framing::Trailers => {
                    self.take_line(&mut rest)?
                }
                Framing::Done => {}
            }
        }
        Ok(read.len() - rest.len())
    }

    /// Takes a line of the framing, or the beginning of one.
    fn take_line(&mut self, rest: &mut &[u8]) -> Result<(), &'static str> {
        let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |feed| feed + 1);
        let (piece, after) = rest.split_at(end);
        *rest = after;
        if self.line.len() + piece.len() > LONGEST {
            return Err("the framing of the response's body is too long");
        }
        let is_whole = piece.ends_with(b"\n");
        if !self.line.is_empty() || !is_whole {
            self.line.extend_from_slice(piece);
        }
        if is_whole {
            let line = if self.line.is_empty() { piece } else { &self.line };
            self.framing = after_line(self.framing, line)?;
            self.line.clear();
        }
        Ok(())
    }
}

/// Moves at most `left` bytes to the content.
fn content(left: u64, rest: &mut &[u8], into: &mut Vec<u8>) -> u64 {
    let length = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
    let (piece, after) = rest.split_at(length);
    into.extend_from_slice(piece);
    *rest = after;
    length as u64
}

/// What follows a line of the framing.
fn after_line(framing: Framing, line: &[u8]) -> Result<Framing, &'static str> {
    match framing {
        Framing::Size => match httparse::parse_chunk_size(line) {
            // A line without a digit would be read as a zero.
            Ok(httparse::Status::Complete((_, size))) if line[0].is_ascii_hexdigit() => {
                Ok(if size == 0 { Framing::Trailers } else { Framing::Chunk(size) })
            }
            _ => Err("a chunk of the response's body has no size"),
        },
        Framing::ChunkEnd if line == b"\r\n" => Ok(Framing::Size),
        Framing::ChunkEnd => Err("a chunk of the response's body is longer than its size"),
        Framing::Trailers if line == b"\r\n" || line == b"\n" => Ok(Framing::Done),
        same => Ok(same),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read_head(text: &str) -> Head {
        let (length, head) = parse_head(text.as_bytes()).unwrap().unwrap();
        assert_eq!(length, text.len());
        head
    }

    fn with(fields: &str) -> Head {
        read_head(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n"))
    }

    /// A body that arrives in pieces: its content, whether it is done, and how many bytes were
    /// left.
    fn read_body<'a>(
        mut body: Body,
        pieces: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<(Vec<u8>, bool, usize), &'static str> {
        let (mut content, mut left) = (Vec::new(), 0);
        for piece in pieces {
            left += piece.len() - body.take(piece, &mut content)?;
        }
        Ok((content, body.is_done(), left))
    }

    fn chunked(text: &str) -> Result<(String, bool, usize), &'static str> {
        let (content, is_done, left) =
            read_body(with("transfer-encoding: chunked\r\n").body, [text.as_bytes()])?;
        Ok((String::from_utf8(content).unwrap(), is_done, left))
    }

    #[test]
    fn a_request_names_its_host_and_the_length_of_its_body() {
        let text =
            |length| String::from_utf8(request(&Method::POST, "/v1/x", "h:1", length)).unwrap();
        assert_eq!(
            text(12),
            "POST /v1/x HTTP/1.1\r\nhost: h:1\r\ncontent-type: application/json\r\ncontent-length: 12\r\n\r\n"
        );
        assert_eq!(text(0), "POST /v1/x HTTP/1.1\r\nhost: h:1\r\n\r\n");
    }

    #[test]
    fn how_long_a_body_is_follows_from_the_head() {
        assert_eq!(with("Content-Length: 7\r\n").body.framing, Framing::Plain(7));
        assert_eq!(
            with("content-length: 7\r\ncontent-length: 7\r\n").body.framing,
            Framing::Plain(7)
        );
        assert_eq!(with("content-length: 0\r\n").body.framing, Framing::Done);
        assert_eq!(
            with("content-length: 7\r\ntransfer-encoding: gzip, Chunked\r\n").body.framing,
            Framing::Size
        );
        assert_eq!(with("transfer-encoding: gzip\r\n").body.framing, Framing::Rest);
        assert_eq!(with("").body.framing, Framing::Rest);
        assert_eq!(read_head("HTTP/1.1 204 No Content\r\n\r\n").body.framing, Framing::Done);
        for wrong in [
            "content-length: x\r\n",
            "content-length: +7\r\n",
            "content-length: 7\r\ncontent-length: 8\r\n",
        ] {
            assert!(
                parse_head(format!("HTTP/1.1 200 OK\r\n{wrong}\r\n").as_bytes()).is_err(),
                "{wrong}"
            );
        }
    }

    #[test]
    fn whether_a_connection_stays_is_said_by_the_head() {
        assert!(with("content-length: 1\r\n").stays);
        assert!(!with("").stays, "its body ends with the connection");
        assert!(!with("content-length: 1\r\nConnection: x, Close\r\n").stays);
        assert!(!read_head("HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\n").stays);
        assert!(
            read_head("HTTP/1.0 200 OK\r\ncontent-length: 1\r\nconnection: keep-alive\r\n\r\n")
                .stays
        );
    }

    #[test]
    fn interim_responses_are_skipped_and_what_is_no_http_is_refused() {
        let text =
            b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\nrest";
        let (length, read) = parse_head(text).unwrap().unwrap();
        assert_eq!((length, read.status), (text.len() - 4, StatusCode::NOT_FOUND));
        for end in 0..length {
            assert!(parse_head(&text[..end]).unwrap().is_none(), "{end}");
        }
        assert!(
            parse_head(b"220 mail.example ESMTP\r\n\r\n")
                .unwrap_err()
                .contains("220 mail.example ESMTP\\r\\n")
        );
        assert!(
            parse_head(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
                .unwrap_err()
                .contains("another protocol")
        );
        let endless = format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(LONGEST));
        assert!(parse_head(endless.as_bytes()).unwrap_err().contains("a head of more than 64 KiB"));
    }

    #[test]
    fn chunks_come_apart_with_their_extensions_and_trailers() {
        let text =
            "3\r\nabc\r\n1;name=\"v\"\r\nd\r\n00A \r\n0123456789\r\n0\r\nchecksum: 1\r\n\r\nHTTP";
        assert_eq!(chunked(text), Ok(("abcd0123456789".to_owned(), true, 4)));
        assert_eq!(chunked("3\r\nab"), Ok(("ab".to_owned(), false, 0)));
    }

    #[test]
    fn chunks_that_are_no_chunks_are_refused() {
        for wrong in [
            "\r\n",
            "x\r\n",
            "3\r\nabcd\r\n",
            "3\nabc\r\n",
            "11111111111111111\r\n",
            "-1\r\n",
            "3\r\nabc\n",
        ] {
            assert!(chunked(wrong).is_err(), "{wrong:?}");
        }
        assert!(chunked(&format!("1;{}", "x".repeat(LONGEST))).is_err());
    }

    #[test]
    fn a_body_without_a_length_goes_on_until_the_connection_ends() {
        let mut body = with("").body;
        let mut content = Vec::new();
        assert_eq!(
            (body.take(b"abc", &mut content), body.take(b"d", &mut content)),
            (Ok(3), Ok(1))
        );
        assert!(content == b"abcd" && body.may_end() && !body.is_done());
    }

    proptest! {
        #[test]
        fn a_body_cut_anywhere_has_the_same_content(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 0..8),
            cuts in prop::collection::vec(0_usize..2_500, 0..40),
            is_chunked in any::<bool>(),
        ) {
            let whole = chunks.concat();
            let (mut wire, body) = if is_chunked {
                let mut wire = Vec::new();
                for chunk in &chunks {
                    wire.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                    wire.extend_from_slice(chunk);
                    wire.extend_from_slice(b"\r\n");
                }
                wire.extend_from_slice(b"0\r\n\r\n");
                (wire, with("transfer-encoding: chunked\r\n").body)
            } else {
                (whole.clone(), with(&format!("content-length: {}\r\n", whole.len())).body)
            };
            wire.extend_from_slice(b"HTTP");
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(wire.len())).collect();
            cuts.sort_unstable();
            let edges: Vec<usize> = std::iter::once(0).chain(cuts).chain([wire.len()]).collect();
            let pieces = edges.windows(2).map(|edge| &wire[edge[0]..edge[1]]);
            prop_assert_eq!(read_body(body, pieces), Ok((whole, true, 4)));
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse_head(&bytes);
            let _ = read_body(with("transfer-encoding: chunked\r\n").body, bytes.chunks(3));
        }
    }
}
