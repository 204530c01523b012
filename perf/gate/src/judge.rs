//! One guard after each start of the candidate: [`judge`].

use serde::{Deserialize, Serialize};

use crate::boundaries::Boundaries;
use crate::design::Design;
use crate::direction::Direction;
use crate::distributions::{t_of_z, z_of_t};
use crate::estimate::estimate;
use crate::guard::Guard;
use crate::huber::median;
use crate::noise::{Layout, Noise};
use crate::position::Offset;
use crate::resolution::{Resolution, resolution};
use crate::scatter::{DISSENT, Scatter};
use crate::series::Series;

/// One-sided z of a 95 % interval.
const INTERVAL: f64 = 1.959_964;

/// A start agrees with a change if it lies beyond this share of the band.
const AGREEMENT: f64 = 0.5;

/// The verdict on one guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Worse, beyond the band and beyond chance.
    Regressed,
    /// A loss of twice the band is ruled out.
    Held,
    /// Better, beyond the band and beyond chance: the baseline is stale.
    Improved,
    /// Not decided yet: measure another start.
    #[serde(rename = "go_on", alias = "continue")]
    Continue,
    /// Not decided when the budget was spent, or not decidable.
    Inconclusive,
}

impl Verdict {
    /// Whether more starts would change nothing.
    pub fn is_settled(self) -> bool {
        self != Self::Continue
    }

    /// This verdict of a later look, where an earlier one said `before`. What was settled is not
    /// opened again and does not become undecided; more starts may still show a change.
    #[must_use]
    pub fn after(self, before: Self) -> Self {
        let is_change = matches!(self, Self::Regressed | Self::Improved);
        if before.is_settled() && !is_change { before } else { self }
    }

    /// What is left of this verdict where a duet could decide it, and the budget ended before it
    /// did. A loss is neither confirmed nor overturned then, and nothing that a duet could still
    /// overturn may fail a build as a regression: in a slow hour most suites have one.
    #[must_use]
    pub fn unfinished(self) -> Self {
        if self == Self::Regressed { Self::Inconclusive } else { self }
    }
}

/// The verdict on one guard, and every number that it was reached from. Relative figures are of the
/// metric itself, in the sign it moved: −0.05 of a throughput is 5 % less, +0.05 of a latency 5 %
/// slower.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// Why, where the numbers alone do not say it.
    pub reason: Option<String>,
    /// The change relative to the baseline.
    pub change: f64,
    /// The 95 % confidence interval of the change: its lower end.
    pub change_low: f64,
    /// Its upper end.
    pub change_high: f64,
    /// Starts of the candidate.
    pub starts: usize,
    /// The change on the gate's scale: difference of natural logarithms, + = worse.
    pub loss: f64,
    /// Its standard error.
    pub error: f64,
    /// How much starts and sessions scatter, over both sides.
    pub noise: Noise,
    /// How many z the candidate is worse.
    pub z: f64,
    /// What `z` or `−z` must reach to be called a change now; `None` before there are enough
    /// starts.
    pub z_change: Option<f64>,
    /// How many z the loss lies below twice the band.
    pub z_below: f64,
    /// What `z_below` must reach to be called held now.
    pub z_held: f64,
    /// Held, and yet worse than chance would explain: a loss that the slack allows.
    pub held_but_worse: bool,
    /// Held, if the band were narrow enough for that to say anything: see
    /// [`Guard::max_band`].
    pub is_blind: bool,
    /// Starts lie where none of the baseline's did.
    pub scatters: bool,
    /// What the baseline can tell apart.
    pub resolution: Resolution,
}

/// One guard against one baseline, with everything computed that does not depend on the candidate.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    boundaries: Boundaries,
    guard: Guard,
    baseline: Series,
    resolution: Resolution,
}

impl Plan {
    /// Computes it. `boundaries` should be of this baseline's number of starts; if they are not,
    /// their design's are computed, which takes milliseconds.
    pub fn new(boundaries: &Boundaries, guard: &Guard, baseline: &Series) -> Self {
        let own = (boundaries.baseline_starts() != baseline.starts())
            .then(|| Boundaries::of(boundaries.design(), baseline.starts()).ok());
        let boundaries = own.flatten().unwrap_or_else(|| boundaries.clone());
        let resolution = resolution(&boundaries, guard, baseline);
        Self { boundaries, guard: *guard, baseline: baseline.clone(), resolution }
    }

    /// What the baseline can tell apart.
    pub fn resolution(&self) -> &Resolution {
        &self.resolution
    }

    /// What is checked.
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    /// What it is held against.
    pub fn baseline(&self) -> &Series {
        &self.baseline
    }

    /// The design of the suite.
    pub fn design(&self) -> &Design {
        self.boundaries.design()
    }

    /// Judges what was measured so far. Call it again after every start while it returns
    /// [`Verdict::Continue`].
    pub fn judge(&self, candidate: &Series) -> Judgement {
        let (baseline, design) = (&self.baseline, self.boundaries.design());
        let noise = estimate(&self.guard.prior(), &[baseline, candidate]);
        let is_alike = candidate.most_runs() > 1 || baseline.most_runs() == 1;
        let offset = if is_alike { Offset::default() } else { self.guard.offset() };
        let sides = noise.error(&Layout::of(baseline), &Layout::of(candidate));
        let error = (sides.powi(2) + offset.variance).sqrt();
        let base = noise.locate(baseline) + offset.value;
        let scatter = Scatter::of(&self.resolution.noise, self.resolution.band_cost, candidate);
        let loss = noise.locate(candidate) - base;
        let starts = candidate.starts();
        let worse_by: Vec<f64> = candidate.costs().iter().map(|cost| cost - base).collect();
        let evidence = Evidence {
            loss,
            z: z_of_t(loss / error, noise.df),
            z_below: z_of_t((2.0 * self.resolution.band_cost - loss) / error, noise.df),
            z_change: self.boundaries.change(starts),
            z_held: self.boundaries.held(starts),
            band: self.resolution.band_cost,
            shown_loss: median(candidate.costs()) - baseline.middle(),
            scatter,
        };
        let (verdict, reason) = if baseline.starts() < design.min_starts {
            let few = too_few_starts(baseline.starts(), design.min_starts);
            (Verdict::Inconclusive, Some(format!("{few}; refresh it with more starts")))
        } else {
            evidence.verdict(&worse_by, design.max_starts)
        };
        let is_blind = verdict == Verdict::Held && self.resolution.is_blind;
        let (verdict, reason) = if is_blind {
            (Verdict::Inconclusive, Some(cannot_see(&self.guard, &self.resolution)))
        } else {
            (verdict, reason)
        };
        let direction = self.guard.direction();
        let (wide, df) = scatter.widen(error, noise.df);
        let interval = interval(direction, loss, wide, df);
        Judgement {
            verdict,
            reason,
            change: direction.relative(loss),
            change_low: interval[0],
            change_high: interval[1],
            starts,
            loss,
            error,
            noise,
            z: evidence.z,
            z_change: evidence.z_change,
            z_below: evidence.z_below,
            z_held: evidence.z_held,
            held_but_worse: verdict == Verdict::Held && loss / error > INTERVAL,
            is_blind,
            scatters: scatter.remark().is_some(),
            resolution: self.resolution,
        }
    }
}

/// Judges one guard once: [`Plan::new`] and [`Plan::judge`] in one.
pub fn judge(
    boundaries: &Boundaries,
    guard: &Guard,
    baseline: &Series,
    candidate: &Series,
) -> Judgement {
    Plan::new(boundaries, guard, baseline).judge(candidate)
}

/// The 95 % confidence interval of a change, relative to the baseline, lower end first.
pub(crate) fn interval(direction: Direction, loss: f64, error: f64, df: f64) -> [f64; 2] {
    let half = t_of_z(INTERVAL, df) * error;
    let [one, other] = [loss - half, loss + half].map(|end| direction.relative(end));
    [one.min(other), one.max(other)]
}

/// What a verdict is reached from.
struct Evidence {
    loss: f64,
    z: f64,
    z_below: f64,
    z_change: Option<f64>,
    z_held: f64,
    band: f64,
    /// The loss as a table shows it: between the middles of both sides.
    shown_loss: f64,
    scatter: Scatter,
}

impl Evidence {
    fn verdict(&self, worse_by: &[f64], budget: usize) -> (Verdict, Option<String>) {
        let is_change = |sign: f64| {
            self.z_change.is_some_and(|bound| sign * self.z >= bound)
                && sign * self.loss >= self.band
                && agree(worse_by, sign, self.band)
        };
        if is_change(1.0) {
            return (Verdict::Regressed, None);
        }
        if is_change(-1.0) {
            return (Verdict::Improved, None);
        }
        let last = worse_by.len() >= budget;
        // Nothing is held beyond the limit that stands beside it, nor by a middle that stands for
        // less than most starts.
        let is_within = self.loss.max(self.shown_loss) <= self.band;
        let held = self.z_below >= self.z_held && is_within && !self.scatter.is_most();
        // What looks like an improvement is measured on until it is one or no longer looks like it.
        let promising = -self.loss >= self.band && -self.z >= INTERVAL;
        match (held, last) {
            (true, true) => (Verdict::Held, self.scatter.remark()),
            (true, false) if !promising => (Verdict::Held, self.scatter.remark()),
            (_, false) => (Verdict::Continue, self.scatter.remark()),
            (false, true) => (Verdict::Inconclusive, Some(self.undecided(worse_by.len()))),
        }
    }

    fn undecided(&self, starts: usize) -> String {
        let limit = self.band.exp_m1() * 100.0;
        let why = self
            .scatter
            .remark()
            .unwrap_or_else(|| "the starts scatter more than the baseline's".to_owned());
        format!(
            "the limit of {starts} starts is reached, and a loss of more than {limit:.1} % is neither shown nor ruled out; {why}"
        )
    }
}

/// Whether all starts but one in [`DISSENT`] lie on the side of the change, by half the band at
/// least. A mode that one start in twenty falls into makes a few starts bad, and a change of the
/// software all.
pub(crate) fn agree(worse_by: &[f64], sign: f64, band: f64) -> bool {
    let dissenters = worse_by.iter().filter(|worse| sign * **worse < AGREEMENT * band).count();
    dissenters <= worse_by.len() / DISSENT
}

/// Why nothing can hold against a baseline, and what would help.
fn cannot_see(guard: &Guard, resolution: &Resolution) -> String {
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    let way = if resolution.sessions < 3 {
        "add sessions to the baseline on other days".to_owned()
    } else if let Some(starts) = resolution.starts_for_slack {
        format!("refresh the baseline with {starts} starts")
    } else {
        "add sessions to the baseline".to_owned()
    };
    format!(
        "with this baseline a loss under {} cannot be seen, and at most {} may stay unseen; {way}, or set a larger slack or max_band",
        percent(resolution.unseen),
        percent(guard.max_band())
    )
}

/// Says that a baseline of `starts` engine starts is too small where `fewest` are needed.
pub fn too_few_starts(starts: usize, fewest: usize) -> String {
    let plural = if starts == 1 { "" } else { "s" };
    format!(
        "the baseline has {starts} engine start{plural}; at least {fewest} are needed to report a change"
    )
}

#[cfg(test)]
mod tests;
