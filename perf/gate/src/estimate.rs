//! From the starts of one side or both to their noise: [`estimate`].
//!
//! A variance is moderated by what is known beforehand, (d₀·s₀² + f·s²) / (d₀ + f), as in Smyth,
//! "Linear models and empirical Bayes methods", 2004; and residuals beyond two standard deviations
//! count as two, so that one extreme start cannot hide a regression.

use crate::huber::location;
use crate::noise::{Noise, run_share};
use crate::prior::Prior;
use crate::series::Series;
use crate::session_variance::{self, Mean};

/// Where residuals are clipped, in standard deviations.
const CLIP: f64 = 2.0;

/// E[min(Z², 4)] of a standard normal Z, = 1 − 2·(2·φ(2) − 3·P(Z > 2)): what clipping takes from a
/// variance.
const CLIPPED: f64 = 0.9205;

/// What was known of a variance begins to give way where the data show this many times as much.
const GIVES_WAY: f64 = 2.0;

/// What is known of the scatter of runs beforehand: half of a start's variance, with
/// this many degrees of freedom.
const RUN_DF: f64 = 2.0;

/// The scatter of one side or several, each around a location of its own.
pub(crate) fn estimate(prior: &Prior, sides: &[&Series]) -> Noise {
    let run = run_variance(prior, sides);
    // The scatter of sessions depends on that of starts, and the reverse. One round of each is
    // enough, because the first is only used to clip.
    let unknown = session_variance::variance(prior, &[], 1.0);
    let first = start_variance(prior, sides, run, unknown);
    let session = session_variance::variance(prior, &session_means(prior, sides, &first), 1.0);
    start_variance(prior, sides, run, session)
}

/// The variance between runs of one start, and its degrees of freedom; none if no start had
/// several.
fn run_variance(prior: &Prior, sides: &[&Series]) -> (f64, f64) {
    let starts = || sides.iter().flat_map(|side| side.by_session().iter().flatten());
    let df: f64 = starts().map(|start| start.runs() as f64 - 1.0).sum();
    if df == 0.0 {
        return (0.0, 0.0);
    }
    let known = RUN_DF * prior.start_sd.powi(2) / 2.0;
    let given = |scale: f64, correction: f64| {
        let squares: f64 = starts()
            .map(|start| {
                let runs = start.runs() as f64;
                let reach = CLIP * scale * ((runs - 1.0) / runs).sqrt();
                start
                    .residuals
                    .iter()
                    .map(|residual| residual.clamp(-reach, reach).powi(2))
                    .sum::<f64>()
            })
            .sum();
        (known + squares / correction) / (RUN_DF + df)
    };
    (from_above(given(f64::MAX, 1.0), |variance| given(variance.sqrt(), CLIPPED)), RUN_DF + df)
}

/// Iterates downwards to a fixed point, so that of several the largest is found: each round clips a
/// little more.
fn from_above(start: f64, next: impl Fn(f64) -> f64) -> f64 {
    let mut variance = start;
    for _ in 0..40 {
        let lower = next(variance);
        if lower > variance * (1.0 - 1e-4) {
            break;
        }
        variance = lower;
    }
    variance
}

/// The variance of one start of one run, given that between runs and between sessions.
fn start_variance(
    prior: &Prior,
    sides: &[&Series],
    (run, run_df): (f64, f64),
    session: f64,
) -> Noise {
    let df: f64 = sides.iter().map(|side| side.starts() as f64 - 1.0).sum();
    let mut noise = Noise {
        start_sd: prior.start_sd,
        run_sd: run.sqrt(),
        session_sd: session.sqrt(),
        df: prior.start_df,
    };
    if df == 0.0 {
        noise.run_sd = noise.run_sd.min(noise.start_sd);
        return noise;
    }
    // What the starts' means scatter less than single runs would: by several runs in each, and by
    // sharing a session.
    let averaged = run * sides.iter().map(|side| averaged(side)).sum::<f64>() / df;
    let shared = session * sides.iter().map(|side| shared(side)).sum::<f64>() / df;
    let (mut freedom, mut prior_df) = (df, prior.start_df);
    let mut moderate = |squares: f64| {
        let seen = squares / df + shared;
        let whole = seen + averaged;
        // Satterthwaite: two estimated variances are added.
        let by_runs = if run_df > 0.0 { averaged.powi(2) / run_df } else { 0.0 };
        freedom = whole.powi(2) / (seen.powi(2) / df + by_runs);
        let (variance, from_prior) =
            moderated(prior.start_sd.powi(2), prior.start_df, whole, freedom);
        prior_df = from_prior;
        variance
    };
    let mut variance = moderate(sides.iter().map(|side| squares(side, &noise, f64::MAX)).sum());
    for _ in 0..40 {
        noise.start_sd = variance.sqrt();
        let next = moderate(sides.iter().map(|side| squares(side, &noise, CLIP) / CLIPPED).sum());
        if next > variance * (1.0 - 1e-4) {
            break;
        }
        variance = next;
    }
    noise.start_sd = variance.sqrt();
    noise.run_sd = noise.run_sd.min(noise.start_sd);
    noise.df = prior_df + freedom;
    noise
}

/// A variance that was seen with `df` degrees of freedom, moderated by one that was known before,
/// and the degrees of freedom that the latter adds. What was known gives way where the data scatter
/// more: it makes no noisy machine look calm, and less sure than its data are.
pub(crate) fn moderated(known: f64, known_df: f64, seen: f64, df: f64) -> (f64, f64) {
    let known_df = known_df * (GIVES_WAY * known / seen).min(1.0);
    ((known_df * known + df * seen) / (known_df + df), known_df)
}

/// Σ of the squared residuals around the robust location, each clipped at `clip` of its standard
/// deviations.
fn squares(side: &Series, noise: &Noise, clip: f64) -> f64 {
    let starts = side.by_session().iter().flatten();
    let variances: Vec<f64> = starts.map(|start| noise.start_variance(start.runs())).collect();
    let at = location(side.costs(), &variances);
    let residuals = side.costs().iter().zip(&variances);
    let clipped = residuals.map(|(cost, variance)| {
        let reach = clip * variance.sqrt();
        (cost - at).clamp(-reach, reach).powi(2)
    });
    clipped.sum()
}

/// How many run variances the sum of squared residuals is short of, because starts have several
/// runs.
fn averaged(side: &Series) -> f64 {
    let all = side.starts() as f64;
    let short: f64 =
        side.by_session().iter().flatten().map(|start| 1.0 - run_share(start.runs())).sum();
    short * (all - 1.0) / all
}

/// How many session variances it is short of, because starts share a session: n·Σ(share)² − 1.
fn shared(side: &Series) -> f64 {
    let all = side.starts() as f64;
    let concentration: f64 =
        side.by_session().iter().map(|session| (session.len() as f64 / all).powi(2)).sum();
    all * concentration - 1.0
}

/// The means of each side's sessions, of starts that are clipped around the side's location, with
/// the variance that their starts' scatter gives them.
pub(crate) fn session_means(prior: &Prior, sides: &[&Series], noise: &Noise) -> Vec<Vec<Mean>> {
    let (mut squares, mut df) = (prior.start_df * prior.start_sd.powi(2), prior.start_df);
    let mut all = Vec::with_capacity(sides.len());
    for side in sides {
        let at = noise.locate(side);
        let mut means = Vec::with_capacity(side.sessions());
        for session in side.by_session() {
            let clipped = session.iter().map(|start| {
                let reach = CLIP * noise.start_variance(start.runs()).sqrt();
                (start.cost - at).clamp(-reach, reach)
            });
            let clipped: Vec<f64> = clipped.collect();
            let value = clipped.iter().sum::<f64>() / clipped.len() as f64;
            squares += clipped.iter().map(|cost| (cost - value).powi(2)).sum::<f64>() / CLIPPED;
            df += clipped.len() as f64 - 1.0;
            means.push(Mean { value, variance: 1.0 / clipped.len() as f64 });
        }
        all.push(means);
    }
    let within = squares / df;
    all.iter_mut().flatten().for_each(|mean| mean.variance *= within);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::direction::Direction;

    fn series(sessions: &[&[f64]]) -> Series {
        let values: Vec<Vec<Vec<f64>>> = sessions
            .iter()
            .map(|session| session.iter().map(|cost| vec![cost.exp()]).collect())
            .collect();
        Series::new(Direction::LowerIsBetter, &values).unwrap()
    }

    const CALM: [&[f64]; 5] =
        [&[0.01, -0.01], &[0.012, -0.004], &[-0.013, 0.009], &[0.002, -0.012], &[-0.006, 0.011]];

    #[test]
    fn the_scatter_of_the_starts_is_found() {
        let noise = estimate(&Prior::central(), &[&series(&CALM)]);
        assert!((noise.start_sd - 0.011).abs() < 0.002, "{noise:?}");
        assert!((noise.df - 13.0).abs() < 1e-9);
    }

    #[test]
    fn one_wild_start_is_not_believed() {
        let calm = estimate(&Prior::central(), &[&series(&CALM)]);
        let mut wild = CALM;
        wild[2] = &[-0.013, 0.5];
        let noise = estimate(&Prior::central(), &[&series(&wild)]);
        assert!(noise.start_sd < 1.5 * calm.start_sd, "{} {}", noise.start_sd, calm.start_sd);
    }

    #[test]
    fn one_wild_run_is_not_believed() {
        let run_sd = |wild: f64| {
            let mut values = vec![vec![vec![0.99, 1.01]; 2]; 5];
            values[2][1][1] = wild;
            let series = Series::new(Direction::LowerIsBetter, &values).unwrap();
            estimate(&Prior::central(), &[&series]).run_sd
        };
        let (calm, wild) = (run_sd(1.01), run_sd(1.5));
        assert!(wild < 1.5 * calm, "{calm} {wild}");
    }

    #[test]
    fn one_start_leaves_what_is_known_beforehand() {
        let prior = Prior::central();
        let noise = estimate(&prior, &[&series(&[&[0.3]])]);
        assert!((noise.start_sd - prior.start_sd).abs() < 1e-12);
        assert!((noise.df - prior.start_df).abs() < 1e-12);
    }

    #[test]
    fn runs_of_one_start_tell_their_scatter_and_add_to_what_is_known_of_starts() {
        let start = |centre: f64, half: f64| vec![(centre - half).exp(), (centre + half).exp()];
        let values: Vec<Vec<Vec<f64>>> = (0..5)
            .map(|session| {
                let centre = 0.006 * f64::from(session % 3 + 1);
                vec![start(centre, 0.014), start(-centre, 0.013)]
            })
            .collect();
        let series = Series::new(Direction::LowerIsBetter, &values).unwrap();
        let noise = estimate(&Prior::central(), &[&series]);
        // Half a difference of 0.0135 is a standard deviation of 0.019.
        assert!((noise.run_sd - 0.018).abs() < 0.003, "{noise:?}");
        assert!(
            (20.0..30.0).contains(&noise.df)
                && noise.start_variance(2) < 0.75 * noise.start_variance(1),
            "{noise:?}"
        );
    }
}
