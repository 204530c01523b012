//! The files of other tools.

pub mod csv_line;
pub mod server_info;
pub mod vllm_bench;
pub mod vllm_throughput;

#[cfg(test)]
mod tests;
