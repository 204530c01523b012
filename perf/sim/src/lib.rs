//! A simulated vLLM: [`SimServer`], a model of vLLM's scheduler with the HTTP API of vLLM 0.32.
//!
//! The server is a [tower service](SimServer::router), so that a load generator can call it in
//! process and in virtual time; the `perf-sim` binary serves the same router on a port in real
//! time. A [`Profile`] sets its speed, memory and noise; an [`Injection`] sets the faults that it
//! simulates.
//!
//! ```
//! use perf_sim::{Injection, Options, SimServer, profile};
//!
//! let log = perf_clock::run_virtual(|clock| async move {
//!     let options = Options {
//!         profile: profile("tiny-cpu").expect("a built-in profile"),
//!         args: vec!["--max-model-len=2048".into()],
//!         model: "tiny".into(),
//!         seed: 7,
//!         injection: Injection::default(),
//!     };
//!     let server = SimServer::start(options, clock).await.expect("2,048 tokens fit");
//!     server.log().join("\n")
//! });
//! assert!(log.contains("Application startup complete."));
//! ```

mod api;
mod args;
mod draw;
mod engine;
mod flags;
mod injection;
mod kv;
mod lengths;
mod memory;
mod metrics;
mod nearest;
mod options;
mod parallel;
mod process;
mod profile;
mod replicas;
mod request;
mod scheduler;
mod server;
mod speculation;
mod spread;
mod startup;
mod step_time;
mod tokenizer;

pub use args::{ArgsError, ServeArgs};
pub use injection::{Injection, InjectionError};
pub use options::{Environment, Options};
pub use process::ServerProcess;
pub use profile::{
    Defaults, Http, Machine, Model, NaturalLength, Noise, Profile, ProfileError, Startup, Step,
    profile, profile_names,
};
pub use server::SimServer;
pub use speculation::Speculation;
pub use startup::{StartFailure, bind_failure, missing_model_failure};
