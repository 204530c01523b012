//! How long a step of the engine takes: [`StepTimer`].

use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::draw::{Stream, mix, seed_for};
use crate::injection::Injection;
use crate::profile::{Noise, Profile};
use crate::spread::Spread;

/// What one step computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StepLoad {
    /// Prompt tokens.
    pub(crate) prefill_tokens: usize,
    /// Sequences that decode one token.
    pub(crate) decode_seqs: usize,
    /// Tokens in the context of those sequences.
    pub(crate) context_tokens: usize,
}

/// The time of each step: the profile's time × the injected factor × noise.
#[derive(Debug)]
pub(crate) struct StepTimer {
    base_ms: f64,
    prefill_token_ms: f64,
    decode_seq_ms: f64,
    context_token_ms: f64,
    decode_factor: f64,
    prefill_factor: f64,
    start_factor: f64,
    noise: Noise,
    drift_seed: u64,
    steps: ChaCha8Rng,
    /// What the first step takes in addition; zero afterwards.
    first_step: Duration,
}

impl StepTimer {
    pub(crate) fn new(
        profile: &Profile,
        spread: &Spread,
        injection: &Injection,
        eager: bool,
        seed: u64,
    ) -> Self {
        let step = &spread.step;
        let eager_factor = if eager { step.eager_factor } else { 1.0 };
        let start = log_normal(
            &mut ChaCha8Rng::seed_from_u64(seed_for(seed, Stream::Start)),
            profile.noise.start_cv,
        );
        Self {
            base_ms: step.base_ms,
            prefill_token_ms: step.prefill_token_us / 1e3,
            decode_seq_ms: step.decode_seq_us / 1e3,
            context_token_ms: step.context_token_ns / 1e6,
            decode_factor: injection.decode.unwrap_or(1.0) * eager_factor * spread.decode,
            prefill_factor: injection.prefill.unwrap_or(1.0) * spread.prefill,
            start_factor: start * (1.0 + injection.start.unwrap_or(0.0)),
            noise: profile.noise.clone(),
            drift_seed: seed_for(seed, Stream::Drift),
            steps: ChaCha8Rng::seed_from_u64(seed_for(seed, Stream::Step)),
            first_step: Duration::from_secs_f64(profile.startup.first_step_s),
        }
    }

    /// Time of the step that begins at `now`.
    pub(crate) fn time(&mut self, load: StepLoad, now: Duration) -> Duration {
        let prefill = self.prefill_token_ms * load.prefill_tokens as f64 * self.prefill_factor;
        let ms = if load.decode_seqs == 0 {
            self.base_ms.mul_add(self.prefill_factor, prefill)
        } else {
            let context = self.context_token_ms * load.context_tokens as f64;
            let decode =
                self.decode_seq_ms.mul_add(load.decode_seqs as f64, self.base_ms + context);
            decode.mul_add(self.decode_factor, prefill)
        };
        let noise =
            self.start_factor * self.drift(now) * log_normal(&mut self.steps, self.noise.step_cv);
        Duration::from_secs_f64(ms * noise / 1e3) + std::mem::take(&mut self.first_step)
    }

    /// The factor of the drift interval that contains `now`.
    fn drift(&self, now: Duration) -> f64 {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a count of stretches since the start"
        )]
        let stretch = (now.as_secs_f64() / self.noise.drift_s) as u64;
        log_normal(
            &mut ChaCha8Rng::seed_from_u64(mix(self.drift_seed, stretch)),
            self.noise.drift_cv,
        )
    }
}

/// A factor with mean 1 and this coefficient of variation.
fn log_normal(rng: &mut ChaCha8Rng, cv: f64) -> f64 {
    if cv == 0.0 {
        return 1.0;
    }
    let variance = cv.mul_add(cv, 1.0).ln();
    let normal: f64 = StandardNormal.sample(rng);
    variance.sqrt().mul_add(normal, -variance / 2.0).exp()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::ServeArgs;
    use crate::profile::profile;

    const DECODE: StepLoad = StepLoad { prefill_tokens: 0, decode_seqs: 8, context_tokens: 800 };
    const PREFILL: StepLoad = StepLoad { prefill_tokens: 512, decode_seqs: 0, context_tokens: 0 };

    fn time(injection: &str, eager: bool, seed: u64, load: StepLoad) -> f64 {
        let profile = profile("generic").unwrap();
        let spread = Spread::of(&profile, &ServeArgs::default());
        let mut timer = StepTimer::new(&profile, &spread, &injection.parse().unwrap(), eager, seed);
        timer.time(load, Duration::from_secs(40)).as_secs_f64()
    }

    #[test]
    fn what_is_injected_multiplies_its_own_kind_of_step() {
        for (injection, decode, prefill) in
            [("decode=1.05", 1.05, 1.0), ("prefill=1.2", 1.0, 1.2), ("start=0.08", 1.08, 1.08)]
        {
            let ratio = |load| time(injection, false, 4, load) / time("", false, 4, load);
            assert!((ratio(DECODE) - decode).abs() < 1e-6, "{injection}");
            assert!((ratio(PREFILL) - prefill).abs() < 1e-6, "{injection}");
        }
        assert!((time("", true, 4, DECODE) / time("", false, 4, DECODE) - 1.3).abs() < 1e-6);
    }

    #[test]
    fn only_the_first_step_of_a_start_is_cold() {
        let mut profile = profile("generic").unwrap();
        let spread = Spread::of(&profile, &ServeArgs::default());
        let mut warm = StepTimer::new(&profile, &spread, &Injection::default(), false, 4);
        profile.startup.first_step_s = 0.7;
        let mut cold = StepTimer::new(&profile, &spread, &Injection::default(), false, 4);
        let mut more =
            || cold.time(DECODE, Duration::ZERO).saturating_sub(warm.time(DECODE, Duration::ZERO));
        assert_eq!([more(), more()], [Duration::from_millis(700), Duration::ZERO]);
    }

    #[test]
    fn starts_differ_and_a_seed_repeats_its_own() {
        assert_ne!(time("", false, 1, DECODE).to_bits(), time("", false, 2, DECODE).to_bits());
        assert_eq!(time("", false, 1, DECODE).to_bits(), time("", false, 1, DECODE).to_bits());
    }

    #[test]
    fn noise_has_the_mean_and_scatter_asked_for() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let draws: Vec<f64> = (0..20_000).map(|_| log_normal(&mut rng, 0.05)).collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        let variance =
            draws.iter().map(|draw| (draw - mean).powi(2)).sum::<f64>() / draws.len() as f64;
        assert!(
            (mean - 1.0).abs() < 0.002 && (variance.sqrt() - 0.05).abs() < 0.002,
            "{mean} ± {}",
            variance.sqrt()
        );
    }
}
