//! Streams of server-sent events, cut into pieces: the first byte says how many of the bytes after
//! it are lengths of pieces, and the rest is the stream.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((count, rest)) = bytes.split_first() else { return };
    let (cuts, stream) = rest.split_at(usize::from(count % 16).min(rest.len()));
    perf_load::fuzzing::stream(stream, cuts);
});
