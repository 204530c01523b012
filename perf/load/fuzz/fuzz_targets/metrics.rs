//! What a server says at `/metrics`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| perf_load::fuzzing::counters(text));
