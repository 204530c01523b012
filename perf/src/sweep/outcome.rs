//! What came of a sweep: [`SweepOutcome`].

use perf_model::spec::engine_kind::EngineKind;
use perf_model::sweep::report::SweepReport;
use perf_report::terminal;

use crate::error::{Error, Result};

/// What came of a sweep.
#[derive(Clone, Debug)]
#[must_use = "call `.done()`, or the test passes without a measured cell"]
pub struct SweepOutcome {
    /// None where the sweep was only planned, or is not what the command measures.
    pub(crate) report: Option<SweepReport>,
    /// Whether a command measured it, which may inject faults and draw other noise.
    pub(crate) is_of_command: bool,
}

impl SweepOutcome {
    /// Passes if at least one cell was measured. A cell that failed is a result, with its reason.
    ///
    /// # Errors
    /// If no cell was measured.
    pub fn done(self) -> Result {
        let Some(report) = self.report else { return Ok(()) };
        if report.counts().0 == 0 {
            return Err(Error::Usage(format!(
                "no cell of the sweep `{}` was measured\n\n{}",
                report.name,
                terminal::sweep_page(&report)
            )));
        }
        Ok(())
    }

    /// The report. None where the sweep was not measured: when a command lists or measures suites.
    pub fn report(&self) -> Option<&SweepReport> {
        self.report.as_ref()
    }

    /// The report of a plain `cargo test`, which is the same in every run: what a test may assert.
    pub fn simulated(&self) -> Option<&SweepReport> {
        self.report().filter(|report| report.engine == EngineKind::Simulated && !self.is_of_command)
    }

    /// The report as the command prints it.
    pub fn page(&self) -> Option<String> {
        self.report().map(terminal::sweep_page)
    }
}
