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
/// caller's, and hold no line feed; `headers` are whole lines.
pub(crate) fn request(
    method: &Method,
    path: &str,
    host: &str,
    headers: &str,
    length: usize,
) -> Vec<u8> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\n{headers}");
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
                    self.take_line(&mut rest)?;
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
mod tests;
