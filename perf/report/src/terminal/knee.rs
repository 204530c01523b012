//! The knee of a suite that puts one workload on the server at several widths: [`knee`].

use perf_model::judge::report::LoadReport;
use perf_model::spec::metric::{Metric, Quantity};
use perf_model::sweep::knee;

use super::table::number;

/// Where more requests in flight stop to give more throughput, in words. Absent unless at least three
/// loads differ in nothing but their width, and for a curve without a knee.
pub(super) fn knee(loads: &[LoadReport]) -> Option<String> {
    let (first, points) = loads
        .iter()
        .map(|load| (load, curve(load, loads)))
        .find(|(_, points)| points.len() >= 3)?;
    let (at, _) = knee::knee(&points)?;
    let figures: Vec<String> = points
        .iter()
        .map(|(width, throughput)| format!("{} at {width}", number(*throughput)))
        .collect();
    Some(format!(
        "knee: {} requests in flight; output throughput of {}: {} tok/s",
        points[at].0,
        first.suite,
        figures.join(", ")
    ))
}

/// Width and throughput of the loads with the workload of `load`, by width.
fn curve(load: &LoadReport, loads: &[LoadReport]) -> Vec<(f64, f64)> {
    let metric = Metric::whole_server(Quantity::OutputThroughput);
    let point = |other: &LoadReport| {
        let throughput = other.rows.iter().find(|row| Some(row.metric) == metric)?;
        Some((f64::from(other.in_flight?), throughput.measured?))
    };
    let same = loads.iter().filter(|other| other.workload == load.workload);
    let mut points: Vec<(f64, f64)> = same.filter_map(point).collect();
    points.sort_by(|one, other| one.0.total_cmp(&other.0));
    points.dedup_by(|one, other| one.0.total_cmp(&other.0).is_eq());
    points
}

#[cfg(test)]
mod tests {
    use perf_model::judge::report::Row;

    use super::*;

    fn load(workload: &str, in_flight: u32, throughput: f64) -> LoadReport {
        let row = Row {
            measured: Some(throughput),
            starts: vec![throughput],
            ..perf_model::fixtures::row(Metric::whole_server(Quantity::OutputThroughput).unwrap())
        };
        LoadReport {
            workload: workload.to_owned(),
            in_flight: Some(in_flight),
            rows: vec![row],
            ..perf_model::fixtures::load_report()
        }
    }

    #[test]
    fn loads_that_differ_in_their_width_alone_have_a_knee() {
        let loads = [
            load("a", 80, 2_428.0),
            load("b", 20, 9_000.0),
            load("a", 40, 1_468.0),
            load("a", 60, 2_529.0),
        ];
        let said = knee(&loads).unwrap();
        assert!(said.starts_with("knee: 60 requests in flight; output throughput of "), "{said}");
        assert!(said.ends_with(": 1468 at 40, 2529 at 60, 2428 at 80 tok/s"), "{said}");
        assert_eq!(knee(&loads[..3]), None);
    }
}
