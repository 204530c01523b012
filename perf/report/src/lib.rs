//! Renders reports: one module per output format. All are pure functions of what a run left.

mod advice;
pub mod csv;
pub mod export;
mod figure;
pub mod history;
pub mod html;
pub mod json;
pub mod junit;
pub mod markdown;
mod overview;
pub mod terminal;
#[cfg(test)]
mod testing;

pub use advice::Invocation;
pub use overview::{Overview, Problem};
