//! A load whose strength is searched for, as a test declares it: [`Load::search`], [`rates`] and
//! [`concurrencies`].

use std::ops::RangeInclusive;

use perf_model::spec::load_search::{Axis, LoadSearch};
use perf_model::spec::units::PerSecond;

use crate::load::Load;

impl Load {
    /// Searches for the highest rate or concurrency at which enough requests meet every objective,
    /// in each start of the engine: [`max_rate`](crate::prelude::max_rate) or
    /// [`max_concurrency`](crate::prelude::max_concurrency) is the load's only metric. The load's
    /// requests are those of one probe; arrivals at a rate are Poisson unless it declares others.
    ///
    /// ```
    /// use perf::prelude::*;
    ///
    /// let load = Load::new("max_rate")
    ///     .prompts(random_tokens(256))
    ///     .output_tokens(exactly(64))
    ///     .objective(ttft().within(millis(200.0)))
    ///     .search(rates(per_second(1.0)..=per_second(100.0)).share(percent(99.0)))
    ///     .requests(1_000)
    ///     .guard(max_rate().may_drop(percent(5.0)));
    /// ```
    #[must_use]
    pub fn search(mut self, search: LoadSearch) -> Self {
        self.declared.search = Some(search);
        self
    }
}

/// The rates among which a [search](Load::search) finds the highest that meets the objectives.
pub fn rates(range: RangeInclusive<PerSecond>) -> LoadSearch {
    LoadSearch::along(Axis::Rate { from: *range.start(), to: *range.end() })
}

/// The numbers of requests at once among which a [search](Load::search) finds the highest that
/// meets the objectives.
pub fn concurrencies(range: RangeInclusive<u32>) -> LoadSearch {
    LoadSearch::along(Axis::Concurrency { from: *range.start(), to: *range.end() })
}
