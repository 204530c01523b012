//! Runs in the formats of tools that keep histories: [`Bencher`](bmf), [github-action-benchmark](github),
//! the [`PyTorch` OSS benchmark database](pytorch) and [Apache Otava](otava). They get what was
//! measured; a figure that was not is left out.

use perf_model::judge::report::{LoadReport, Row};
use perf_model::spec::metric::Direction;
use serde_json::{Map, Value, json};

use crate::figure::number;
use crate::overview::Overview;

/// A unit's side in github-action-benchmark, which takes one direction a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// `customBiggerIsBetter`.
    Bigger,
    /// `customSmallerIsBetter`.
    Smaller,
}

/// Bencher Metric Format: benchmarks are `suite/load`, measures the keys of metrics. The bounds are
/// the least and the greatest engine start.
pub fn bmf(run: &Overview<'_>) -> Value {
    let mut benchmarks = Map::new();
    for load in run.loads() {
        let mut measures = Map::new();
        for (row, value) in measured(load) {
            let mut measure = json!({ "value": value });
            if let Some((least, most)) = range(row) {
                measure["lower_value"] = least.into();
                measure["upper_value"] = most.into();
            }
            measures.insert(row.metric.to_string(), measure);
        }
        if !measures.is_empty() {
            benchmarks.insert(name(load), measures.into());
        }
    }
    benchmarks.into()
}

/// The custom format of github-action-benchmark: the figures of one direction.
pub fn github(run: &Overview<'_>, better: Better) -> Value {
    let wanted = match better {
        Better::Bigger => Direction::HigherIsBetter,
        Better::Smaller => Direction::LowerIsBetter,
    };
    let entry = |load: &LoadReport, row: &Row, value: f64| {
        let mut entry = json!({
            "name": format!("{}: {}", name(load), row.metric.label()),
            "unit": row.metric.unit(),
            "value": value,
            "extra": format!("{} engine starts, {}", row.starts.len(), load.hardware),
        });
        if let Some((least, most)) = range(row) {
            entry["range"] = format!("± {}", number((most - least) / 2.0)).into();
        }
        entry
    };
    run.loads()
        .flat_map(|load| measured(load).map(move |(row, value)| (load, row, value)))
        .filter(|(_, row, _)| row.metric.direction() == wanted)
        .map(|(load, row, value)| entry(load, row, value))
        .collect()
}

/// Records of the `PyTorch` OSS benchmark database, one a figure, with every engine start.
pub fn pytorch(run: &Overview<'_>) -> Value {
    let record = |load: &LoadReport, row: &Row| {
        json!({
            "benchmark": {
                "name": "vLLM benchmark",
                "extra_info": {
                    "suite": load.suite,
                    "load": load.load,
                    "workload": load.workload,
                    "arrivals": load.arrivals,
                },
            },
            "model": { "name": load.model },
            "metric": {
                "name": row.metric.to_string(),
                "benchmark_values": row.starts,
                "extra_info": {
                    "unit": row.metric.unit(),
                    "engine": load.engine.to_string(),
                    "hardware": load.hardware,
                    "is_estimated": row.estimated,
                },
            },
        })
    };
    run.loads().flat_map(|load| measured(load).map(move |(row, _)| record(load, row))).collect()
}

/// A table for Otava: a line of names, and one of values, which is appended to the file of the runs
/// before. The time is that of the run.
pub fn otava(run: &Overview<'_>, time: &str) -> String {
    use perf_model::interop::csv_line::line;

    let columns: Vec<(String, f64)> = run
        .loads()
        .flat_map(|load| {
            measured(load)
                .map(move |(row, value)| (format!("{}.{}", name(load), row.metric), value))
        })
        .collect();
    let names = columns.iter().map(|(name, _)| name.clone());
    let head: Vec<String> = std::iter::once("time".to_owned()).chain(names).collect();
    let values = columns.iter().map(|(_, value)| value.to_string());
    let row: Vec<String> = std::iter::once(time.to_owned()).chain(values).collect();
    line(&head) + &line(&row)
}

fn name(load: &LoadReport) -> String {
    format!("{}/{}", load.suite, load.load)
}

fn measured(load: &LoadReport) -> impl Iterator<Item = (&Row, f64)> {
    load.rows.iter().filter_map(|row| Some((row, row.measured.filter(|value| value.is_finite())?)))
}

fn range(row: &Row) -> Option<(f64, f64)> {
    let least = row.starts.iter().copied().reduce(f64::min)?;
    let most = row.starts.iter().copied().reduce(f64::max)?;
    (row.starts.len() > 1).then_some((least, most))
}

#[cfg(test)]
mod tests {
    use perf_model::judge::verdict::Verdict;

    use super::*;
    use crate::testing;

    fn of<T>(render: impl Fn(&Overview<'_>) -> T) -> T {
        let reports = [Verdict::Regressed, Verdict::Skipped].map(testing::suite);
        render(&Overview { reports: &reports, request: None, is_complete: true })
    }

    #[test]
    fn bencher_gets_a_measure_for_each_figure_with_its_bounds() {
        insta::assert_snapshot!(format!("{:#}", of(bmf)));
    }

    #[test]
    fn github_gets_each_figure_in_the_file_of_its_direction() {
        let bigger = of(|run| github(run, Better::Bigger));
        let smaller = of(|run| github(run, Better::Smaller));
        insta::assert_snapshot!(format!("{bigger:#}\n{smaller:#}"));
    }

    #[test]
    fn pytorch_gets_a_record_for_each_figure_with_every_start() {
        let records = of(pytorch);
        assert_eq!(records.as_array().unwrap().len(), 2);
        insta::assert_snapshot!(format!("{:#}", records[0]));
    }

    #[test]
    fn otava_gets_a_column_for_each_figure() {
        let text = of(|run| otava(run, "2026-01-02T03:04:05Z"));
        insta::assert_snapshot!(text.replace("\r\n", "\n"), @r"
        time,awq-regressed/max_throughput.output_throughput_tok_per_s,awq-regressed/max_throughput.e2e_p50_ms
        2026-01-02T03:04:05Z,1558.4,4301
        ");
    }
}
