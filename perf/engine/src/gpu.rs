//! GPUs: those of this machine, and what uses them.

mod list;

pub use list::{Gpu, GpuProcess};
pub(crate) use list::{describe_all, driver, list};
