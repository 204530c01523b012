//! Whether several servers answer at one address: [`Sightings`] takes each look at `/metrics`.
//!
//! Counters of one process never fall, and its start time never changes. A server that was started
//! again has a later start time, its counters begin at zero, and what was there before is never
//! seen again. Behind a load balancer the looks go back and forth instead, or reach a process
//! that was there before the first look.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::server::exposition::sample;

/// Clocks of two machines may differ by this much. A server that starts takes longer.
const CLOCKS: Duration = Duration::from_secs(5);

/// What a look says of the process that answered.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Process {
    /// `process_start_time_seconds`, or the earliest time at which a counter was created; absent
    /// where the server says neither.
    pub(crate) started: Option<f64>,
    /// The labels `engine` and `model_name` of the token counters, in order.
    pub(crate) labels: Vec<String>,
    /// What its token counter says.
    pub(crate) tokens: f64,
}

impl Process {
    /// Reads the text of `/metrics`.
    pub(crate) fn of(text: &str) -> Self {
        let mut process = Self::default();
        let mut created: Option<f64> = None;
        for line in text.lines() {
            let Some((name, labels, value)) = sample(line) else { continue };
            match name {
                "process_start_time_seconds" => process.started = Some(value),
                "vllm:generation_tokens_total" => {
                    process.tokens += value;
                    process.labels.push(labels.to_owned());
                }
                name if name.starts_with("vllm:") && name.ends_with("_created") => {
                    created = Some(created.map_or(value, |first| first.min(value)));
                }
                _ => {}
            }
        }
        process.started = process.started.or(created);
        process.labels.sort();
        process
    }

    /// Whether two looks were answered by one process, where both say so.
    fn is(&self, other: &Self) -> Option<bool> {
        let started = self.started.zip(other.started).map(|(one, two)| (one - two).abs() < 0.001);
        // Labels of one server change when it is started with another configuration.
        let are_known = !self.labels.is_empty() && !other.labels.is_empty();
        started.or_else(|| (are_known && self.labels != other.labels).then_some(false))
    }
}

/// All looks at one address.
#[derive(Debug, Default)]
pub(crate) struct Sightings {
    /// Each process that was distinguished, in the order in which they were first seen.
    seen: Vec<Process>,
    /// Which of them answered last.
    last: usize,
    /// The highest count before the counters fell, where they have fallen.
    fell_from: Option<f64>,
    /// When the first look was, in seconds of the wall clock.
    began: Option<f64>,
    is_several: bool,
}

impl Sightings {
    /// Takes a look. `at_once` after the one before it, no server can have been started again in
    /// between.
    pub(crate) fn see(&mut self, process: Process, at_once: bool) {
        let began = *self.began.get_or_insert_with(wall_clock);
        let Some(last) = self.seen.get_mut(self.last) else {
            self.seen.push(process);
            return;
        };
        match last.is(&process) {
            Some(true) => last.tokens = process.tokens,
            Some(false) => {
                let before = last.started;
                let is_same =
                    |seen: &Process| seen.is(&process).unwrap_or(process.started.is_none());
                let place = self.seen.iter().position(is_same);
                let was_there = process.started.is_some_and(|started| {
                    before.is_some_and(|before| started < before)
                        || started < began - CLOCKS.as_secs_f64()
                });
                self.is_several |= at_once || was_there || place.is_some();
                self.last = place.unwrap_or(self.seen.len());
                if place.is_none() {
                    self.seen.push(process);
                }
            }
            // It says nothing of itself but its counters.
            None => {
                if process.tokens < last.tokens {
                    self.is_several |= at_once;
                    self.fell_from = self.fell_from.or(Some(last.tokens));
                } else if self.fell_from.is_some_and(|high| at_once && process.tokens >= high) {
                    self.is_several = true;
                }
                last.tokens = process.tokens;
            }
        }
    }

    /// Whether several servers answered.
    pub(crate) fn is_several(&self) -> bool {
        self.is_several
    }

    /// How many servers answered at least.
    pub(crate) fn count(&self) -> u32 {
        u32::try_from(self.seen.len()).unwrap_or(u32::MAX).max(2)
    }
}

fn wall_clock() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(started: Option<f64>, tokens: f64) -> Process {
        Process { started, labels: vec!["engine=\"0\"".to_owned()], tokens }
    }

    /// Whether these looks are taken for several servers; with each, whether it followed at once.
    fn several(looks: &[(Option<f64>, f64, bool)]) -> bool {
        let mut sightings = Sightings { began: Some(1_000.0), ..Sightings::default() };
        for (started, tokens, at_once) in looks {
            sightings.see(process(*started, *tokens), *at_once);
        }
        sightings.is_several()
    }

    #[test]
    fn counters_that_go_back_and_forth_are_those_of_several_servers() {
        assert!(several(&[(None, 1_000.0, false), (None, 50_000.0, true), (None, 1_000.0, true)]));
        assert!(several(&[(None, 900.0, false), (None, 50.0, false), (None, 950.0, true)]));
    }

    #[test]
    fn start_times_tell_servers_apart() {
        let (early, late) = (Some(500.0), Some(700.0));
        // Both were there before the first look.
        assert!(several(&[(early, 9.0, false), (late, 900.0, false)]));
        assert!(several(&[(late, 900.0, false), (early, 9_000.0, false)]));
        assert!(several(&[(late, 5.0, false), (Some(700.5), 9.0, true)]));
    }

    #[test]
    fn one_server_is_one_whether_or_not_it_is_started_again() {
        let (before, after) = (Some(500.0), Some(1_030.0));
        for looks in [
            &[(before, 9.0, false), (before, 9.0, true), (before, 900.0, false)][..],
            &[(None, 9.0, false), (None, 9.0, true), (None, 900.0, false), (None, 901.0, true)],
            // Started again.
            &[(before, 900.0, false), (after, 3.0, false), (after, 5.0, true)],
            &[(None, 900.0, false), (None, 3.0, false), (None, 5.0, true)],
        ] {
            assert!(!several(looks), "{looks:?}");
        }
    }

    #[test]
    fn a_server_with_other_labels_is_another_one() {
        let with = |engine: &str, tokens: f64| Process {
            labels: vec![engine.to_owned()],
            ..process(None, tokens)
        };
        let mut sightings = Sightings::default();
        sightings.see(with("engine=\"0\"", 9.0), false);
        sightings.see(with("engine=\"1\"", 99.0), false);
        assert!(!sightings.is_several());
        sightings.see(with("engine=\"0\"", 9.0), false);
        assert!(sightings.is_several());
        assert_eq!(sightings.count(), 2);
    }

    #[test]
    fn a_process_is_read_from_its_metrics() {
        let text = "process_start_time_seconds 1.79e+09\n\
                    vllm:generation_tokens_total{engine=\"1\"} 5.0\n\
                    vllm:generation_tokens_total{engine=\"0\"} 7.0\n\
                    vllm:generation_tokens_created{engine=\"0\"} 1.8e+09\n";
        let read = Process::of(text);
        assert_eq!((read.started, read.tokens), (Some(1.79e9), 12.0));
        assert_eq!(read.labels, ["engine=\"0\"", "engine=\"1\""]);
        let created = text.split_once('\n').unwrap().1;
        assert_eq!(Process::of(created).started, Some(1.8e9));
    }
}
