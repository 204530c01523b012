//! How evenly a server with several engines was loaded, as a test names it: [`busiest_rank`].

use perf_model::judge::results::Published;
use perf_model::spec::guard::Guard;
use perf_model::spec::metric::{Metric, Quantity};
use perf_model::spec::units::Percent;

/// Prompt and output tokens of the busiest data-parallel rank, in percent of the mean of all ranks: 100 %
/// where the load was spread evenly. Only a server with several engines has it.
pub fn busiest_rank() -> RankSpread {
    RankSpread(())
}

/// How unevenly ranks were loaded: less is better.
#[derive(Clone, Copy, Debug)]
pub struct RankSpread(());

impl RankSpread {
    /// Guards it: a rise of more than `slack` above the baseline is a regression.
    pub fn may_rise(self, slack: Percent) -> Guard {
        Guard::new(metric(), slack)
    }

    /// What somebody else published for it, in percent of the mean.
    pub fn was(self, value: f64) -> Published {
        Published { metric: metric(), value }
    }
}

fn metric() -> Metric {
    Metric::whole_server(Quantity::BusiestRank).expect("it is one number a run")
}

#[cfg(test)]
mod tests {
    use perf_model::spec::units::percent;

    use super::*;

    #[test]
    fn a_guard_of_the_spread_over_ranks_names_what_it_guards() {
        let guard = busiest_rank().may_rise(percent(10.0));
        assert_eq!(guard.metric.to_string(), "busiest_rank_percent");
    }
}
