//! What `vllm bench serve` saved, as a record: [`read`].
//!
//! Token counts are those of vLLM's client: its tokenizer's for prompts, and a chunk counts as one
//! token. Where the total says otherwise the number of tokens in each chunk is unknown: what is
//! missing is spread over them evenly, and the sample says that it is estimated. What the file does
//! not say, such as the hardware, stays out of the record.

use serde::Deserialize;

use crate::record::bounds;
use crate::record::chunks::Chunk;
use crate::record::chunks::Chunks;
use crate::record::estimated::Estimated;
use crate::record::file::{End, Header, Part, Record, WITHOUT_GPUS};
use crate::record::fingerprint::Fingerprint;
use crate::record::sample::{FailureKind, Outcome, Sample};
use crate::record::skipped_entries::SkippedEntries;
use crate::spec::engine_kind::EngineKind;

use super::arrivals::{self, arrivals};
use super::lacking::lacking;
use super::nan::without_nan;

/// Why a file is no run.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ReadError {
    /// Not the JSON that was expected.
    #[error("it is not what `vllm bench serve` saves: {0}; give the file of its --save-result")]
    Format(String),
    /// It has no single requests.
    #[error(
        "it holds no `{0}`, so no single requests; run `vllm bench serve` with --save-detailed"
    )]
    NoDetail(&'static str),
    /// It has single requests, and not when they were sent.
    #[error(
        "it has no `start_times`, which vLLM saves since January 2026; run `vllm bench serve` of a newer vLLM with --save-detailed"
    )]
    NoStartTimes,
    /// Its lists are of different lengths.
    #[error("its `{key}` has {found} entries for {requests} requests; the file is damaged")]
    Ragged {
        /// The list.
        key: &'static str,
        /// How many entries it has.
        found: usize,
        /// How many requests there are.
        requests: usize,
    },
    /// A time that cannot be.
    #[error(
        "its `{key}` has {value} s for request {request}, and no time is below 0; the file is damaged"
    )]
    Time {
        /// The list.
        key: &'static str,
        /// Which request, from 0 in the order of the file.
        request: usize,
        /// The time, in seconds.
        value: f64,
    },
    /// A number that no run reaches.
    #[error("its `{key}` has {value}{}, and the limit is {most}; the file is damaged", of(*request))]
    Excess {
        /// The key.
        key: &'static str,
        /// Which request, from 0 in the order of the file, for a list.
        request: Option<usize>,
        /// The number.
        value: f64,
        /// The largest that is read.
        most: f64,
    },
    /// The times of a request add up to more than any run lasts.
    #[error("request {request}: {why}; the file is damaged")]
    Request {
        /// Which request, from 0 in the order of the file.
        request: usize,
        /// What is wrong.
        why: String,
    },
}

fn of(request: Option<usize>) -> String {
    request.map(|request| format!(" for request {request}")).unwrap_or_default()
}

/// The most requests of a file.
const MOST_REQUESTS: usize = 100_000_000;

/// The keys that a record is made of.
#[derive(Deserialize)]
struct File {
    date: String,
    backend: Option<String>,
    model_id: String,
    num_prompts: usize,
    duration: Option<f64>,
    request_rate: serde_json::Value,
    burstiness: Option<f64>,
    max_concurrency: Option<u32>,
    ramp_up_strategy: Option<String>,
    ramp_up_start_rps: Option<f64>,
    ramp_up_end_rps: Option<f64>,
    input_lens: Option<Vec<Option<u32>>>,
    output_lens: Option<Vec<Option<u32>>>,
    ttfts: Option<Vec<Option<f64>>>,
    itls: Option<Vec<Option<Vec<Option<f64>>>>>,
    start_times: Option<Vec<Option<f64>>>,
    errors: Option<Vec<Option<String>>>,
    /// Since 0.31.
    latencies: Option<Vec<Option<f64>>>,
    /// Since 0.31.
    queue_times: Option<Vec<Option<f64>>>,
}

/// Makes a record of a saved result; `load` is what the load is to be called.
pub fn read(text: &str, load: &str) -> Result<Record, ReadError> {
    let text = without_nan(text);
    let file: File =
        serde_json::from_str(&text).map_err(|error| ReadError::Format(named(&text, &error)))?;
    record(&file, load)
}

/// Makes a record of each result in a file, which has several with `--append-result`. The second load
/// is called `load-2`, and so on.
pub fn read_all(text: &str, load: &str) -> Result<Vec<Record>, ReadError> {
    let text = without_nan(text);
    let mut records = Vec::new();
    for file in serde_json::Deserializer::from_str(&text).into_iter::<File>() {
        let file = file.map_err(|error| ReadError::Format(named(&text, &error)))?;
        let name = match records.len() {
            0 => load.to_owned(),
            before => format!("{load}-{}", before + 1),
        };
        records.push(record(&file, &name)?);
    }
    if records.is_empty() {
        return Err(ReadError::Format("it is empty".to_owned()));
    }
    Ok(records)
}

fn record(file: &File, load: &str) -> Result<Record, ReadError> {
    if file.num_prompts > MOST_REQUESTS {
        return Err(excess("num_prompts", None, file.num_prompts as f64, MOST_REQUESTS as f64));
    }
    time("duration", 0, file.duration.unwrap_or(0.0))?;
    let pace = arrivals(&arrivals::Said {
        requests: u32::try_from(file.num_prompts).unwrap_or(u32::MAX),
        rate: file.request_rate.as_f64(),
        shape: file.burstiness,
        width: file.max_concurrency,
        ramp: file.ramp_up_start_rps.zip(file.ramp_up_end_rps),
        strategy: file.ramp_up_strategy.as_deref(),
    });
    let samples = samples(file, pace.is_open_loop())?;
    let complete = samples.len() == file.num_prompts;
    let reason = format!("the file holds {} of {} requests", samples.len(), file.num_prompts);
    let reason = (!complete).then_some(reason);
    let skipped_entries = unusable(file, &samples, load);
    let end = End { complete, reason, skipped_entries, ..End::default() };
    Ok(Record::of(header(file, load, &pace), samples, Some(end)))
}

/// The entries that lack a number: failed requests, so that they are in no figure, though vLLM reports
/// no error of them.
fn unusable(file: &File, samples: &[Sample], load: &str) -> Option<SkippedEntries> {
    let without_error = samples
        .iter()
        .zip(file.errors.as_ref()?)
        .filter(|(_, error)| said(error.as_ref()).is_empty());
    let mut lacking = without_error.filter_map(|(sample, _)| match &sample.outcome {
        Outcome::Failed { detail, .. } => Some(format!("request {}: {detail}", sample.index)),
        Outcome::Succeeded => None,
    });
    let first = lacking.next()?;
    let (read, skipped) = (samples.len() as u64, 1 + lacking.count() as u64);
    let (file, what) = (load.to_owned(), "requests".to_owned());
    Some(SkippedEntries { file, what, read, skipped, first, turns: 0 })
}

/// The error of a request; empty where it has none.
fn said(error: Option<&String>) -> &str {
    error.map_or("", String::as_str)
}

/// What the parser says, with the key that it says it of.
fn named(text: &str, error: &serde_json::Error) -> String {
    let before: usize =
        text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let key = text.get(..before + error.column()).and_then(|read| {
        let (keys, _) = read.rsplit_once("\":")?;
        keys.rsplit_once('"').map(|(_, key)| key)
    });
    let words = error.to_string();
    match key.filter(|_| !words.starts_with("missing field")) {
        Some(key) => format!("in `{key}`: {words}"),
        None => words,
    }
}

fn header(file: &File, load: &str, pace: &arrivals::Pace) -> Header {
    let backend = file.backend.as_deref().unwrap_or("unknown backend");
    Header {
        part: Part::Judged,
        run: 1,
        schema: WITHOUT_GPUS,
        suite: "imported".to_owned(),
        load: load.to_owned(),
        start: 1,
        seed: 0,
        workload: format!("imported: what `vllm bench serve` ({backend}) asked on {}", file.date),
        arrivals: format!("{}, {} requests", pace.words, file.num_prompts),
        pattern: Some(pace.pattern),
        objectives: Vec::new(),
        fingerprint: Fingerprint::new(
            EngineKind::Remote,
            "unknown hardware",
            file.model_id.clone(),
        ),
        calibration: None,
        declared: None,
        search: None,
        start_up: None,
        gpus: Vec::new(),
    }
}

/// The lists of the file, one entry a request.
fn samples(file: &File, is_open_loop: bool) -> Result<Vec<Sample>, ReadError> {
    let starts = file.start_times.as_ref().ok_or(match file.ttfts {
        Some(_) => ReadError::NoStartTimes,
        None => ReadError::NoDetail("start_times"),
    })?;
    let requests = starts.len();
    let inputs = whole("input_lens", file.input_lens.as_ref(), requests)?;
    let outputs = whole("output_lens", file.output_lens.as_ref(), requests)?;
    let ttfts = whole("ttfts", file.ttfts.as_ref(), requests)?;
    let itls = whole("itls", file.itls.as_ref(), requests)?;
    let errors = whole("errors", file.errors.as_ref(), requests)?;
    let latencies =
        file.latencies.as_ref().map(|list| whole("latencies", Some(list), requests)).transpose()?;
    // In a closed loop vLLM's queue time is the wait for a place, which no request was meant to be
    // sent before.
    let queues = file.queue_times.as_ref().filter(|_| is_open_loop);
    let queues = queues.map(|list| whole("queue_times", Some(list), requests)).transpose()?;
    let gaps = |place: usize| itls[place].as_deref().unwrap_or_default();
    for place in 0..requests {
        let one = |key, list: Option<&Vec<Option<f64>>>| {
            list.and_then(|list| list[place]).map_or(Ok(()), |value| time(key, place, value))
        };
        one("start_times", Some(starts))?;
        time("ttfts", place, ttfts[place].unwrap_or(0.0))?;
        gaps(place).iter().flatten().try_for_each(|gap| time("itls", place, *gap))?;
        one("latencies", latencies)?;
        one("queue_times", queues)?;
        most(
            "output_lens",
            Some(place),
            f64::from(outputs[place].unwrap_or(0)),
            f64::from(bounds::MOST_TOKENS),
        )?;
    }
    let tokens = outputs.iter().flatten().map(|tokens| f64::from(*tokens)).sum();
    most("output_lens", None, tokens, bounds::MOST_TOKENS_OF_RECORD as f64)?;
    let queue = |place: usize| queues.and_then(|queues| queues[place]).unwrap_or(0.0);
    let origin = (0..requests)
        .filter_map(|place| Some(starts[place]? - queue(place)))
        .fold(f64::INFINITY, f64::min);
    let latency = |place: usize| latencies.and_then(|latencies| latencies[place]);
    let unknown = |place: usize| {
        let has_end = [ttfts[place], latency(place)].iter().flatten().any(|time| *time > 0.0);
        lacking(starts[place], outputs[place], itls[place].as_deref(), has_end)
    };
    let sample = |(index, place): (u32, usize)| {
        let start = starts[place].map_or(0.0, |start| start - origin);
        let error = said(errors[place].as_ref());
        let output_tokens = outputs[place].unwrap_or(0);
        let lacks = unknown(place).filter(|_| error.is_empty());
        let succeeded = error.is_empty() && lacks.is_none();
        let first =
            ttfts[place].filter(|ttft| *ttft > 0.0 && lacks.is_none()).map(|ttft| start + ttft);
        let moments = first.into_iter().flat_map(|first| {
            let rest = gaps(place).iter().flatten().scan(first, |at, gap| {
                *at += gap;
                Some(*at)
            });
            std::iter::once(first).chain(rest)
        });
        let moments: Vec<u64> = moments.map(micros).collect();
        // More chunks than tokens: what was counted is not all that came.
        let has_more = succeeded && moments.len() > output_tokens as usize;
        let differs = succeeded && !moments.is_empty() && moments.len() != output_tokens as usize;
        let estimated =
            Estimated { chunk_tokens: differs, output_tokens: has_more, ..Estimated::NOTHING };
        let chunks = counted(&moments, output_tokens);
        let last = chunks.last_us().unwrap_or(micros(start));
        let end_us = latency(place).map_or(last, |latency| micros(start + latency).max(last));
        let failed = || {
            let detail = lacks.unwrap_or(error).to_owned();
            Outcome::Failed { kind: FailureKind::Imported, detail }
        };
        Sample {
            index,
            intended_us: micros((start - queue(place)).max(0.0)),
            sent_us: micros(start),
            chunks,
            end_us,
            prompt_tokens: inputs[place],
            output_tokens: succeeded.then_some(output_tokens),
            finish_reason: None,
            resent: false,
            estimated,
            oddities: Vec::new(),
            server: None,
            parts: None,
            drafts: None,
            model: None,
            outcome: if succeeded { Outcome::Succeeded } else { failed() },
        }
    };
    let checked = |at: (u32, usize)| {
        let sample = sample(at);
        match bounds::check(&sample) {
            Ok(_) => Ok(sample),
            Err(why) => Err(ReadError::Request { request: at.1, why }),
        }
    };
    (0..).zip(0..requests).map(checked).collect()
}

/// A list that must be there, with an entry for every request.
fn whole<'a, T>(
    key: &'static str,
    list: Option<&'a Vec<T>>,
    requests: usize,
) -> Result<&'a Vec<T>, ReadError> {
    let list = list.ok_or(ReadError::NoDetail(key))?;
    if list.len() == requests {
        Ok(list)
    } else {
        Err(ReadError::Ragged { key, found: list.len(), requests })
    }
}

/// Refuses a time that cannot be.
fn time(key: &'static str, request: usize, value: f64) -> Result<(), ReadError> {
    if value.is_finite() && value >= 0.0 {
        most(key, Some(request), value, bounds::MOST_US as f64 / 1e6)
    } else {
        Err(ReadError::Time { key, request, value })
    }
}

/// Refuses a number that no run reaches.
fn most(key: &'static str, request: Option<usize>, value: f64, most: f64) -> Result<(), ReadError> {
    if value <= most { Ok(()) } else { Err(excess(key, request, value, most)) }
}

fn excess(key: &'static str, request: Option<usize>, value: f64, most: f64) -> ReadError {
    ReadError::Excess { key, request, value, most }
}

/// One token a chunk; what is missing to the total is spread over them, and what is too much is not
/// counted.
fn counted(moments: &[u64], total: u32) -> Chunks {
    let places = moments.len() as u64;
    let until = |place: u64| place * u64::from(total) / places.max(1);
    let chunk = |(at_us, place): (&u64, u64)| Chunk {
        at_us: *at_us,
        tokens: u32::try_from(until(place + 1) - until(place)).unwrap_or(u32::MAX),
    };
    moments.iter().zip(0..places).map(chunk).collect()
}

fn micros(seconds: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "rounded, and saturating at 0"
    )]
    {
        (seconds * 1e6).round() as u64
    }
}
