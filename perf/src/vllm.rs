//! The server under test as a test declares it: [`Vllm`].

use std::fmt::Display;

use perf_model::spec::server::{Argument, Server};

/// A vLLM server: its model, its GPUs, its engine arguments.
///
/// Which image or command runs it is not declared here as a rule: that is what is under test, and
/// comes from `perf.toml` or the command line.
#[derive(Clone, Debug, Default)]
pub struct Vllm {
    pub(crate) server: Server,
}

impl Vllm {
    /// The vLLM under test.
    pub fn under_test() -> Self {
        Self::default()
    }

    /// The model's name: what requests ask for, and what `perf.toml` finds the files by.
    #[must_use]
    pub fn model(mut self, name: &str) -> Self {
        name.clone_into(&mut self.server.model);
        self
    }

    /// How many GPUs it needs; none by default.
    #[must_use]
    pub fn gpus(mut self, gpus: u8) -> Self {
        self.server.gpus = gpus;
        self
    }

    /// Only GPUs with this in their name: `H200`.
    #[must_use]
    pub fn gpu_model(mut self, part: &str) -> Self {
        self.server.gpu_model = Some(part.to_owned());
        self
    }

    /// Only GPUs with at least so much memory each, in GiB.
    #[must_use]
    pub fn gpu_memory_gib(mut self, gib: u32) -> Self {
        self.server.gpu_memory_mib = Some(u64::from(gib) * 1_024);
        self
    }

    /// Spread over so many GPUs: [`gpus`](Self::gpus) and `--tensor-parallel-size` in one.
    #[must_use]
    pub fn tensor_parallel(self, gpus: u8) -> Self {
        self.gpus(gpus).arg("--tensor-parallel-size", gpus)
    }

    /// An engine argument with its value: `.arg("--max-model-len", 8192)`.
    #[must_use]
    pub fn arg(mut self, flag: &str, value: impl Display) -> Self {
        self.server
            .set_argument(Argument { flag: flag.to_owned(), value: Some(value.to_string()) });
        self
    }

    /// An engine argument without a value: `.switch("--enforce-eager")`.
    #[must_use]
    pub fn switch(mut self, flag: &str) -> Self {
        self.server.set_argument(Argument { flag: flag.to_owned(), value: None });
        self
    }

    /// An environment variable of the engine. It is recorded: no secrets here.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Display) -> Self {
        self.server.environment.insert(name.to_owned(), value.to_string());
        self
    }

    /// An environment variable that is handed through from this process and shown nowhere.
    #[must_use]
    pub fn secret_env(mut self, name: &str) -> Self {
        self.server.secrets.push(name.to_owned());
        self
    }

    /// Pins the image, for a scenario that is about one: without it, the image is what is under
    /// test.
    #[must_use]
    pub fn image(mut self, image: &str) -> Self {
        self.server.image = Some(image.to_owned());
        self
    }

    /// Counts the start of a simulated server, as its profile has it, among what was measured: the
    /// time, its phases and the KV cache. Of a real server it always is.
    #[must_use]
    pub fn simulates_start_up(mut self) -> Self {
        self.server.simulates_start_up = true;
        self
    }

    /// Counts the KV cache of a simulated server, as its profile has it, among what was measured, and
    /// nothing else of its start. Of a real server both always are.
    #[must_use]
    pub fn simulates_kv_cache(mut self) -> Self {
        self.server.simulates_kv_cache = true;
        self
    }

    /// The hardware profile that stands in for it on the simulated engine; `generic` by default.
    #[must_use]
    pub fn simulated_as(mut self, profile: &str) -> Self {
        self.server.simulated_profile = Some(profile.to_owned());
        self
    }
}
