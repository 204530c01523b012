//! How a server is spread over GPUs by its engine arguments: [`Parallelism`].

use std::fmt;

use crate::spec::server::{Argument, Server};

/// GPUs that share each layer.
pub const TENSOR: &str = "--tensor-parallel-size";
/// GPUs that share the layers.
pub const PIPELINE: &str = "--pipeline-parallel-size";
/// Replicas of the model.
pub const DATA: &str = "--data-parallel-size";
/// Experts are spread over the GPUs; it takes none more.
pub const EXPERT: &str = "--enable-expert-parallel";

/// Replicas on this machine, where others are elsewhere.
const LOCAL: &str = "--data-parallel-size-local";
/// Machines that a server spans.
const NODES: &str = "--nnodes";

/// How a server is spread over GPUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parallelism {
    /// GPUs that share each layer.
    pub tensor: u32,
    /// GPUs that share the layers.
    pub pipeline: u32,
    /// Replicas of the model on this machine.
    pub data: u32,
}

impl Parallelism {
    /// What the arguments declare; `None` where they declare no size, where a size is no number, which
    /// vLLM refuses itself, and where the server spans several machines.
    pub fn of(arguments: &[Argument]) -> Option<Self> {
        let find = |flag: &str| arguments.iter().find(|it| it.flag.replace('_', "-") == flag);
        if find(NODES).is_some() {
            return None;
        }
        let size = |flag: &str| match find(flag) {
            Some(argument) => argument.value.as_deref()?.parse().ok(),
            None => Some(1),
        };
        let is_declared = [TENSOR, PIPELINE, DATA].into_iter().any(|flag| find(flag).is_some());
        let data = if find(LOCAL).is_some() { LOCAL } else { DATA };
        let (tensor, pipeline, data) = (size(TENSOR)?, size(PIPELINE)?, size(data)?);
        is_declared.then_some(Self { tensor, pipeline, data })
    }

    /// The GPUs that it takes.
    pub fn gpus(self) -> u32 {
        self.tensor.saturating_mul(self.pipeline).saturating_mul(self.data)
    }

    /// Refuses a server whose parallel sizes take another number of GPUs than are leased for it. One
    /// without GPUs is not looked at: it may be spread over processors.
    ///
    /// # Errors
    /// With both numbers, and what to change.
    pub fn check(server: &Server) -> Result<(), String> {
        let Some(sizes) = Self::of(&server.arguments).filter(|_| server.gpus > 0) else {
            return Ok(());
        };
        let (takes, leased) = (sizes.gpus(), u32::from(server.gpus));
        if takes == leased {
            return Ok(());
        }
        let gpus = |count| if count == 1 { "1 GPU".to_owned() } else { format!("{count} GPUs") };
        Err(format!(
            "{sizes} takes {}, but the server declares {}; declare `.gpus({takes})`, or change the sizes",
            gpus(takes),
            gpus(leased)
        ))
    }
}

/// The sizes that are not 1: `tensor parallel 2 × data parallel 4`.
impl fmt::Display for Parallelism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = [
            ("tensor parallel", self.tensor),
            ("pipeline parallel", self.pipeline),
            ("data parallel", self.data),
        ];
        let shown = all.iter().filter(|(_, size)| *size != 1);
        let parts: Vec<String> = shown.map(|(name, size)| format!("{name} {size}")).collect();
        if parts.is_empty() {
            f.write_str("tensor parallel 1")
        } else {
            f.write_str(&parts.join(" × "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::server::parse_arguments;

    fn check(gpus: u8, arguments: &[&str]) -> Result<(), String> {
        let arguments = parse_arguments(arguments).unwrap();
        Parallelism::check(&Server { gpus, arguments, ..Server::default() })
    }

    #[test]
    fn sizes_that_agree_with_the_gpus_are_taken() {
        assert_eq!(check(1, &[]), Ok(()));
        assert_eq!(check(8, &["--tensor-parallel-size=2", "--data_parallel_size=4"]), Ok(()));
        assert_eq!(check(4, &["--pipeline-parallel-size=2", "--tensor-parallel-size=2"]), Ok(()));
        // Nothing says how the GPUs are used.
        assert_eq!(check(4, &["--enable-expert-parallel"]), Ok(()));
        // On the CPU, across machines, and where vLLM has to say what is wrong.
        assert_eq!(check(0, &["--tensor-parallel-size=2"]), Ok(()));
        assert_eq!(check(8, &["--tensor-parallel-size=16", "--nnodes=2"]), Ok(()));
        assert_eq!(check(8, &["--data-parallel-size=16", "--data-parallel-size-local=8"]), Ok(()));
        assert_eq!(check(2, &["--tensor-parallel-size=two"]), Ok(()));
    }

    #[test]
    fn sizes_that_take_other_gpus_than_are_leased_are_refused_with_both_numbers() {
        assert_eq!(
            check(2, &["--tensor-parallel-size=2", "--data-parallel-size=2"]).unwrap_err(),
            "tensor parallel 2 × data parallel 2 takes 4 GPUs, but the server declares 2 GPUs; declare `.gpus(4)`, or change \
             the sizes"
        );
        let error = check(2, &["--tensor-parallel-size=1"]).unwrap_err();
        assert!(
            error.starts_with("tensor parallel 1 takes 1 GPU, but the server declares 2"),
            "{error}"
        );
    }
}
