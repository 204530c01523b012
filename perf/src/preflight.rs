//! What stands in the way of a run before anything is started, so that no time on GPUs is spent to
//! find out: [`look`].

use std::path::Path;

use perf_engine::Engine;
use perf_model::judge::anchor::AnchorLookup;
use perf_model::judge::baseline::Baseline;
use perf_model::judge::compare::BaselineLookup;
use perf_model::spec::guard::Guard;
use perf_model::spec::plan::BaselineStatus;
use perf_model::spec::server::Server;
use perf_model::spec::settings::Purpose;
use perf_store::{anchors, baselines};

use crate::load::Load;
use crate::session::Session;

/// Looks at the baselines of these loads, one by one.
pub(crate) fn look(
    suite: &str,
    loads: &[Load],
    engine: &Engine,
    server: &Server,
    session: &Session,
) -> Vec<BaselineStatus> {
    let folder =
        engine.baseline_folder(server).filter(|_| session.settings.purpose != Purpose::Compare);
    let standing = |load: &Load| {
        let Some(folder) = &folder else { return BaselineStatus::default() };
        let file = baselines::file(&session.root, folder, suite, &load.declared.name);
        of(&file, &load.guards, session)
    };
    loads.iter().map(standing).collect()
}

fn of(file: &Path, guards: &[Guard], session: &Session) -> BaselineStatus {
    let baseline_file = session.shown(file);
    let unusable = |why: &str| format!("the baseline {baseline_file} cannot be used: {why}");
    let (mut fault, mut note) = (None, None);
    let found = baselines::find(file);
    let is_recorded = found.baseline().is_some();
    match (found, session.settings.purpose) {
        (BaselineLookup::Unusable(why), Purpose::Refresh) if session.settings.adds_session => {
            fault =
                Some(format!("{}; a session is added only to what can be read", unusable(&why)));
        }
        (BaselineLookup::Unusable(why), Purpose::Refresh) => {
            note = Some(format!(
                "{}; the refresh replaces it, and its sessions are lost",
                unusable(&why)
            ));
        }
        (BaselineLookup::Newer(why) | BaselineLookup::Unusable(why), _) => {
            fault = Some(unusable(&why));
        }
        (BaselineLookup::Baseline(_) | BaselineLookup::Nothing, Purpose::Refresh) => {}
        (found @ (BaselineLookup::Baseline(_) | BaselineLookup::Nothing), _) => {
            note = found.baseline().and_then(|baseline| out_of_date(baseline, guards, file));
            if let AnchorLookup::Unusable(why) = anchors::find(file) {
                fault = Some(format!("the anchor beside {baseline_file} cannot be used: {why}"));
            }
        }
    }
    BaselineStatus { file: baseline_file, is_recorded, fault, note }
}

/// What in the files of a baseline that can be used is not as it should be committed.
fn out_of_date(baseline: &Baseline, guards: &[Guard], file: &Path) -> Option<String> {
    let why = if baselines::has_pending_starts(file) {
        "the engine starts of an accepted baseline are still pending"
    } else if baseline.slacks != baseline.slacks_of(guards) {
        "baselines are in the form of an older version, or show other slacks than their scenarios declare"
    } else {
        return None;
    };
    Some(format!("{why}; run `cargo xtask perf rewrite`, and commit what it writes"))
}
