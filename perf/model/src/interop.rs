//! The files of other tools.

pub mod server_info;
pub mod vllm_bench;

#[cfg(test)]
mod tests;
