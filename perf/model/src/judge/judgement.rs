//! What the gate says of one guard, and the numbers that it was reached from: [`Judgement`].

use perf_gate::Noise;
use serde::{Deserialize, Serialize};

use crate::judge::verdict::Verdict;
use crate::spec::units::{Percent, percent};

/// What the gate says of one guard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// The verdict. While it is open: what it would be if nothing more were measured.
    pub verdict: Verdict,
    /// Whether another start can still settle it.
    #[serde(default)]
    pub is_open: bool,
    /// Whether it would hold, and its band is too wide for that to say anything.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_blind: bool,
    /// Why, where the verdict alone does not say it.
    pub reason: Option<String>,
    /// The 95 % confidence interval of the relative change; absent where the gate did not judge.
    pub interval: Option<(f64, f64)>,
    /// The slack, or more where the noise does not allow that little; absent where the gate did not
    /// judge.
    pub band: Option<Percent>,
    /// The numbers that the verdict was reached from; absent where the gate did not judge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub numbers: Option<Numbers>,
}

/// The numbers that a verdict was reached from. `loss` and `error` are differences of natural
/// logarithms, + = worse: 0.01 is about 1 %.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Numbers {
    /// The change.
    pub loss: f64,
    /// Its standard error.
    pub error: f64,
    /// The degrees of freedom of the standard error.
    pub df: f64,
    /// How many z the candidate is worse.
    pub z: f64,
    /// What `z` (for a gain, `−z`) must reach to be a change; absent before there are enough
    /// starts or pairs.
    pub z_change: Option<f64>,
    /// How many z the loss lies below twice the band.
    pub z_below: f64,
    /// What `z_below` must reach for the verdict *held*.
    pub z_held: f64,
    /// The relative loss that the gate detects in 95 of 100 cases: twice the band.
    pub detects: f64,
    /// How much starts and sessions scatter; absent for pairs, which have no sessions.
    pub noise: Option<Noise>,
}

impl Judgement {
    /// A verdict that does not come from the gate.
    pub fn plain(verdict: Verdict) -> Self {
        let (reason, interval, band, numbers) = (None, None, None, None);
        Self { verdict, is_open: false, is_blind: false, reason, interval, band, numbers }
    }

    /// The values cannot be judged, and why.
    pub(crate) fn invalid(why: String) -> Self {
        Self { reason: Some(why), ..Self::plain(Verdict::Invalid) }
    }
}

impl From<perf_gate::Judgement> for Judgement {
    fn from(judged: perf_gate::Judgement) -> Self {
        let (verdict, is_open) = verdict_and_openness(judged.verdict);
        let why_held = judged.held_but_worse.then(|| why_held(&judged));
        Self {
            verdict,
            is_open,
            is_blind: judged.is_blind,
            reason: judged.reason.or(why_held),
            interval: Some((judged.change_low, judged.change_high)),
            band: Some(percent(judged.resolution.band * 100.0)),
            numbers: Some(Numbers {
                loss: judged.loss,
                error: judged.error,
                df: judged.noise.df,
                z: judged.z,
                z_change: judged.z_change,
                z_below: judged.z_below,
                z_held: judged.z_held,
                detects: judged.resolution.detects,
                noise: Some(judged.noise),
            }),
        }
    }
}

impl From<perf_gate::Duet> for Judgement {
    fn from(duet: perf_gate::Duet) -> Self {
        let (verdict, is_open) = verdict_and_openness(duet.verdict);
        Self {
            verdict,
            is_open,
            is_blind: duet.is_blind && !is_open,
            reason: duet.reason,
            interval: Some((duet.change_low, duet.change_high)),
            band: Some(percent(duet.band * 100.0)),
            numbers: Some(Numbers {
                loss: duet.loss,
                error: duet.error,
                df: duet.df,
                z: duet.z,
                z_change: duet.z_change,
                z_below: duet.z_below,
                z_held: duet.z_held,
                detects: duet.detects,
                noise: None,
            }),
        }
    }
}

impl From<perf_gate::Verdict> for Verdict {
    /// A verdict that is still open is inconclusive.
    fn from(verdict: perf_gate::Verdict) -> Self {
        verdict_and_openness(verdict).0
    }
}

fn verdict_and_openness(verdict: perf_gate::Verdict) -> (Verdict, bool) {
    match verdict {
        perf_gate::Verdict::Regressed => (Verdict::Regressed, false),
        perf_gate::Verdict::Held => (Verdict::Held, false),
        perf_gate::Verdict::Improved => (Verdict::Improved, false),
        perf_gate::Verdict::Inconclusive => (Verdict::Inconclusive, false),
        perf_gate::Verdict::Continue => (Verdict::Inconclusive, true),
    }
}

/// Why a loss that is more than chance passes.
fn why_held(judged: &perf_gate::Judgement) -> String {
    let change = judged.change.abs() * 100.0;
    let band = judged.resolution.band * 100.0;
    let ruled_out = judged.resolution.detects * 100.0;
    format!(
        "{change:.1} % worse (band {band:.1} %); passes because a {ruled_out:.1} % loss is ruled out"
    )
}
