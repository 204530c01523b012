//! What other projects' rules say of the same machine: [`lines`]. Each has a history of nights, one
//! start of one run each, and judges one more.
//!
//! - vLLM's nightly check: two standard deviations of seven nights, and 1 %.
//! - TensorRT-LLM's: the 95th percentile (of good) of the rolling means over three days, over 30
//!   days here; worse by 10 % fails a merge, by 5 % the night after it.
//! - a fixed 20 % of the median of three days.

use crate::percentile::Pool;
use crate::table::Line;
use crate::tally::{measured, on_all_cores};
use crate::world::{METRICS, P99, SCENARIOS, Suite, USUAL, World};

/// Nights before the one that is judged.
const NIGHTS: usize = 30;

/// Days differ as real GPUs' do.
const WORLD: World = World { session_sd: 0.005, ..USUAL };

/// What a rule calls worse, of a history of costs and tonight's.
type Rule = fn(&[f64], f64) -> bool;

const RULES: [(&str, &str, Rule); 4] = [
    (
        "vLLM's rule: a suite is red with nothing changed",
        "vLLM's rule: guards found, p99s excluded, two scenarios 5 % worse",
        nightly,
    ),
    ("TensorRT-LLM's rule before a merge (10 %): red", "… guards found", |nights, now| {
        now - best_three_days(nights) > 0.10_f64.ln_1p()
    }),
    ("TensorRT-LLM's rule after a merge (5 %): red", "… guards found", |nights, now| {
        now - best_three_days(nights) > 0.05_f64.ln_1p()
    }),
    ("20 % of the median of three days: red", "… guards found", |nights, now| {
        let mut last = nights[nights.len() - 3..].to_vec();
        last.sort_by(f64::total_cmp);
        now - last[1] > 0.2_f64.ln_1p()
    }),
];

fn nightly(nights: &[f64], now: f64) -> bool {
    let week = &nights[nights.len() - 7..];
    let mean = week.iter().sum::<f64>() / 7.0;
    let sd = (week.iter().map(|cost| (cost - mean).powi(2)).sum::<f64>() / 6.0).sqrt();
    now - mean >= 2.0 * sd && now - mean >= 0.01
}

fn best_three_days(nights: &[f64]) -> f64 {
    let mut means: Vec<f64> =
        nights.windows(3).map(|days| days.iter().sum::<f64>() / 3.0).collect();
    means.sort_by(f64::total_cmp);
    means[means.len() / 20]
}

pub(crate) fn lines(pool: &Pool, suites: usize, seed: u64) -> Vec<Line> {
    let said = on_all_cores(suites, |suite| judge(pool, seed.wrapping_add(suite)));
    let mut lines = vec![];
    for (rule, (red, found, _)) in RULES.iter().enumerate() {
        let any = said.iter().map(|said| f64::from(u8::from(said[rule].0)));
        lines.push(Line::report(red, measured(any)));
        lines.push(Line::report(found, measured(said.iter().map(|said| said[rule].1))));
    }
    lines
}

/// For each rule: whether anything is red when nothing changed, and the share of the guards found
/// when two scenarios are 5 % worse.
fn judge(pool: &Pool, seed: u64) -> Vec<(bool, f64)> {
    let mut suite = Suite::draw(WORLD, pool, seed);
    let mut night = || -> Vec<f64> {
        let session = suite.session();
        suite.start(&session, 1).runs.into_iter().map(|runs| runs[0]).collect()
    };
    let nights: Vec<Vec<f64>> = (0..NIGHTS).map(|_| night()).collect();
    let tonight = night();
    let of = |guard: usize| -> Vec<f64> { nights.iter().map(|night| night[guard]).collect() };
    RULES
        .iter()
        .map(|(_, _, rule)| {
            let red = (0..SCENARIOS * METRICS).any(|guard| rule(&of(guard), tonight[guard]));
            let lost: Vec<usize> =
                (0..2 * METRICS).filter(|guard| guard % METRICS != P99).collect();
            let found = lost
                .iter()
                .filter(|guard| rule(&of(**guard), tonight[**guard] + 0.05_f64.ln_1p()))
                .count();
            (red, found as f64 / lost.len() as f64)
        })
        .collect()
}
