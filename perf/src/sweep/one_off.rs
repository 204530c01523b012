//! A sweep that no test declares, from the command line: [`Sweep::from_command_line`].

use std::time::Duration;

use perf_model::spec::settings::OneOffSweep;
use perf_model::sweep::axis::{Axis, Setting};

use crate::error::{Error, Result};
use crate::guards::{output_throughput, tpot, ttft};
use crate::load::{Load, concurrent, exactly, random_tokens};
use crate::session::Session;
use crate::sweep::Sweep;
use crate::vllm::Vllm;

/// The name of a sweep that no test declares.
const NAME: &str = "one-off";

impl Sweep {
    /// Measures the sweep that `cargo xtask perf sweep --model … --axis …` asks for, or this one if
    /// it asks for none. A repository needs one test that calls it:
    ///
    /// ```no_run
    /// use perf::prelude::*;
    ///
    /// fn from_the_command_line() -> perf::Result {
    ///     Sweep::new("sample")
    ///         .server(Vllm::under_test().model("tiny").simulated_as("tiny-cpu"))
    ///         .concurrency([1, 8])
    ///         .goal("throughput", output_throughput())
    ///         .from_command_line()?
    ///         .done()
    /// }
    /// ```
    ///
    /// # Errors
    /// As [`Sweep::run`], and if the command line asks for a sweep that cannot be.
    #[allow(clippy::wrong_self_convention, reason = "it reads as what the test does")]
    pub fn from_command_line(self) -> Result<super::SweepOutcome> {
        let session = Session::open()?;
        let asked = session.settings.sweep.as_ref().and_then(|sweep| sweep.one_off.as_ref());
        let sweep = asked.map(declared).transpose()?.unwrap_or(self);
        sweep.run_in(&session)
    }
}

fn declared(asked: &OneOffSweep) -> Result<Sweep> {
    let axes: std::result::Result<Vec<Axis>, _> =
        asked.axes.iter().map(|axis| axis.parse::<Axis>()).collect();
    let axes = axes.map_err(|error| Error::Usage(error.to_string()))?;
    let mut server = Vllm::under_test().model(&asked.model).gpus(asked.gpus);
    if let Some(profile) = &asked.simulated_as {
        server = server.simulated_as(profile);
    }
    let mut load = Load::new("load")
        .prompts(random_tokens(asked.input))
        .output_tokens(exactly(asked.output))
        .arrivals(concurrent(asked.concurrency))
        .requests(asked.requests);
    if let Some(limit) = asked.lateness_limit_ms {
        load = load.lateness_limit(Duration::from_millis(limit.into()));
    }
    let is_spread = axes.iter().any(|axis: &Axis| axis.setting.is_parallelism());
    let has_rate = axes.iter().any(|axis| axis.setting == Setting::Rate);
    let mut sweep = Sweep::new(NAME).server(server).load(load).starts(asked.starts);
    sweep.axes = axes;
    // An open loop below saturation has the throughput of its arrivals: the more the better.
    sweep = sweep.goal("throughput", output_throughput());
    if is_spread && !has_rate {
        sweep = sweep.goal_per_gpu("throughput per GPU", output_throughput());
    }
    Ok(sweep.goal("first token", ttft().p50()).goal("smoothness", tpot().p50()).balance("balance"))
}
