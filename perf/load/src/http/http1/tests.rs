//! Heads and bodies as servers send them, whole and in pieces.

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
        |length| String::from_utf8(request(&Method::POST, "/v1/x", "h:1", "", length)).unwrap();
    assert_eq!(
        text(12),
        "POST /v1/x HTTP/1.1\r\nhost: h:1\r\ncontent-type: application/json\r\ncontent-length: 12\r\n\r\n"
    );
    assert_eq!(text(0), "POST /v1/x HTTP/1.1\r\nhost: h:1\r\n\r\n");
}

#[test]
fn how_long_a_body_is_follows_from_the_head() {
    assert_eq!(with("Content-Length: 7\r\n").body.framing, Framing::Plain(7));
    assert_eq!(with("content-length: 7\r\ncontent-length: 7\r\n").body.framing, Framing::Plain(7));
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
        read_head("HTTP/1.0 200 OK\r\ncontent-length: 1\r\nconnection: keep-alive\r\n\r\n").stays
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
    assert_eq!((body.take(b"abc", &mut content), body.take(b"d", &mut content)), (Ok(3), Ok(1)));
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
