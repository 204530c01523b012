//! A load, its baseline, and what was measured of it so far: [`LoadState`].

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use perf_model::judge::anchor::AnchorLookup;
use perf_model::judge::baseline::Baseline;
use perf_model::judge::compare::{BaselineLookup, Places, Reference, compare};
use perf_model::judge::duet::{Suspicion, leave_unconfirmed, settle, suspects};
use perf_model::judge::gate::Gate;
use perf_model::judge::report::LoadReport;
use perf_model::judge::results::{LoadResults, RepetitionResult};
use perf_model::judge::unfinished_duet::{Ending, leave_undecided};
use perf_model::judge::verdict::Verdict;
use perf_model::record::day::Day;
use perf_model::record::finding::{Finding, FindingCode};
use perf_model::spec::engine_kind::EngineKind;
use perf_model::spec::guard::Guard;
use perf_model::spec::metric::{Metric, Quantity};
use perf_model::spec::price::gpus_named;
use perf_model::spec::settings::Purpose;
use perf_store::{anchors, baselines as on_disk};

use crate::baselines;
use crate::error::Result;
use crate::load::Load;
use crate::refresh;
use crate::session::Session;

/// After so many starts in a row without an answer, a search is given up.
const MOST_UNRESOLVED: usize = 3;

/// A load, its baseline, and what was measured of it so far.
pub(crate) struct LoadState<'a> {
    pub(crate) suite: &'a str,
    pub(crate) session: &'a Session,
    pub(crate) load: &'a Load,
    starts: Vec<RepetitionResult>,
    baseline: Option<Place>,
    report: Option<LoadReport>,
}

/// The baseline, once it is known on what machine it must have been measured.
struct Place {
    folder: String,
    file: PathBuf,
    found: BaselineLookup,
    anchor: AnchorLookup,
}

impl<'a> LoadState<'a> {
    pub(crate) fn new(suite: &'a str, session: &'a Session, load: &'a Load) -> Self {
        Self { suite, session, load, starts: Vec::new(), baseline: None, report: None }
    }

    /// Whether another engine start is worth measuring.
    pub(crate) fn is_open(&self) -> bool {
        let Some(report) = &self.report else { return true };
        let wanted = report.starts < self.session.starts() as usize;
        // An unresolved search says nothing of the next start.
        let may_resolve = report.starts < MOST_UNRESOLVED
            && self.starts.iter().all(RepetitionResult::is_unresolved);
        match report.verdict {
            // What becomes a baseline rests on a whole session.
            _ if self.session.settings.purpose == Purpose::Refresh => {
                wanted && (report.faults.is_empty() || may_resolve)
            }
            Verdict::Invalid => may_resolve,
            Verdict::Unrecorded | Verdict::Incomparable => wanted,
            _ => report.is_open(),
        }
    }

    /// Takes in the runs that another start gave.
    pub(crate) fn push(&mut self, runs: Vec<RepetitionResult>) {
        let Some(folder) = runs.first().map(|run| run.fingerprint.folder()) else { return };
        self.starts.extend(runs);
        let (session, guards) = (self.session, &self.load.guards);
        self.baseline.get_or_insert_with(|| {
            let file = on_disk::file(&session.root, &folder, self.suite, &self.load.declared.name);
            let anchor = anchors::find(&file);
            let found = match on_disk::find(&file) {
                found
                    if session.settings.purpose != Purpose::Refresh
                        || session.settings.adds_session =>
                {
                    found
                }
                // A baseline that cannot be used, or lacks what is guarded by now, is what a
                // refresh is for.
                BaselineLookup::Unusable(_) => BaselineLookup::Nothing,
                BaselineLookup::Baseline(before)
                    if guards.iter().any(|guard| before.sessions(guard.metric).is_empty()) =>
                {
                    BaselineLookup::Nothing
                }
                found => found,
            };
            Place { folder, file, found, anchor }
        });
    }

    /// Holds what was measured so far against the baseline.
    pub(crate) fn judge(&mut self, gate: &Gate) {
        let Some(place) = &self.baseline else { return };
        let places = Places {
            baseline_file: self.session.shown(&place.file),
            records: self.session.shown(&self.session.run_folder.join(self.suite)),
        };
        let evidence = evidence(self.suite, self.load, &self.starts);
        let mut report =
            compare(&evidence, &place.found, &place.anchor, Reference::Baseline(gate), places);
        report.notes.extend(self.cost(&report));
        if let Some(before) = &self.report {
            report.keep_settled(before);
        }
        self.report = Some(report);
    }

    /// What the tokens cost, where `perf.toml` has a price of the hardware.
    fn cost(&self, report: &LoadReport) -> Option<Finding> {
        let (price, gpus) = self
            .session
            .config
            .price
            .iter()
            .find_map(|(name, price)| Some((price, gpus_named(&report.hardware, name)?)))?;
        let metric = Metric::whole_server(Quantity::OutputThroughput)?;
        let row = report.rows.iter().find(|row| row.metric == metric)?;
        let cost = price.describe(gpus, row.measured?)?;
        Some(Finding::new(FindingCode::Cost, cost))
    }

    /// What was found where the baseline should be, if that is one.
    pub(crate) fn baseline(&self) -> Option<&Baseline> {
        self.baseline.as_ref()?.found.baseline()
    }

    /// The guards, and what their baseline holds of each.
    pub(crate) fn guarded(&self) -> impl Iterator<Item = (&Guard, &[Vec<Vec<f64>>])> {
        let baseline = self.baseline();
        self.load
            .guards
            .iter()
            .filter_map(move |guard| Some((guard, baseline?.sessions(guard.metric))))
    }

    /// The guards that a duet may confirm or overturn.
    pub(crate) fn suspects(&self) -> Vec<Guard> {
        self.report.as_ref().map(|report| suspects(report, &self.load.guards)).unwrap_or_default()
    }

    /// Takes in what a duet of at most so many pairs says of the guards that are open in it.
    pub(crate) fn settle(
        &mut self,
        open: &mut Vec<Guard>,
        gate: &Gate,
        (most_pairs, suspects): (u32, usize),
        base: &[RepetitionResult],
        candidate: &[RepetitionResult],
    ) {
        let baseline = self.baseline.as_ref().and_then(|place| place.found.baseline());
        if let (Some(report), Some(baseline)) = (&mut self.report, baseline) {
            let raised_by = Suspicion { baseline, starts: &self.starts, most_pairs, suspects };
            settle(report, open, gate, &raised_by, base, candidate);
        }
    }

    /// Takes back an improvement that no duet confirmed, where the baseline does not support it.
    pub(crate) fn leave_unconfirmed(&mut self, why: &str) {
        let baseline = self.baseline.as_ref().and_then(|place| place.found.baseline());
        if let (Some(report), Some(baseline)) = (&mut self.report, baseline) {
            leave_unconfirmed(report, baseline, why);
        }
    }

    /// Says of the guards that are open in a duet of at most so many pairs that the budget ended it.
    pub(crate) fn cut_short(
        &mut self,
        open: &[Guard],
        gate: &Gate,
        (most_pairs, suspects): (u32, usize),
        ended: &Ending,
        sides: [&[RepetitionResult]; 2],
    ) {
        let baseline = self.baseline.as_ref().and_then(|place| place.found.baseline());
        if let (Some(report), Some(baseline)) = (&mut self.report, baseline) {
            let raised_by = Suspicion { baseline, starts: &self.starts, most_pairs, suspects };
            leave_undecided(report, open, gate, &raised_by, ended, sides);
        }
    }

    /// The starts so far.
    pub(crate) fn starts(&self) -> &[RepetitionResult] {
        &self.starts
    }

    /// What may be said so far; `None` before the first start.
    pub(crate) fn report_mut(&mut self) -> Option<&mut LoadReport> {
        self.report.as_mut()
    }

    /// Gives the report, and leaves what was measured where it can be reviewed or accepted.
    ///
    /// Starts that were judged never become a baseline: those that happened to be good or bad
    /// enough for a verdict would shift it. A baseline is of starts that were not judged before.
    pub(crate) fn finish(self) -> Result<Option<LoadReport>> {
        let (Some(report), Some(place)) = (self.report, self.baseline) else { return Ok(None) };
        let Some(mut measured) = evidence(self.suite, self.load, &self.starts).as_baseline() else {
            return Ok(Some(report));
        };
        measured.measured_on = today(measured.fingerprint.engine);
        let candidate = on_disk::file(
            &self.session.run_folder,
            &place.folder,
            self.suite,
            &self.load.declared.name,
        );
        if self.session.settings.purpose == Purpose::Refresh {
            // What may not be judged, because of what it would replace, replaces nothing.
            if report.faults.is_empty() {
                refresh::write_over(&place.file, &candidate, &measured, self.session)?;
            }
        } else if matches!(report.verdict, Verdict::Unrecorded | Verdict::Incomparable) {
            on_disk::write_files(&candidate, &measured)?;
            baselines::leave_pending(&place.file, &measured);
        } else {
            baselines::settle_pending(&place.file, &measured, report.verdict);
        }
        Ok(Some(report))
    }
}

/// The day of a measurement; a simulated engine has none.
fn today(engine: EngineKind) -> Option<Day> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    (engine != EngineKind::Simulated).then(|| Day::of_unix_s(now.as_secs()))
}

fn evidence<'a>(suite: &'a str, load: &'a Load, starts: &'a [RepetitionResult]) -> LoadResults<'a> {
    LoadResults {
        suite,
        load: &load.declared,
        guards: &load.guards,
        published: &load.published,
        starts,
    }
}
