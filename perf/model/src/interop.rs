//! The files of other tools.

pub mod vllm_bench;

#[cfg(test)]
mod tests;
