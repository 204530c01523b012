//! Records: one that can be read is the same after it was written and read again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use perf_model::record::file::{Line, Record, line};

fuzz_target!(|text: &str| {
    let Ok(record) = Record::parse(text) else { return };
    let mut written = line(Line::Header(&record.header));
    written.extend(record.samples.iter().map(|sample| line(Line::Sample(sample))));
    written.extend(record.end.iter().map(|end| line(Line::End(end))));
    assert_eq!(Record::parse(&written), Ok(record));
});
