//! What a run does now, from what its tests say and what their records hold: [`Now`].

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use perf_model::spec::progress::{Phase, Progress};
use perf_report::terminal::Moment;

use super::record_tail::RecordTail;

/// Over how long the tokens per second are counted.
const WINDOW: Duration = Duration::from_secs(10);

/// The state of a run.
pub(super) struct Now {
    begun: Instant,
    scenarios: usize,
    ended: usize,
    /// The scenarios that are under way.
    under_way: Vec<String>,
    estimate: Option<Duration>,
    /// What the suite that spoke last does.
    suite: Option<Suite>,
    /// The GPU time that is left at the begin of the scenario, and its GPUs.
    gpu: Option<(f64, u8)>,
}

struct Suite {
    name: String,
    phase: String,
    /// When its scenario said the first word, which is when its server begins to cost GPU time.
    since: Instant,
    load: Option<Load>,
}

struct Load {
    requests: u32,
    tail: RecordTail,
    rate: Rate,
}

impl Now {
    pub(super) fn of(scenarios: usize, estimate: Option<Duration>) -> Self {
        Self {
            begun: Instant::now(),
            scenarios,
            ended: 0,
            under_way: Vec::new(),
            estimate,
            suite: None,
            gpu: None,
        }
    }

    pub(super) fn begin(&mut self, name: &str, gpus: u8, gpu_left_s: Option<f64>) {
        self.under_way.push(name.to_owned());
        self.gpu = gpu_left_s.map(|left_s| (left_s, gpus.max(1)));
    }

    pub(super) fn end(&mut self, name: &str) {
        self.under_way.retain(|other| other != name);
        self.ended += 1;
        self.suite = None;
    }

    pub(super) fn take(&mut self, Progress { suite: name, phase }: Progress) {
        let since = self.suite.as_ref().map_or_else(Instant::now, |before| before.since);
        let (phase, load) = match phase {
            Phase::Doing(what) => (what, None),
            Phase::Load { title, requests, record } => {
                let tail = RecordTail::of(record);
                (title, Some(Load { requests, tail, rate: Rate::default() }))
            }
        };
        self.suite = Some(Suite { name, phase, since, load });
    }

    /// Reads what the record of the load has got since the last look.
    pub(super) fn look(&mut self) -> Moment {
        let elapsed = self.begun.elapsed();
        let mut moment = Moment {
            scenario: (self.ended + self.under_way.len().min(1), self.scenarios),
            suite: self.under_way.join(", "),
            elapsed,
            left: self.estimate.and_then(|whole| whole.checked_sub(elapsed)),
            gpu_left_s: self.gpu.map(|(left_s, _)| left_s),
            ..Moment::default()
        };
        let Some(suite) = &mut self.suite else { return moment };
        moment.suite.clone_from(&suite.name);
        moment.phase.clone_from(&suite.phase);
        if let Some((left_s, gpus)) = self.gpu {
            let spent_s = suite.since.elapsed().as_secs_f64() * f64::from(gpus);
            moment.gpu_left_s = Some((left_s - spent_s).max(0.0));
        }
        if let Some(load) = &mut suite.load {
            load.tail.look();
            let (done, tokens) = (load.tail.requests, load.tail.tokens);
            moment.requests = Some((done, load.requests.into()));
            moment.tokens_per_s = load.rate.see(elapsed, tokens).filter(|_| done > 0);
            if done == 0 {
                moment.phase.push_str(", warm-up");
            }
        }
        moment
    }
}

/// A rate over the last seconds, from a count that grows.
#[derive(Default)]
struct Rate(VecDeque<(Duration, u64)>);

impl Rate {
    /// Takes in the count at a time; gives its growth per second.
    fn see(&mut self, at: Duration, count: u64) -> Option<f64> {
        self.0.push_back((at, count));
        while self.0.get(1).is_some_and(|(second, _)| at.saturating_sub(*second) >= WINDOW) {
            self.0.pop_front();
        }
        let (from, before) = *self.0.front()?;
        let passed = at.saturating_sub(from).as_secs_f64();
        (passed > 0.0).then(|| count.saturating_sub(before) as f64 / passed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_the_last_seconds() {
        let mut rate = Rate::default();
        let second = Duration::from_secs;
        assert_eq!(rate.see(second(0), 0), None);
        assert_eq!(rate.see(second(5), 500), Some(100.0));
        assert_eq!(rate.see(second(10), 1_000), Some(100.0));
        // Nothing more comes: the rate goes to zero within the window.
        assert_eq!(rate.see(second(15), 1_000), Some(50.0));
        assert_eq!(rate.see(second(25), 1_000), Some(0.0));
    }

    #[test]
    fn a_load_is_as_far_as_its_record_and_warms_up_before_the_first_request() {
        let folder = tempfile::tempdir().unwrap();
        let record = folder.path().join("chat.jsonl");
        let mut now = Now::of(2, Some(Duration::from_hours(1)));
        now.begin("chat::steady", 2, Some(600.0));
        assert_eq!(now.look().suite, "chat::steady");
        let phase = Phase::Load { title: "start 1, l".into(), requests: 4, record: record.clone() };
        now.take(Progress { suite: "chat".into(), phase });
        std::fs::write(&record, "{\"header\":{}}\n").unwrap();
        let moment = now.look();
        assert_eq!((moment.suite.as_str(), moment.scenario), ("chat", (1, 2)));
        assert_eq!((moment.phase.as_str(), moment.requests), ("start 1, l, warm-up", Some((0, 4))));
        let sample = "{\"sample\":{\"index\":0,\"output_tokens\":7}}\n";
        std::fs::write(&record, format!("{{\"header\":{{}}}}\n{sample}")).unwrap();
        let moment = now.look();
        assert_eq!((moment.phase.as_str(), moment.requests), ("start 1, l", Some((1, 4))));
        assert!(moment.gpu_left_s.unwrap() <= 600.0 && moment.left.is_some());
        now.take(Progress { suite: "chat".into(), phase: Phase::Doing("stopping".into()) });
        assert_eq!(now.look().requests, None);
        now.end("chat::steady");
        assert_eq!((now.look().scenario, now.look().suite.as_str()), ((1, 2), ""));
    }
}
