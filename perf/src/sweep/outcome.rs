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
        if report.counts().0 > 0 {
            return Ok(());
        }
        let what = format!("no cell of the sweep `{}` was measured", report.name);
        // The command prints the page itself.
        Err(Error::Usage(if self.is_of_command {
            format!("{what}; its table has the reason of each")
        } else {
            format!("{what}\n\n{}", terminal::sweep_page(&report))
        }))
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

#[cfg(test)]
mod tests {
    use perf_model::sweep::cell::{Cell, CellOutcome};

    use super::*;

    #[test]
    fn the_page_of_a_sweep_without_a_figure_is_in_the_error_unless_the_command_prints_it() {
        let reason = "needs 8 GPUs, this machine has 0".to_owned();
        let report = SweepReport {
            name: "s".into(),
            engine: EngineKind::Docker,
            hardware: None,
            model: "m".into(),
            load: "l".into(),
            axes: vec!["concurrency=1".parse().unwrap()],
            goals: vec![],
            cells: vec![Cell {
                values: vec!["1".into()],
                gpus: 8,
                outcome: CellOutcome::NotRun { reason: reason.clone() },
                published: [].into(),
            }],
            starts_per_server: 1,
            starts: 0,
            gpu_s: 0.0,
            published_changes: vec![],
        };
        let error = |is_of_command| {
            let report = Some(report.clone());
            SweepOutcome { report, is_of_command }.done().unwrap_err().to_string()
        };
        assert!(error(false).contains(&reason) && !error(true).contains(&reason));
        assert!(error(true).contains("no cell of the sweep `s` was measured"));
    }
}
