//! One server and load at many settings: the [axes](axis), the [cells](cell) at their values, the
//! [goals](goal), and what follows: the [best cells](ranking), the [Pareto front](pareto), the
//! [knee], the [sensitivity] to each axis, and a [recommendation] per goal.

pub mod analysis;
pub mod axis;
pub mod cell;
pub mod csv;
pub mod goal;
pub mod journal;
pub mod knee;
pub mod pareto;
pub mod ranking;
pub mod recommendation;
pub mod report;
pub mod sensitivity;
