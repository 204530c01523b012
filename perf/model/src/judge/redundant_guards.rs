//! Guards that say the same twice: [`remarks`].
//!
//! In a closed loop throughput and mean latency are one figure: with N requests always under way, N
//! = requests per second × mean E2E (Little's law), and with outputs of one length tokens per
//! second follow. Two guards on it take two shares of the error rate and add no information.

use crate::record::finding::{Finding, FindingCode};
use crate::spec::guard::Guard;
use crate::spec::load::Arrivals;
use crate::spec::metric::{Metric, Quantity, Statistic};

/// Remarks on guards that are redundant on a load of these arrivals.
pub fn remarks(arrivals: Arrivals, guards: &[Guard]) -> Vec<Finding> {
    let redundant = |what: String| Finding::new(FindingCode::GuardsRedundant, what);
    let mut remarks = Vec::new();
    let has = |metric: Option<Metric>| {
        guards.iter().find(|guard| Some(guard.metric) == metric).map(|guard| guard.metric)
    };
    let rates =
        [Quantity::OutputThroughput, Quantity::TotalThroughput, Quantity::RequestThroughput];
    let rates: Vec<Metric> =
        rates.into_iter().filter_map(|rate| has(Metric::whole_server(rate))).collect();
    for pair in rates.windows(2) {
        remarks.push(redundant(format!(
            "{} and {} move together where lengths are fixed: guard one of them",
            pair[0].label(),
            pair[1].label()
        )));
    }
    let latency = has(Metric::of(Quantity::E2e, Statistic::Mean));
    if let (true, Some(rate), Some(latency)) = (arrivals.is_closed_loop(), rates.first(), latency) {
        remarks.push(redundant(format!(
            "{} and {} of a closed loop are one figure (Little's law): guard one of them",
            rate.label(),
            latency.label()
        )));
    }
    remarks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::units::{per_second, percent};

    fn guards(names: &[&str]) -> Vec<Guard> {
        names.iter().map(|name| Guard::new(name.parse().unwrap(), percent(2.5))).collect()
    }

    #[test]
    fn throughput_and_mean_latency_of_a_closed_loop_are_one_figure() {
        let both = guards(&["output_throughput_tok_per_s", "e2e_mean_ms"]);
        assert_eq!(remarks(Arrivals::Concurrency(8), &both).len(), 1);
        assert!(remarks(Arrivals::ConstantRate(per_second(20.0)), &both).is_empty());
        assert!(
            remarks(
                Arrivals::Concurrency(8),
                &guards(&["output_throughput_tok_per_s", "ttft_p50_ms"])
            )
            .is_empty()
        );
    }

    #[test]
    fn two_throughputs_of_one_load_are_pointed_out() {
        let rates = guards(&["output_throughput_tok_per_s", "request_throughput_req_per_s"]);
        assert_eq!(remarks(Arrivals::Poisson(per_second(20.0)), &rates).len(), 1);
    }
}
