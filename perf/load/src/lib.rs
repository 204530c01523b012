//! The load generator: what turns a declared [`Load`](perf_model::spec::load::Load) into requests,
//! and responses into [`Sample`](perf_model::record::sample::Sample)s.
//!
//! It knows an [`Endpoint`] (a URL, or a service in this process) and a
//! [`Clock`](perf_clock::Clock), and nothing of containers or GPUs. The path of a run through the
//! modules: `workload` draws what is asked and `arrivals` when, both from the run's seed and before
//! the first send; `request` makes the bodies; [`measure`] warms up and sends; `client` makes one
//! request, over one of the `lines` to the server (`wire` is the HTTP on it), and reads its answer
//! with `sse`, `answer` counts the tokens in it and `judge` holds it against what was asked;
//! `metrics` asks the server for its own count. [`calibration`] tells what the client can do on
//! this machine, and `watch` what it used in a run.

mod answer;
mod arrivals;
#[doc(hidden)]
pub mod benching;
mod bounds;
mod cache;
mod calibrate;
mod check;
mod client;
mod complaint;
mod conversation;
mod endpoint;
mod error;
mod extra;
mod flight;
#[cfg(fuzzing)]
pub mod fuzzing;
mod identify;
mod judge;
mod lengths;
mod lines;
mod message;
mod metrics;
mod request;
mod run;
mod said;
mod seed;
mod served;
mod sse;
#[cfg(test)]
mod testing;
mod tokens;
mod watch;
mod wire;
mod workload;

pub use arrivals::schedule;
pub use calibrate::calibration;
pub use check::check;
pub use endpoint::{BodyError, Endpoint, EndpointError};
pub use error::LoadError;
pub use identify::identify;
pub use run::{Measured, measure};
pub use served::{Unanswered, is_healthy, models, version};
