//! How much starts and sessions scatter, and what that makes of a difference's error: [`Noise`].

use serde::Serialize;

use crate::huber::location;
use crate::prior::Prior;
use crate::series::Series;
use crate::sessions::{self, Mean};

/// Residuals beyond this many standard deviations count as if they were there: one wild start must not hide a regression.
const CLIP: f64 = 2.0;

/// E[min(Z², 4)] of a standard normal Z, = 1 − 2·(2·φ(2) + (1 − 4)·P(Z > 2)): what clipping takes from a variance.
const CLIPPED: f64 = 0.9205;

/// Huber's location has 95 % of the mean's efficiency: its variance is 1/0.95 of the mean's.
const INEFFICIENCY: f64 = 1.05;

/// How much the log values of a metric scatter.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Noise {
    /// Standard deviation of one start, the drift of its session included.
    pub start_sd: f64,
    /// Standard deviation between sessions.
    pub session_sd: f64,
    /// Degrees of freedom that `start_sd` rests on, the prior's included.
    pub df: f64,
}

/// The starts of one side, as far as its mean's error depends on them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    pub(crate) starts: f64,
    /// [`Series::concentration`].
    pub(crate) concentration: f64,
}

impl Layout {
    pub(crate) fn of(series: &Series) -> Self {
        Self { starts: series.starts() as f64, concentration: series.concentration() }
    }

    /// So many starts in one session.
    pub(crate) fn one_session(starts: usize) -> Self {
        Self { starts: starts as f64, concentration: 1.0 }
    }
}

impl Noise {
    /// Estimates it from one side or several, each around a location of its own, moderated by what is known beforehand:
    /// (d₀·s₀² + Σ of squares) / (d₀ + degrees of freedom), as in Smyth, "Linear Models and Empirical Bayes Methods", 2004.
    pub(crate) fn estimate(prior: &Prior, sides: &[&Series]) -> Self {
        // What sessions contribute is hardly known without the starts' scatter, and the other way round: once each suffices,
        // as the first round's session variance is only used to clip.
        let unknown = sessions::variance(prior, prior.start_sd.powi(2), &[]);
        let first = start_variance(prior, sides, unknown);
        let (within, means) = by_session(prior, sides, first.sqrt());
        let session = sessions::variance(prior, within, &means);
        let start = start_variance(prior, sides, session);
        let df = prior.start_df + sides.iter().map(|side| side.starts() as f64 - 1.0).sum::<f64>();
        Self { start_sd: start.sqrt(), session_sd: session.sqrt(), df }
    }

    /// The variance of one side's location around the truth.
    pub(crate) fn location_variance(&self, side: Layout) -> f64 {
        let session = (side.concentration - 1.0 / side.starts).max(0.0);
        INEFFICIENCY * self.start_sd.powi(2) / side.starts + self.session_sd.powi(2) * session
    }

    /// The standard deviation of one start around its session's level.
    pub(crate) fn within_session(&self) -> f64 {
        // The two are estimated apart; where the sessions seem to scatter more than single starts, half is theirs.
        (self.start_sd.powi(2) - self.session_sd.powi(2)).max(self.start_sd.powi(2) / 2.0).sqrt()
    }

    /// The standard error of the difference of two sides' locations:
    /// √(1.05·s²·(1/n₁ + 1/n₂) + q²·((h₁ − 1/n₁) + (h₂ − 1/n₂))), with h = 1/sessions. One start already holds one session's
    /// drift, so that only what more starts of the same session do not average out is added.
    pub(crate) fn error(&self, sides: [Layout; 2]) -> f64 {
        sides.iter().map(|side| self.location_variance(*side)).sum::<f64>().sqrt()
    }
}

/// The variance of one start in a session of its own.
fn start_variance(prior: &Prior, sides: &[&Series], session: f64) -> f64 {
    let df: f64 = sides.iter().map(|side| side.starts() as f64 - 1.0).sum();
    let known = prior.start_df * prior.start_sd.powi(2);
    // Starts that share a session scatter less around their mean by its drift: Σr² is short of it by q²·(n·h − 1).
    let shared: f64 = sides.iter().map(|side| side.starts() as f64 * side.concentration() - 1.0).sum::<f64>() * session;
    let given = |squares: f64| (known + squares + shared.max(0.0)) / (prior.start_df + df);
    // From above, so that of several solutions the largest is found; each round clips a little more.
    let mut variance = given(sides.iter().map(|side| squares(side.costs(), f64::MAX)).sum());
    for _ in 0..40 {
        let next = given(sides.iter().map(|side| squares(side.costs(), variance.sqrt()) / CLIPPED).sum());
        if next > variance * (1.0 - 1e-4) {
            break;
        }
        variance = next;
    }
    variance
}

/// Σ of the squared residuals around the robust location, each clipped.
fn squares(costs: &[f64], scale: f64) -> f64 {
    let at = location(costs, scale);
    let reach = CLIP * scale;
    costs.iter().map(|cost| (cost - at).clamp(-reach, reach).powi(2)).sum()
}

/// The variance of one start around its session's mean, and those means, of starts that are clipped around the side's
/// location.
fn by_session(prior: &Prior, sides: &[&Series], scale: f64) -> (f64, Vec<Vec<Mean>>) {
    let reach = CLIP * scale;
    let (mut squares, mut df) = (prior.start_df * prior.start_sd.powi(2), prior.start_df);
    let mut all = Vec::with_capacity(sides.len());
    for side in sides {
        let at = location(side.costs(), scale);
        let mut means = Vec::with_capacity(side.sessions());
        for session in side.by_session() {
            let clipped: Vec<f64> = session.iter().map(|cost| (cost - at).clamp(-reach, reach)).collect();
            let value = clipped.iter().sum::<f64>() / clipped.len() as f64;
            squares += clipped.iter().map(|cost| (cost - value).powi(2)).sum::<f64>() / CLIPPED;
            df += clipped.len() as f64 - 1.0;
            means.push(Mean { value, starts: session.len() });
        }
        all.push(means);
    }
    (squares / df, all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(sessions: &[&[f64]]) -> Series {
        Series::of_costs(sessions.iter().map(|session| session.to_vec()).collect()).unwrap()
    }

    const CALM: [&[f64]; 5] = [&[0.01, -0.01], &[0.012, -0.004], &[-0.013, 0.009], &[0.002, -0.012], &[-0.006, 0.011]];

    #[test]
    fn the_scatter_of_the_starts_is_found() {
        let noise = Noise::estimate(&Prior::central(), &[&series(&CALM)]);
        assert!((noise.start_sd - 0.011).abs() < 0.002, "{noise:?}");
        assert!((noise.df - 13.0).abs() < 1e-12);
    }

    #[test]
    fn one_wild_start_is_not_believed() {
        let calm = Noise::estimate(&Prior::central(), &[&series(&CALM)]);
        let mut wild = CALM;
        wild[2] = &[-0.013, 0.5];
        let noise = Noise::estimate(&Prior::central(), &[&series(&wild)]);
        assert!(noise.start_sd < 1.5 * calm.start_sd, "{} {}", noise.start_sd, calm.start_sd);
    }

    #[test]
    fn one_start_leaves_what_is_known_beforehand() {
        let prior = Prior::central();
        let noise = Noise::estimate(&prior, &[&series(&[&[0.3]])]);
        assert!((noise.start_sd - prior.start_sd).abs() < 1e-12);
        assert!((noise.df - prior.start_df).abs() < 1e-12);
    }

    #[test]
    fn an_error_shrinks_with_starts_but_not_below_the_drift_of_one_session() {
        let noise = Noise { start_sd: 0.01, session_sd: 0.005, df: 10.0 };
        let base = Layout { starts: 10.0, concentration: 0.2 };
        let errors: Vec<f64> =
            [1, 2, 4, 8, 1_000].map(|starts| noise.error([Layout::one_session(starts), base])).to_vec();
        assert!(errors.windows(2).all(|pair| pair[1] < pair[0]), "{errors:?}");
        assert!(errors[4] > 0.005);
    }
}
