//! A search for the highest load, followed on records: [`Searcher`] gives the load of the next
//! probe and takes in its record; [`SearchAnalysis`] is what the records of a search say.

use std::collections::BTreeMap;
use std::fmt;

use perf_gate::{
    Answer, BLOCKS, Block, LEAST_LENGTH, Probe, ProbeVerdict, Search, SearchError, Share,
};

use crate::analysis::run_analysis::RunAnalysis;
use crate::analysis::statistics::{mean, quantile, sorted};
use crate::analysis::steady_state::queue_grew;
use crate::analysis::summary::{Summary, meets_all, severity};
use crate::record::file::Record;
use crate::record::finding::{Finding, FindingCode};
use crate::record::sample::Sample;
use crate::record::search_probe::SearchProbe;
use crate::record::start_up::StartUp;
use crate::spec::load::{Arrivals, Load, Objective};
use crate::spec::load_search::{LoadSearch, RAMP};
use crate::spec::metric::Quantity;
use crate::spec::units::percent;

/// The part of the requests, all but the slowest, whose clusters are not looked at.
const SLOW: f64 = 0.9;

/// Of the share of requests that may miss, the part that the slowest must stay below, by the upper
/// limit of what their tail makes likely, to count as no near misses.
const FAR: f64 = 0.1;

/// How many standard errors that limit is above the estimate.
const TAIL_ERRORS: f64 = 2.1;

/// By how much longer than needed a probe is planned.
const MARGIN: f64 = 1.25;

/// The most requests of a probe.
const MOST_REQUESTS: f64 = 1_000_000.0;

/// A search under way.
#[derive(Clone, Debug)]
pub struct Searcher {
    load: Load,
    of: LoadSearch,
    search: Search,
    /// The mean E2E in the probe at the highest load that was sustained, in seconds.
    e2e_s: f64,
}

impl Searcher {
    /// A search of a load that declares one.
    pub fn new(load: &Load) -> Option<Result<Self, SearchError>> {
        let of = load.search?;
        let search = Search::new(of.plan());
        Some(search.map(|search| Self { load: load.clone(), of, search, e2e_s: 0.0 }))
    }

    /// The next probe, as a load of its own, and what its record says of it. `None` when the search
    /// has ended.
    ///
    /// Only the first warms up. Requests that fail are requests that miss the objectives: they make
    /// no probe invalid, unless all fail.
    pub fn next_probe(&self) -> Option<(Load, SearchProbe)> {
        let next = self.search.next_probe()?;
        let number = u32::try_from(self.search.probes().len()).unwrap_or(u32::MAX) + 1;
        let is_whole = self.of.plan().is_whole;
        let turns = if is_whole { next.at } else { next.at * self.e2e_s };
        let needed = (turns * LEAST_LENGTH * MARGIN).ceil();
        let requests =
            (f64::from(self.load.requests) * f64::from(next.scale)).max(needed).min(MOST_REQUESTS);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a whole number of requests up to a million"
        )]
        let load = Load {
            arrivals: self.of.arrivals(self.load.arrivals, next.at)?,
            requests: requests as u32,
            warmup: if number == 1 { self.load.warmup } else { 0 },
            failures_allowed: percent(100.0),
            search: None,
            ..self.load.clone()
        };
        Some((load, SearchProbe { number, at: next.at, of: self.of }))
    }

    /// Takes in the record of the probe.
    pub fn take(&mut self, at: f64, record: &Record) -> ProbeVerdict {
        let arrivals = record.header.pattern.unwrap_or(self.load.arrivals);
        let share = self.of.share.fraction();
        let (probe, e2e_s) = probe(at, &record.samples, &record.header.objectives, arrivals, share);
        let verdict = self.search.take(probe);
        if verdict == ProbeVerdict::Sustained {
            self.e2e_s = e2e_s;
        }
        verdict
    }
}

/// One probe of a search, as its record shows it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ProbeAnalysis {
    /// Its number, from 1.
    pub number: u32,
    /// The load: requests per second, or requests at once.
    pub at: f64,
    /// The unit of the load in tables.
    pub unit: &'static str,
    /// All its requests.
    pub requests: usize,
    /// The share of the judged requests that met every objective, with its limits.
    pub share: Option<Share>,
    /// Whether the number of requests under way grew.
    pub grew: bool,
    /// Whether it was too short to be called sustained.
    pub is_short: bool,
    /// What it says of its load.
    pub verdict: ProbeVerdict,
}

/// A line of progress: `16 req/s, 99.62 % (98.9 to 99.9 %) of 1000 requests: sustained`.
impl fmt::Display for ProbeAnalysis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}, ", number(self.at), self.unit)?;
        if let Some(share) = self.share {
            let [value, low, high] = [share.value, share.low, share.high].map(|it| it * 100.0);
            write!(f, "{value:.2} % ({low:.2} to {high:.2} %)")?;
        } else {
            f.write_str("no share")?;
        }
        write!(f, " of {} requests: {}", self.requests, self.in_words())
    }
}

impl ProbeAnalysis {
    /// Its verdict in words, with the reason where it could not be sustained.
    pub fn in_words(&self) -> &'static str {
        match self.verdict {
            ProbeVerdict::Sustained => "sustained",
            ProbeVerdict::NotSustained => "not sustained",
            ProbeVerdict::Undecided if self.grew => "undecided, the queue grew",
            ProbeVerdict::Undecided if self.is_short => "undecided, too short",
            ProbeVerdict::Undecided => "undecided",
        }
    }
}

/// What the records of a search say.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchAnalysis {
    /// What was searched for.
    pub of: LoadSearch,
    /// The probes, in order.
    pub probes: Vec<ProbeAnalysis>,
    /// What was found.
    pub answer: Answer,
    /// All probes together. Its figures are what was searched for, if that was found, and the start of
    /// the server.
    pub summary: Summary,
    /// Why the result must not be judged.
    pub faults: Vec<Finding>,
    /// What a reader should know.
    pub remarks: Vec<Finding>,
}

impl SearchAnalysis {
    /// Follows a search on its records again. `None` without a record of one.
    pub fn of(records: &[Record]) -> Option<Self> {
        let mut ordered: Vec<(&SearchProbe, &Record)> = records
            .iter()
            .filter_map(|record| Some((record.header.search.as_ref()?, record)))
            .collect();
        ordered.sort_by_key(|(probe, _)| probe.number);
        let of = ordered.first()?.0.of;
        let plan = of.plan();
        let mut search = Search::new(plan).ok()?;
        let (mut probes, mut faults, mut remarks) = (Vec::new(), Vec::new(), Vec::new());
        let mut summary = Summary::default();
        for (SearchProbe { number, at, .. }, record) in ordered {
            let arrivals = record.header.pattern.unwrap_or(of.usual_arrivals());
            let name = format!("probe {number} ({arrivals})");
            let (samples, share) = (&record.samples, plan.share);
            let (probe, _) = probe(*at, samples, &record.header.objectives, arrivals, share);
            let run = RunAnalysis::of(record);
            faults.extend(run.faults.iter().map(|fault| Finding {
                message: format!("{name}: {}", fault.message),
                ..fault.clone()
            }));
            if !record.is_complete() {
                let what = format!("{name} is incomplete");
                faults.push(Finding::new(FindingCode::RequestsMissing, what));
            }
            remarks.extend(run.summary.failures.iter().map(|(kind, count)| {
                let all = run.summary.requests;
                let what = format!("{name}: {count} of {all} requests failed: {kind}");
                Finding::new(FindingCode::FailuresAllowed, what)
            }));
            add(&mut summary, &run.summary);
            if run.summary.estimated.contains(&Quantity::Goodput) {
                summary.estimated.insert(of.metric().quantity());
            }
            probes.push(ProbeAnalysis {
                number: *number,
                at: *at,
                unit: of.metric().unit(),
                requests: record.samples.len(),
                share: plan.share_of(&probe),
                grew: probe.grew,
                is_short: probe.length < LEAST_LENGTH,
                verdict: search.take(probe),
            });
        }
        let answer = search.answer();
        match answer {
            Answer::Found { value, .. } => {
                summary.values = BTreeMap::from([(of.metric(), value)]);
            }
            Answer::Unresolved { low, high, why } => {
                let what = unresolved(of, low, high, &why.to_string());
                faults.push(Finding::new(FindingCode::SearchUnresolved, what));
            }
        }
        // All probes are of one start.
        let start_up = records.iter().find_map(|record| record.header.start_up);
        summary.values.extend(start_up.iter().flat_map(StartUp::values));
        Some(Self { of, probes, answer, summary, faults, remarks })
    }

    /// The answer in words: `max rate 19.8 req/s (19.2 sustained, 20.6 not), 7 probes`.
    pub fn sentence(&self) -> String {
        let (metric, count) = (self.of.metric(), self.probes.len());
        match self.answer {
            Answer::Found { value, low, high } => format!(
                "{} {} {} ({} sustained, {} not), {count} probes",
                metric.label(),
                number(value),
                metric.unit(),
                number(low),
                number(high)
            ),
            Answer::Unresolved { low, high, why } => {
                unresolved(self.of, low, high, &why.to_string())
            }
        }
    }
}

fn unresolved(of: LoadSearch, low: Option<f64>, high: Option<f64>, why: &str) -> String {
    let metric = of.metric();
    let bounds = match (low, high) {
        (Some(low), Some(high)) if low < high => {
            format!(", between {} and {} {}", number(low), number(high), metric.unit())
        }
        (Some(low), None) => format!(", at least {} {}", number(low), metric.unit()),
        (None, Some(high)) => format!(", below {} {}", number(high), metric.unit()),
        _ => String::new(),
    };
    format!("{} is unresolved{bounds}: {why}", metric.label())
}

/// A load with four digits, which no probe needs more of.
pub fn number(load: f64) -> String {
    match load {
        _ if load.fract() == 0.0 => format!("{load}"),
        _ if load >= 100.0 => format!("{load:.1}"),
        _ if load >= 10.0 => format!("{load:.2}"),
        _ => format!("{load:.3}"),
    }
}

/// Adds the counts of a probe to those of its search.
fn add(all: &mut Summary, probe: &Summary) {
    all.requests += probe.requests;
    all.resent += probe.resent;
    all.duration_s += probe.duration_s;
    all.prompt_tokens += probe.prompt_tokens;
    all.output_tokens += probe.output_tokens;
    for (kind, count) in &probe.failures {
        *all.failures.entry(*kind).or_default() += count;
    }
}

/// What a probe found, and the mean E2E of its judged requests in seconds.
fn probe(
    at: f64,
    samples: &[Sample],
    objectives: &[Objective],
    arrivals: Arrivals,
    share: f64,
) -> (Probe, f64) {
    let mut ordered: Vec<&Sample> = samples.iter().collect();
    ordered.sort_by_key(|sample| (sample.intended_us, sample.index));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a fifth of a count"
    )]
    let ramp = (ordered.len() as f64 * RAMP).ceil() as usize;
    let judged = ordered.get(ramp..).unwrap_or_default();
    let severities: Vec<f64> = judged.iter().map(|sample| severity(sample, objectives)).collect();
    let limit = quantile(&sorted(&severities), SLOW).unwrap_or(f64::INFINITY);
    // Blocks of one size: what is over at the beginning belongs to the ramp.
    let size = judged.len() / BLOCKS;
    let over = judged.len() - size * BLOCKS;
    let blocks = (0..BLOCKS).filter(|_| size > 0).map(|block| {
        let from = over + block * size;
        let mut counted = Block::default();
        for (sample, severity) in
            judged[from..from + size].iter().zip(&severities[from..from + size])
        {
            counted.requests += 1;
            counted.met += u32::from(sample.succeeded() && meets_all(sample, objectives));
            counted.slow += u32::from(*severity > limit);
        }
        counted
    });
    let mut blocks: Vec<Block> = blocks.collect();
    if is_far(&severities, limit, &blocks, 1.0 - share) {
        for block in &mut blocks {
            block.slow = 0;
        }
    }
    let e2e: Vec<f64> = judged
        .iter()
        .filter(|sample| sample.succeeded())
        .map(|sample| sample.e2e_ms() / 1e3)
        .collect();
    let e2e_s = mean(&e2e).unwrap_or(0.0);
    let ends =
        |of: fn(&Sample) -> u64| (ordered.first().map(|s| of(s)), ordered.last().map(|s| of(s)));
    let sends_s = match ends(|sample| sample.intended_us) {
        (Some(first), Some(last)) => last.saturating_sub(first) as f64 / 1e6,
        _ => 0.0,
    };
    let grew = queue_grew(samples, arrivals);
    let length = if e2e_s > 0.0 { sends_s / e2e_s } else { 0.0 };
    let capacity = if grew { completed_per_s(samples, judged) } else { None };
    (Probe { at, blocks, grew, length, capacity }, e2e_s)
}

/// Whether the slowest tenth is so far from the limits that none of it is a near miss.
///
/// Their severities above the 90th percentile are taken for exponential, which the waiting times of
/// a queue are in their tail (peaks over threshold; Pickands 1975). The mean is known from as many
/// independent values as there are blocks with any.
fn is_far(severities: &[f64], limit: f64, blocks: &[Block], may_miss: f64) -> bool {
    let above: Vec<f64> =
        severities.iter().filter(|it| **it > limit).map(|severity| severity - limit).collect();
    let Some(excess) = mean(&above) else { return limit < 1.0 };
    let seen = blocks.iter().filter(|block| block.slow > 0).count().max(1) as f64;
    let excess = excess * (1.0 + TAIL_ERRORS / seen.sqrt());
    let misses = (1.0 - SLOW) * (-(1.0 - limit) / excess).exp();
    misses < FAR * may_miss
}

/// How many requests ended per second from the first to the last judged send.
fn completed_per_s(samples: &[Sample], judged: &[&Sample]) -> Option<f64> {
    let (from, to) = (judged.first()?.intended_us, judged.last()?.intended_us);
    let seconds = to.checked_sub(from).filter(|length| *length > 0)? as f64 / 1e6;
    let inside = |sample: &&Sample| from < sample.end_us && sample.end_us <= to;
    let ended = samples.iter().filter(|sample| sample.succeeded()).filter(inside).count();
    (ended > 0).then(|| ended as f64 / seconds)
}

#[cfg(test)]
mod tests;
