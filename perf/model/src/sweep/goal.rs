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

    /// The unit. A rate names its scope: of one request, of the whole server, or per GPU.
    pub fn unit(self) -> String {
        let (unit, quantity) = (self.metric.unit(), self.metric.quantity());
        match (unit, self.per_gpu, quantity.is_whole_server()) {
            ("ms", ..) => unit.to_owned(),
            (_, true, _) => format!("{unit} per GPU"),
            (_, false, true) => format!("{unit}, server"),
            (_, false, false) => format!("{unit}, request"),
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
