//! The server under test as a test declares it: [`Vllm`].

use std::fmt::Display;

use perf_model::spec::parallelism::{DATA, EXPERT, PIPELINE, Parallelism, TENSOR};
use perf_model::spec::server::{Argument, Server};

/// A vLLM server: its model, its GPUs, its engine arguments.
///
/// Which image or command runs it is not declared here as a rule: that is what is under test, and
/// comes from `perf.toml` or the command line.
#[derive(Clone, Debug, Default)]
pub struct Vllm {
    pub(crate) server: Server,
    /// Whether the number of GPUs was declared. Otherwise it follows from the parallel sizes.
    declares_gpus: bool,
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

    /// How many GPUs it needs; by default as many as its parallel sizes take, and none without those.
    /// A number that does not agree with them is refused before the server starts.
    #[must_use]
    pub fn gpus(mut self, gpus: u8) -> Self {
        self.server.gpus = gpus;
        self.declares_gpus = true;
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

    /// So many GPUs share each layer: `--tensor-parallel-size`.
    #[must_use]
    pub fn tensor_parallel(self, gpus: u8) -> Self {
        self.parallel(TENSOR, gpus)
    }

    /// So many GPUs, or groups of them, share the layers: `--pipeline-parallel-size`.
    #[must_use]
    pub fn pipeline_parallel(self, stages: u8) -> Self {
        self.parallel(PIPELINE, stages)
    }

    /// So many replicas of the model behind one API: `--data-parallel-size`. How evenly they are loaded is
    /// measured: [`busiest_rank`](crate::prelude::busiest_rank).
    #[must_use]
    pub fn data_parallel(self, replicas: u8) -> Self {
        self.parallel(DATA, replicas)
    }

    /// The experts of a layer are spread over the GPUs that share it, which takes no more of them:
    /// `--enable-expert-parallel`.
    #[must_use]
    pub fn expert_parallel(self) -> Self {
        self.switch(EXPERT)
    }

    fn parallel(self, flag: &str, size: u8) -> Self {
        let mut of = self.arg(flag, size);
        if let Some(sizes) = Parallelism::of(&of.server.arguments).filter(|_| !of.declares_gpus) {
            // More than 255 are refused before the server starts, as their number does not agree.
            of.server.gpus = u8::try_from(sizes.gpus()).unwrap_or(u8::MAX);
        }
        of
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gpus_follow_from_the_parallel_sizes_unless_they_are_declared() {
        let spread = || Vllm::under_test().tensor_parallel(2).data_parallel(2);
        assert_eq!(spread().server.gpus, 4);
        let words = spread().expert_parallel().pipeline_parallel(2).server;
        assert_eq!(
            words.argument_words().join(" "),
            "--tensor-parallel-size 2 --data-parallel-size 2 --enable-expert-parallel --pipeline-parallel-size 2"
        );
        assert_eq!(words.gpus, 8);
        assert_eq!(Parallelism::check(&words), Ok(()));
        for declared in [Vllm::under_test().gpus(2).tensor_parallel(4), spread().gpus(2)] {
            assert_eq!(declared.server.gpus, 2);
            assert!(Parallelism::check(&declared.server).unwrap_err().contains("takes 4 GPUs"));
        }
    }
}
