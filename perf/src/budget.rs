//! What measuring costs, in time on GPUs, and what the budget still allows: [`Budget`].

use perf_clock::Stamp;
use perf_model::judge::report::LoadReport;
use perf_model::judge::results::RepetitionResult;

use crate::start::Place;

/// What was measured, and what it cost.
pub(crate) struct Measured {
    /// The loads, in the order declared.
    pub(crate) loads: Vec<LoadReport>,
    /// Seconds from each start to its stop, times the GPUs.
    pub(crate) gpu_s: f64,
    /// How much more a duet that the budget ended would have needed at most.
    pub(crate) short_s: f64,
}

/// Counts the time on GPUs.
pub(crate) struct Budget {
    gpus: f64,
    limit_s: f64,
    /// What each start cost.
    costs_s: Vec<f64>,
}

impl Budget {
    /// For a server; one that needs no GPU has the whole machine, and counts as one.
    pub(crate) fn new(place: Place<'_>) -> Self {
        let limit_s = place.session.settings.budget.gpu_s.unwrap_or(f64::INFINITY);
        let mut budget = Self::limited(limit_s);
        budget.on(place.server.gpus);
        budget
    }

    /// For servers of different sizes; [`on`](Self::on) says which is next.
    pub(crate) fn limited(limit_s: f64) -> Self {
        Self { gpus: 1.0, limit_s, costs_s: Vec::new() }
    }

    /// From here on, starts are of a server on so many GPUs.
    pub(crate) fn on(&mut self, gpus: u8) {
        self.gpus = f64::from(gpus.max(1));
    }

    /// Starts so far.
    pub(crate) fn starts(&self) -> usize {
        self.costs_s.len()
    }

    /// Counts a start that began and ended at these times, and notes in its evidence what it cost,
    /// which it gives.
    pub(crate) fn count(
        &mut self,
        from: Stamp,
        to: Stamp,
        evidence: &mut [Vec<RepetitionResult>],
    ) -> f64 {
        let cost = to.saturating_sub(from).as_secs_f64() * self.gpus;
        for evidence in evidence.iter_mut().flatten() {
            evidence.gpu_s = cost;
        }
        self.costs_s.push(cost);
        cost
    }

    /// GPU seconds so far.
    pub(crate) fn spent_s(&self) -> f64 {
        self.costs_s.iter().sum()
    }

    /// Whether this number of starts, if each costs what the last ones did, stays within the budget.
    /// The first is always allowed. Loads that are settled are left out of a start, and those of a
    /// duet have more runs, so that the last starts are the best estimate.
    pub(crate) fn allows(&self, starts: usize) -> bool {
        self.costs_s.is_empty() || self.short_s(starts) <= 0.0
    }

    /// Whether another start stays within the budget beside so many that are under way and cost as much.
    /// Within a limit, the cost of the first must be known before another begins.
    pub(crate) fn allows_beside(&self, under_way: usize) -> bool {
        match self.costs_s.as_slice() {
            [] => under_way == 0 || self.limit_s.is_infinite(),
            _ => self.short_s(under_way + 1) <= 0.0,
        }
    }

    /// How many GPU seconds this number of starts lacks, if each costs what the last ones did; what is
    /// left over is below 0.
    pub(crate) fn short_s(&self, starts: usize) -> f64 {
        let next_s: f64 = self.costs_s.iter().rev().cycle().take(starts).sum();
        self.spent_s() + next_s - self.limit_s
    }
}
