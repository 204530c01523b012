//! Renders reports for people: one module per output format.

pub mod terminal;
