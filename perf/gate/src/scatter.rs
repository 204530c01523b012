//! Starts of the candidate that lie where those of its baseline never lay: [`Scatter`].
//!
//! The location clips what is far off, so that one bad start hides nothing. Where many are far off
//! they are no exceptions but the data: a mode that starts fall into, or a machine that was calm
//! when the baseline was taken.

use crate::huber::median;
use crate::noise::Noise;
use crate::series::{Series, Start};

/// A start is far off beyond this many standard deviations of the baseline's starts, and beyond the
/// band. Four and a normal distribution: one in 16,000.
const FAR: f64 = 4.0;

/// One start in this many may be far off, as it may disagree with a change.
pub(crate) const DISSENT: usize = 4;

/// How the candidate's starts scatter against the baseline's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scatter {
    far: usize,
    starts: usize,
    sd: f64,
    usual_sd: f64,
}

impl Scatter {
    /// `noise` is the baseline's.
    pub(crate) fn of(noise: &Noise, band: f64, candidate: &Series) -> Self {
        let starts: Vec<&Start> = candidate.by_session().iter().flatten().collect();
        let middle = median(candidate.costs());
        let is_far = |start: &&&Start| {
            let usual = noise.start_variance(start.runs()).sqrt();
            (start.cost - middle).abs() > (FAR * usual).max(band)
        };
        let count = starts.len() as f64;
        let mean = candidate.costs().iter().sum::<f64>() / count;
        let squares: f64 = candidate.costs().iter().map(|cost| (cost - mean).powi(2)).sum();
        let runs = starts.iter().map(|start| start.runs()).min().unwrap_or(1);
        Self {
            far: starts.iter().filter(is_far).count(),
            starts: starts.len(),
            sd: (squares / (count - 1.0).max(1.0)).sqrt(),
            usual_sd: noise.start_variance(runs).sqrt(),
        }
    }

    /// Whether so many are far off that the middle stands for nothing: more than one, and more than
    /// one in [`DISSENT`].
    pub(crate) fn is_most(&self) -> bool {
        self.far > (self.starts / DISSENT).max(1)
    }

    /// What to say of it; `None` where nothing is far off.
    pub(crate) fn remark(&self) -> Option<String> {
        let Self { far, starts, sd, usual_sd } = *self;
        let (sd, usual) = (100.0 * sd.exp_m1(), 100.0 * usual_sd.exp_m1());
        let are = if far == 1 { "is" } else { "are" };
        (far > 0).then(|| {
            format!(
                "{far} of {starts} starts {are} far from the others: they scatter by {sd:.1} %, the baseline's by {usual:.1} %"
            )
        })
    }

    /// The standard error of a difference, and its degrees of freedom, where the candidate's own
    /// scatter counts in full.
    pub(crate) fn widen(&self, error: f64, df: f64) -> (f64, f64) {
        if self.far == 0 {
            return (error, df);
        }
        let own = self.sd.powi(2) / self.starts as f64;
        let all = error.powi(2) + own;
        // Welch and Satterthwaite: two estimated variances are added.
        let freedom = error.powi(4) / df + own.powi(2) / (self.starts as f64 - 1.0).max(1.0);
        (all.sqrt(), all.powi(2) / freedom)
    }
}
