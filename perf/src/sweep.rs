//! One server and load at many settings, to find the best: [`Sweep`].
//!
//! ```no_run
//! use perf::prelude::*;
//!
//! fn sizes() -> perf::Result {
//!     Sweep::new("batch-sizes")
//!         .server(Vllm::under_test().model("Qwen3-8B").gpus(1))
//!         .load(Load::new("chat").prompts(random_tokens(512)).output_tokens(exactly(128)).requests(200))
//!         .argument("--max-num-seqs", [8, 64, 256])
//!         .concurrency([1, 8, 32, 128])
//!         .only(|cell| cell.number("concurrency") <= cell.number("--max-num-seqs"))
//!         .goal("throughput", output_throughput())
//!         .goal("first token", ttft().p50())
//!         .balance("balance")
//!         .run()?
//!         .done()
//! }
//! ```

mod book;
mod cells;
mod declare;
mod measure;
mod one_off;
mod one_start;
mod outcome;

use std::fmt::Display;

use perf_model::judge::results::Published;
use perf_model::spec::metric::Metric;
use perf_model::sweep::axis::{Axis, Setting};
use perf_model::sweep::goal::{Figure, Goal};
use perf_model::sweep::report::PublishedChange;

use crate::load::Load;
use crate::vllm::Vllm;

pub use cells::SweepCell;
pub use outcome::SweepOutcome;

/// Whether a cell belongs to a sweep.
type Constraint = Box<dyn Fn(&SweepCell<'_>) -> bool>;

/// One server and load at many settings: a cell for each combination of the values of its axes.
///
/// Cells of one server configuration share its engine starts; the loads come one after the other in
/// each. Servers are started one after the other, also where GPUs would be free for several, unless
/// [`Sweep::side_by_side`] allows more at once.
pub struct Sweep {
    name: String,
    server: Vllm,
    load: Load,
    axes: Vec<Axis>,
    constraints: Vec<Constraint>,
    goals: Vec<Goal>,
    starts: u32,
    side_by_side: u32,
    budget_gpu_s: Option<f64>,
    published: Vec<(Vec<String>, Published)>,
    published_changes: Vec<PublishedChange>,
}

impl Sweep {
    /// A sweep with a name, which becomes its folder in a run: letters, digits, `_`, `-` and `.`.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            server: Vllm::under_test(),
            load: Load::new("load"),
            axes: Vec::new(),
            constraints: Vec::new(),
            goals: Vec::new(),
            starts: 1,
            side_by_side: 1,
            budget_gpu_s: None,
            published: Vec::new(),
            published_changes: Vec::new(),
        }
    }

    /// The server, as far as no axis varies it. An axis of TP, DP or PP decides how many GPUs it
    /// needs: the product of the three.
    #[must_use]
    pub fn server(mut self, server: Vllm) -> Self {
        self.server = server;
        self
    }

    /// The load, as far as no axis varies it. Guards of a load do nothing in a sweep.
    #[must_use]
    pub fn load(mut self, load: Load) -> Self {
        self.load = load;
        self
    }

    /// An axis of an engine argument.
    #[must_use]
    pub fn argument<V: Display>(self, flag: &str, values: impl IntoIterator<Item = V>) -> Self {
        self.axis(Setting::Argument(flag.to_owned()), values)
    }

    /// An axis of GPUs that share each layer.
    #[must_use]
    pub fn tensor_parallel(self, sizes: impl IntoIterator<Item = u8>) -> Self {
        self.axis(Setting::TensorParallel, sizes)
    }

    /// An axis of replicas of the model.
    #[must_use]
    pub fn data_parallel(self, sizes: impl IntoIterator<Item = u8>) -> Self {
        self.axis(Setting::DataParallel, sizes)
    }

    /// An axis of GPUs that share the layers.
    #[must_use]
    pub fn pipeline_parallel(self, sizes: impl IntoIterator<Item = u8>) -> Self {
        self.axis(Setting::PipelineParallel, sizes)
    }

    /// An axis of experts spread over the GPUs, off and on.
    #[must_use]
    pub fn expert_parallel(self) -> Self {
        self.axis(Setting::ExpertParallel, ["off", "on"])
    }

    /// An axis of requests in flight. Waves stay waves; any other arrivals become a closed loop.
    #[must_use]
    pub fn concurrency(self, requests: impl IntoIterator<Item = u32>) -> Self {
        self.axis(Setting::Concurrency, requests)
    }

    /// An axis of requests per second. Gamma and evenly spaced arrivals stay what they are; any
    /// others become Poisson.
    #[must_use]
    pub fn rate(self, per_second: impl IntoIterator<Item = f64>) -> Self {
        self.axis(Setting::Rate, per_second)
    }

    /// An axis of prompt lengths, in random tokens.
    #[must_use]
    pub fn input_tokens(self, tokens: impl IntoIterator<Item = u32>) -> Self {
        self.axis(Setting::InputTokens, tokens)
    }

    /// An axis of answer lengths, exact.
    #[must_use]
    pub fn output_tokens(self, tokens: impl IntoIterator<Item = u32>) -> Self {
        self.axis(Setting::OutputTokens, tokens)
    }

    fn axis<V: Display>(mut self, setting: Setting, values: impl IntoIterator<Item = V>) -> Self {
        let values = values.into_iter().map(|value| value.to_string()).collect();
        self.axes.push(Axis { setting, values });
        self
    }

    /// Leaves out every cell for which this is not so.
    #[must_use]
    pub fn only(mut self, constraint: impl Fn(&SweepCell<'_>) -> bool + 'static) -> Self {
        self.constraints.push(Box::new(constraint));
        self
    }

    /// A goal: the highest rate or the lowest latency.
    #[must_use]
    pub fn goal(mut self, name: &str, metric: impl Into<Metric>) -> Self {
        self.goals.push(Goal::best(name, Figure::of(metric.into())));
        self
    }

    /// A goal: the highest rate per GPU of the server.
    #[must_use]
    pub fn goal_per_gpu(mut self, name: &str, metric: impl Into<Metric>) -> Self {
        self.goals.push(Goal::best(name, Figure::per_gpu(metric.into())));
        self
    }

    /// A goal: a balance of the figures of all goals before it, each of the same weight.
    #[must_use]
    pub fn balance(mut self, name: &str) -> Self {
        let figures = self.goals.iter().filter_map(Goal::single).collect();
        self.goals.push(Goal::balance(name, figures));
        self
    }

    /// A goal: a balance of these metrics, each of the same weight.
    #[must_use]
    pub fn balance_of(mut self, name: &str, metrics: impl IntoIterator<Item = Metric>) -> Self {
        let figures = metrics.into_iter().map(Figure::of).collect();
        self.goals.push(Goal::balance(name, figures));
        self
    }

    /// Engine starts for each server; one by default, which shows no noise.
    #[must_use]
    pub fn starts(mut self, starts: u32) -> Self {
        self.starts = starts;
        self
    }

    /// Lets so many servers be up at once, as far as the machine has free GPUs for them; one by
    /// default. They share processors, memory and disk of the machine, and may slow each other down:
    /// the record of each run names the others, and so does the report. `--side-by-side` goes over it.
    ///
    /// A server on the CPU needs all of it, and a remote server is one however often it is measured,
    /// so that neither has others beside it.
    #[must_use]
    pub fn side_by_side(mut self, most: u32) -> Self {
        self.side_by_side = most;
        self
    }

    /// The most GPU time of one run, in hours: what does not fit is not run, and the report says so.
    /// `--budget` goes over it.
    #[must_use]
    pub fn budget_gpu_hours(mut self, hours: f64) -> Self {
        self.budget_gpu_s = Some(hours * 3_600.0);
        self
    }

    /// A figure that somebody else published of the cell with these values, in the order of the
    /// axes. It stands beside the measured one, and decides nothing.
    #[must_use]
    pub fn published<V: Display>(
        mut self,
        values: impl IntoIterator<Item = V>,
        published: Published,
    ) -> Self {
        let values = values.into_iter().map(|value| value.to_string()).collect();
        self.published.push((values, published));
        self
    }

    /// A change along an axis that somebody else published, from its first value to its last, in
    /// percent; `others` has the values on the other axes, in their order. The axis is named like
    /// [`SweepCell::value`] does.
    #[must_use]
    pub fn published_change<V: Display>(
        mut self,
        axis: &str,
        others: impl IntoIterator<Item = V>,
        metric: impl Into<Metric>,
        percent: f64,
    ) -> Self {
        self.published_changes.push(PublishedChange {
            setting: cells::setting(axis),
            others: others.into_iter().map(|value| value.to_string()).collect(),
            metric: metric.into(),
            change: percent / 100.0,
        });
        self
    }
}
