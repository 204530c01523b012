//! When a GPU counts as free: [`IDLE_MIB`].

/// Memory in use, in MiB, up to which a GPU counts as free: what the driver and a desktop take.
pub const IDLE_MIB: u64 = 1024;
