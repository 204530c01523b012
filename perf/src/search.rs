//! A search in one engine start: probe after probe, each on a server that has finished the one
//! before, until there is an answer. The figure follows from the probes' records.

use perf_model::analysis::search::{ProbeAnalysis, SearchAnalysis, Searcher};
use perf_model::judge::results::RepetitionResult;

use crate::error::{Error, Result};
use crate::run::Run;

impl Run<'_> {
    /// Searches, and keeps the record of every probe.
    pub(crate) async fn search(&self, mut searcher: Searcher) -> Result<RepetitionResult> {
        let mut records = Vec::new();
        while let Some((load, probe)) = searcher.next_probe() {
            let at = probe.at;
            let record = self.record(&load, Some(probe)).await?;
            searcher.take(at, &record);
            records.push(record);
            let found = SearchAnalysis::of(&records);
            if let Some(last) = found.and_then(|found| found.probes.last().copied()) {
                self.session.tell(self.suite, &self.probe_line(&last));
            }
        }
        let found = SearchAnalysis::of(&records).ok_or_else(|| {
            Error::Usage(format!("the search of load `{}` has no probe", self.load.declared.name))
        })?;
        self.session.tell(self.suite, &format!("{}: {}", self.title(), found.sentence()));
        Ok(self.result(found.summary, found.faults, found.remarks))
    }

    fn probe_line(&self, probe: &ProbeAnalysis) -> String {
        format!("{}, probe {}: {probe}", self.title(), probe.number)
    }
}
