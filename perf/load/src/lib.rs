//! The load generator: it turns a declared [`Load`](perf_model::spec::load::Load) into requests,
//! and responses into [`Sample`](perf_model::record::sample::Sample)s.
//!
//! It knows an [`Endpoint`] (a URL, or a service in this process) and a
//! [`Clock`](perf_clock::Clock), and nothing of containers or GPUs. The modules are in this order,
//! and none imports from one after it:
//!
//! 1. `workload` draws what is sent and when from the run's seed, before the first send;
//! 2. `http` is HTTP/1.1 to one server: the codec, the connection pool and the endpoint;
//! 3. `openai` writes the requests, and reads and checks the responses;
//! 4. `server` asks the server about itself: health, models, counters, prefix cache, tokenizer;
//! 5. `run` warms up, sends the requests, and makes a sample of each: [`measure`];
//! 6. `calibrate` finds out what the client can do on this machine: [`calibration`].

#[doc(hidden)]
pub mod benching;
mod calibrate;
#[cfg(fuzzing)]
pub mod fuzzing;
mod http;
mod openai;
mod run;
mod server;
#[cfg(test)]
mod testing;
mod workload;

pub use crate::http::endpoint::{BodyError, Endpoint};
pub use crate::http::error::EndpointError;
pub use calibrate::calibration;
pub use run::measure::{Measured, measure};
pub use server::probe::{Unanswered, configuration, health, is_healthy, models, version};
pub use workload::content_hash::identify;
pub use workload::error::LoadError;
pub use workload::schedule::schedule;
pub use workload::validate::check;
