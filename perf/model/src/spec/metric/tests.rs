//! Names, units and directions of metrics.

use super::*;

#[test]
fn every_key_names_its_unit_and_parses_back() {
    for metric in Metric::all().chain(Metric::minima()) {
        let key = metric.to_string();
        assert!(
            [
                "_tok_per_s",
                "_req_per_s",
                "_requests",
                "_ms",
                "_s",
                "_tokens",
                "_tok",
                "_percent",
                "_j",
                "_j_per_tok",
                "_tok_per_j",
                "_w",
                "_mib",
                "_c",
                "_mhz"
            ]
            .iter()
            .any(|unit| key.ends_with(unit)),
            "{key}"
        );
        assert_eq!(key.parse(), Ok(metric));
    }
    assert_eq!(Metric::all().count(), 8 + 11 * 5 + 12 + 1 + 13 + 16);
}

#[test]
fn a_tail_is_what_the_gate_takes_for_one_by_its_name() {
    use perf_gate::Prior;
    for metric in Metric::all() {
        let by_name = Prior::of_metric(&metric.to_string()) == Prior::tail();
        assert_eq!(metric.is_tail(), by_name, "{metric}");
    }
}

#[test]
fn a_throughput_has_no_percentile_and_a_latency_needs_one() {
    assert_eq!(Metric::of(Quantity::OutputThroughput, Statistic::P50), None);
    assert_eq!(Metric::whole_server(Quantity::E2e), None);
}
