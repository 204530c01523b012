//! Responses over HTTP/1.1 whose body is cut into pieces, in the form of `stream`: a count, the
//! lengths, the bytes.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((count, rest)) = bytes.split_first() else { return };
    let (cuts, response) = rest.split_at(usize::from(count % 16).min(rest.len()));
    perf_load::fuzzing::response(response, cuts);
});
