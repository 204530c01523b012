//! A baseline that was measured afresh, and the file in whose place it comes: [`write_over`].

use std::path::Path;

use perf_model::judge::baseline::{Baseline, GOOD_SESSIONS};
use perf_model::judge::compare::BaselineLookup;
use perf_store::baselines::{find, write, write_files};
use perf_store::lock::Lock;

use crate::error::{Error, Result};
use crate::session::Session;

/// Makes a session that was measured the baseline, or one more session of the baseline, and keeps a
/// copy with the records.
///
/// The file is read again for that, as the only one who may write: another refresh may have ended
/// since the start.
pub(crate) fn write_over(
    file: &Path,
    copy: &Path,
    measured: &Baseline,
    session: &Session,
) -> Result {
    let lock = Lock::on(file)?;
    let baseline = match merged(find(file), measured.clone(), session.settings.adds_session) {
        Ok(baseline) => baseline,
        Err(why) => {
            let kept = copy.with_extension("snap.not-taken");
            write_files(&kept, measured)?;
            return Err(Error::NotReplaced { file: session.shown(file), why, kept });
        }
    };
    write_files(copy, &baseline)?;
    Ok(write(&lock, file, &baseline)?)
}

/// What is to be there: what was measured, with the sessions that were there before it if they are
/// to stay.
fn merged(
    found: BaselineLookup,
    measured: Baseline,
    adds_session: bool,
) -> std::result::Result<Baseline, String> {
    let before = match found {
        BaselineLookup::Newer(why) => return Err(why),
        BaselineLookup::Unusable(why) if adds_session => return Err(why),
        BaselineLookup::Baseline(before) if adds_session => *before,
        BaselineLookup::Baseline(_) | BaselineLookup::Unusable(_) | BaselineLookup::Nothing => {
            return Ok(measured);
        }
    };
    if before.rests_on().1 >= GOOD_SESSIONS {
        return Ok(before);
    }
    // Sessions of different things would not be noise but a change.
    let differences: Vec<String> =
        before.differences(&measured).iter().map(ToString::to_string).collect();
    if differences.is_empty() {
        return Ok(before.joined(&measured));
    }
    Err(format!(
        "cannot add a session: this run differs from the baseline in {}; refresh it without --add-session",
        differences.join("; ")
    ))
}
