//! What a user wants of a server: [`Goal`], the best value of one [`Figure`], or a balance of
//! several.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::spec::metric::Metric;

/// A metric, as it is or divided by the GPUs of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figure {
    /// The metric.
    pub metric: Metric,
    /// Whether it is divided by the GPUs of the server; a server on the CPU counts as one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub per_gpu: bool,
}

impl Figure {
    /// The metric as it is.
    pub fn of(metric: Metric) -> Self {
        Self { metric, per_gpu: false }
    }

    /// The metric divided by the GPUs of the server.
    pub fn per_gpu(metric: Metric) -> Self {
        Self { metric, per_gpu: true }
    }

    /// The unit. A rate names its scope: of one request, or of the whole server; and whether it is
    /// per GPU.
    pub fn unit(self) -> String {
        let unit = self.metric.unit();
        match self.scope() {
            None => unit.to_owned(),
            Some(scope) if self.per_gpu => format!("{unit} per GPU, {scope}"),
            Some(scope) => format!("{unit}, {scope}"),
        }
    }

    /// The name with the scope of a rate, where no unit stands beside it.
    pub fn name(self) -> String {
        match (self.scope(), self.per_gpu) {
            (Some(scope), true) => format!("{self} per GPU, {scope}"),
            (Some("server"), false) => format!("{self}, server"),
            _ => self.to_string(),
        }
    }

    /// Whether a rate is of the whole server or of one request; a latency is of one request always.
    fn scope(self) -> Option<&'static str> {
        match (self.metric.unit(), self.metric.quantity().is_whole_server()) {
            ("ms", _) => None,
            (_, true) => Some("server"),
            (_, false) => Some("request"),
        }
    }
}

/// The name in tables.
impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.metric.label())
    }
}

/// What a user wants: the best value of one figure, or a balance of several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Goal {
    /// Its name in the report.
    pub name: String,
    /// The figures; each is better in the direction of its metric.
    pub figures: Vec<Figure>,
}

impl Goal {
    /// The best value of one figure.
    pub fn best(name: &str, figure: Figure) -> Self {
        Self { name: name.to_owned(), figures: vec![figure] }
    }

    /// A balance of several figures.
    pub fn balance(name: &str, figures: Vec<Figure>) -> Self {
        Self { name: name.to_owned(), figures }
    }

    /// The figure, for a goal of one.
    pub fn single(&self) -> Option<Figure> {
        match self.figures.as_slice() {
            [figure] => Some(*figure),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rate_names_its_scope() {
        let figure = |key: &str| Figure::of(key.parse().unwrap());
        let server = figure("output_throughput_tok_per_s");
        assert_eq!(server.unit(), "tok/s, server");
        assert_eq!(server.name(), "output throughput, server");
        let per_gpu = Figure::per_gpu(server.metric);
        assert_eq!(per_gpu.unit(), "tok/s per GPU, server");
        assert_eq!(per_gpu.name(), "output throughput per GPU, server");
        let request = figure("request_output_rate_p50_tok_per_s");
        assert_eq!(request.unit(), "tok/s, request");
        assert_eq!(request.name(), "output rate per request P50");
        assert_eq!(
            (figure("ttft_p50_ms").unit().as_str(), &*figure("ttft_p50_ms").name()),
            ("ms", "TTFT P50")
        );
    }
}
