//! Whether the time stamps of a trace may be of another unit than milliseconds: [`remark`].

use crate::record::finding::{Finding, FindingCode};
use crate::record::sample::Sample;
use crate::spec::load::{Arrivals, Load};

/// A trace that lasts less, in milliseconds of its own, is worth a word.
const SHORT_MS: f64 = 1_000.0;

/// And so is one with more requests a second.
const DENSE: f64 = 100.0;

/// Says how long the trace of a load is where that is surprisingly short.
pub(crate) fn remark(load: &Load, samples: &[Sample]) -> Option<Finding> {
    let Arrivals::Recorded { speed } = load.arrivals else { return None };
    let intended = || samples.iter().map(|sample| sample.intended_us);
    let span_ms = (intended().max()? - intended().min()?) as f64 / 1_000.0 * speed;
    let rate = samples.len() as f64 / span_ms * 1_000.0;
    // All at once is a burst.
    if span_ms <= 0.0 || (span_ms >= SHORT_MS && rate <= DENSE) {
        return None;
    }
    Some(Finding::new(
        FindingCode::TraceShort,
        format!(
            "the {} requests of the trace lie within {span_ms:.0} ms ({rate:.0} a second), because its time stamps are read \
             as milliseconds; if they are seconds, multiply them by 1000",
            samples.len()
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    #[test]
    fn a_trace_that_is_surprisingly_short_is_named() {
        let said = |arrivals: Arrivals, step_us: u64| {
            let load = Load { arrivals, ..fixtures::load() };
            let sample =
                |index: u64| Sample { intended_us: 5 + index * step_us, ..fixtures::sample() };
            let samples: Vec<Sample> = (0..301).map(sample).collect();
            remark(&load, &samples).map(|finding| finding.message)
        };
        let recorded = Arrivals::Recorded { speed: 1.0 };
        let short = said(recorded, 2_000).unwrap();
        assert!(
            short.starts_with("the 301 requests of the trace lie within 600 ms (502 a second)"),
            "{short}"
        );
        assert!(said(recorded, 9_000).is_some() && said(recorded, 11_000).is_none());
        assert_eq!((said(recorded, 0), said(Arrivals::OneAtATime, 1_000)), (None, None));
        // The time is that of the trace.
        assert_eq!(said(Arrivals::Recorded { speed: 10.0 }, 2_000), None);
    }
}
