//! What stands in the way of a run before anything is started, so that no time on GPUs is spent to
//! find out: [`look`].

use std::path::Path;

use perf_engine::Engine;
use perf_model::judge::anchor::Anchored;
use perf_model::judge::compare::Found;
use perf_model::spec::server::Server;
use perf_model::spec::settings::Purpose;
use perf_store::{anchors, baselines};

use crate::load::Load;
use crate::session::Session;

/// What is known of a load's baseline before anything is measured.
#[derive(Default)]
pub(crate) struct Standing {
    /// Its file, from the repository's root; empty where only a start will tell.
    pub(crate) baseline_file: String,
    /// Why the load cannot be measured to any use.
    pub(crate) fault: Option<String>,
    /// What becomes of what is there, where nobody would expect it.
    pub(crate) note: Option<String>,
}

/// Looks at the baselines of these loads, one by one.
pub(crate) fn look(
    suite: &str,
    loads: &[Load],
    engine: &Engine,
    server: &Server,
    session: &Session,
) -> Vec<Standing> {
    let folder =
        engine.baseline_folder(server).filter(|_| session.settings.purpose != Purpose::Compare);
    let standing = |load: &Load| {
        let Some(folder) = &folder else { return Standing::default() };
        of(&baselines::file(&session.root, folder, suite, &load.declared.name), session)
    };
    loads.iter().map(standing).collect()
}

fn of(file: &Path, session: &Session) -> Standing {
    let baseline_file = session.shown(file);
    let unusable = |why: &str| format!("the baseline {baseline_file} cannot be used: {why}");
    let (mut fault, mut note) = (None, None);
    match (baselines::find(file), session.settings.purpose) {
        (Found::Unusable(why), Purpose::Refresh) if session.settings.adds_session => {
            fault =
                Some(format!("{}; a session is added only to what can be read", unusable(&why)));
        }
        (Found::Unusable(why), Purpose::Refresh) => {
            note = Some(format!(
                "{}; it is replaced, and whatever sessions it held are lost",
                unusable(&why)
            ));
        }
        (Found::Newer(why) | Found::Unusable(why), _) => fault = Some(unusable(&why)),
        (Found::Baseline(_) | Found::Nothing, Purpose::Refresh) => {}
        (Found::Baseline(_) | Found::Nothing, _) => {
            if let Anchored::Unusable(why) = anchors::find(file) {
                fault = Some(format!("the anchor beside {baseline_file} cannot be used: {why}"));
            }
        }
    }
    Standing { baseline_file, fault, note }
}
