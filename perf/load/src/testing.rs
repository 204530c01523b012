//! What unit tests share: the captures of real servers.

/// The bytes of a captured response: status line, headers and body.
pub(crate) fn capture(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/captures/{name}.response", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The body of a captured response.
pub(crate) fn body_of(capture: &[u8]) -> &[u8] {
    let head = memchr::memmem::find(capture, b"\r\n\r\n").expect("a captured response has a head");
    &capture[head + 4..]
}
