//! The requests of a load of several models, by model: [`remark`].

use std::fmt::Write;

use crate::analysis::statistics::median;
use crate::record::finding::{Finding, FindingCode};
use crate::record::sample::Sample;
use crate::spec::load::Load;

/// How many requests each model got, how many of them failed, and the medians of those that
/// succeeded; absent for a load of one model.
pub(crate) fn remark(load: &Load, samples: &[Sample]) -> Option<Finding> {
    let mix = &load.model_mix;
    if mix.is_empty() {
        return None;
    }
    let mut line = "requests by model".to_owned();
    for (place, model) in (0_u16..).zip(mix.models()) {
        let of_model = || samples.iter().filter(|sample| sample.model == Some(place));
        let succeeded = || of_model().filter(|sample| sample.succeeded());
        let failed = of_model().count() - succeeded().count();
        let separator = if place == 0 { ":" } else { ";" };
        // Writing to a string cannot fail.
        let _ = write!(line, "{separator} `{}` {}", model.name, of_model().count());
        if failed > 0 {
            let _ = write!(line, " ({failed} failed)");
        }
        let ttft: Vec<f64> = succeeded().filter_map(Sample::ttft_ms).collect();
        let e2e: Vec<f64> = succeeded().map(Sample::e2e_ms).collect();
        for (name, values) in [("TTFT", ttft), ("E2E", e2e)] {
            if let Some(median) = median(&values) {
                let _ = write!(line, ", {name} P50 {median:.1} ms");
            }
        }
    }
    let unwarmed = mix.len().saturating_sub(load.warmup as usize);
    if load.warmup > 0 && unwarmed > 0 {
        let _ = write!(
            line,
            "; the warm-up of {} reached {unwarmed} of them not at all, ask for {} requests to warm up",
            load.warmup,
            mix.len()
        );
    }
    Some(Finding::new(FindingCode::RequestsByModel, line))
}
