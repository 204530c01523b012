//! Searches for the maximum load on a simulated server whose truth is known from long runs at fixed
//! rates. The tables of `docs/SEARCH.md` are what these print:
//! `cargo test --test search -- --ignored --nocapture`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod contest;
mod gates;
mod server;

use perf_gate::Answer;
use perf_model::spec::load::Arrivals;
use perf_model::spec::units::{per_second, percent};

use server::Scenario;

const EVEN: Scenario = Scenario {
    arrivals: Arrivals::ConstantRate(per_second(8.0)),
    share: percent(99.0),
    requests: 1_000,
};

/// Searches of a scenario, by what came of them.
#[derive(Debug, Default)]
struct Count {
    right: usize,
    wrong: usize,
    unresolved: usize,
    most_probes: usize,
    probes: usize,
    answers: Vec<f64>,
}

impl Count {
    /// How many different answers there are, to 0.01 %.
    fn different(&self) -> usize {
        let mut logs: Vec<f64> = self.answers.iter().map(|answer| answer.ln()).collect();
        logs.sort_by(f64::total_cmp);
        logs.dedup_by(|one, other| (*one - *other).abs() < 1e-4);
        logs.len()
    }

    /// The standard deviation of the answers, in percent of their mean.
    fn noise_percent(&self) -> f64 {
        let count = self.answers.len() as f64;
        let mean = self.answers.iter().sum::<f64>() / count;
        let squares = self.answers.iter().map(|answer| (answer / mean - 1.0).powi(2)).sum::<f64>();
        (squares / (count - 1.0)).sqrt() * 100.0
    }
}

/// Searches so many times, each on a start of its own.
fn count(scenario: Scenario, truth: f64, seeds: u64) -> Count {
    let mut count = Count::default();
    for seed in 1..=seeds {
        let found = scenario.search(seed);
        count.probes += found.probes.len();
        count.most_probes = count.most_probes.max(found.probes.len());
        if let Answer::Found { value, .. } = found.answer {
            count.answers.push(value);
        }
        match found.answer {
            Answer::Found { value, .. } if (value / truth - 1.0).abs() <= 0.05 => count.right += 1,
            Answer::Found { .. } => count.wrong += 1,
            Answer::Unresolved { .. } => count.unresolved += 1,
        }
    }
    count
}

#[test]
fn the_true_highest_rate_is_found_within_five_percent() {
    let truth = EVEN.truth(4_000);
    let count = count(EVEN, truth, 4);
    assert!(count.right == 4 && count.most_probes <= 10, "the truth is {truth}: {count:?}");
}

#[test]
#[ignore = "takes minutes: the table of docs/SEARCH.md"]
fn study() {
    let poisson = |share, requests| Scenario {
        arrivals: Arrivals::Poisson(per_second(8.0)),
        share: percent(share),
        requests,
    };
    println!(
        "| arrivals | share | requests | true rate | seeds | within 5 % | wrong | unresolved | probes, mean | most |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    let rows = [
        ("constant", EVEN, 100),
        ("poisson", poisson(99.0, 2_000), 30),
        ("poisson", poisson(90.0, 2_000), 30),
        ("poisson", poisson(90.0, 8_000), 10),
        ("poisson", poisson(90.0, 16_000), 10),
    ];
    for (name, scenario, seeds) in rows {
        let truth = scenario.truth(30_000);
        let count = count(scenario, truth, seeds);
        println!(
            "| {name} | {} | {} | {truth:.1} | {seeds} | {} | {} | {} | {:.1} | {} |",
            scenario.share,
            scenario.requests,
            count.right,
            count.wrong,
            count.unresolved,
            count.probes as f64 / seeds as f64,
            count.most_probes
        );
        let (different, noise) = (count.different(), count.noise_percent());
        eprintln!("{name}: {different} different answers, standard deviation {noise:.1} %");
        if name == "constant" {
            assert!(count.right >= 95 && count.wrong == 0, "{count:?}");
        }
    }
}
