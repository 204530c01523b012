//! The pure part of the suite: what is declared, what was measured, and what follows from it.
//!
//! Nothing here reads a clock, touches a file or a socket, or starts a thread. The six modules are
//! in the order of the data, and none imports from one after it: [`spec`] says what is asked for;
//! [`record`] holds what was seen; [`analysis`] computes the figures of a record; [`judge`]
//! compares them with a baseline; [`interop`] reads and writes the files of other tools; [`sweep`]
//! finds the best of many settings.

pub mod analysis;
#[doc(hidden)]
pub mod fixtures;
pub mod interop;
pub mod judge;
pub mod record;
pub mod spec;
pub mod sweep;
