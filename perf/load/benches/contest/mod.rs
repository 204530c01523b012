//! Who is measured beside our client, and how a process is.

pub(crate) mod bare;
pub(crate) mod peer;
pub(crate) mod process;
