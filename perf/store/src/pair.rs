//! A baseline or an anchor, and the engine starts in a file beside it: read together ([`read`]), and
//! written so that a killed writer leaves the old pair or the new one ([`write()`]).
//!
//! Engine starts are written under a pending name first, then the snapshot, then the engine starts
//! under their own name. From the moment that the snapshot is in its place, a reader takes the pending
//! starts if those in place are of another snapshot. So it goes too when `cargo insta review` moves a
//! snapshot alone.

use std::path::Path;

use perf_model::judge::baseline::{
    BaselineError, StartsFile, Texts, pending_starts_file, starts_file,
};

use crate::atomic::{self, WriteError};
use crate::input_file::{self, InputError, Kind, escaped};

/// What was read of the two files.
pub(crate) struct Pair<T> {
    pub(crate) value: T,
    /// Whether its engine starts are still under their pending name.
    pub(crate) is_pending: bool,
}

/// Why the two files cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PairError {
    #[error("{}", .0.fault)]
    Input(InputError),
    #[error(transparent)]
    Content(#[from] BaselineError),
}

impl PairError {
    /// Whether there is no snapshot.
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self, Self::Input(error) if error.is_missing())
    }
}

/// Reads a snapshot with the engine starts beside it.
pub(crate) fn read<T>(
    file: &Path,
    parse: impl Fn(&str, &StartsFile<'_>) -> Result<T, BaselineError>,
) -> Result<Pair<T>, PairError> {
    match read_once(file, &parse) {
        // Another process may have replaced one file between the reads of both.
        Err(PairError::Content(error)) if error.is_of_starts() => read_once(file, &parse),
        read => read,
    }
}

fn read_once<T>(
    file: &Path,
    parse: impl Fn(&str, &StartsFile<'_>) -> Result<T, BaselineError>,
) -> Result<Pair<T>, PairError> {
    let text = input_file::read(file, Kind::Baseline).map_err(PairError::Input)?;
    let with = |starts: &Path| {
        let found = input_file::read(starts, Kind::Baseline).map_err(|error| {
            if error.is_missing() { "it is missing".to_owned() } else { error.fault.to_string() }
        });
        let text_of_starts = found.as_deref().map_err(String::as_str);
        let name = starts_file(file);
        let name = escaped(Path::new(name.file_name().unwrap_or_default()));
        parse(&text, &StartsFile { name: &name, text: text_of_starts })
    };
    match with(&starts_file(file)) {
        Err(error) if error.is_of_starts() => match with(&pending_starts_file(file)) {
            Ok(value) => Ok(Pair { value, is_pending: true }),
            Err(_) => Err(error.into()),
        },
        read => Ok(Pair { value: read?, is_pending: false }),
    }
}

/// Gives pending engine starts their own name if the snapshot in place is theirs.
fn finish<T>(
    file: &Path,
    parse: impl Fn(&str, &StartsFile<'_>) -> Result<T, BaselineError>,
) -> Result<(), WriteError> {
    let pending = pending_starts_file(file);
    if !pending.exists() || !read(file, parse).is_ok_and(|pair| pair.is_pending) {
        return Ok(());
    }
    std::fs::rename(&pending, starts_file(file)).map_err(WriteError::of(&pending))
}

/// Writes both files. On an error, or when this process is killed, a reader finds the old pair or the
/// new one.
pub(crate) fn write<T>(
    file: &Path,
    texts: &Texts,
    parse: impl Fn(&str, &StartsFile<'_>) -> Result<T, BaselineError>,
) -> Result<(), WriteError> {
    finish(file, parse)?;
    let pending = pending_starts_file(file);
    atomic::write(&pending, &texts.starts)?;
    atomic::write(file, &texts.snapshot).inspect_err(|_| remove(&pending))?;
    atomic::write(&starts_file(file), &texts.starts)?;
    remove(&pending);
    Ok(())
}

/// Whether the files hold these texts.
pub(crate) fn holds(file: &Path, texts: &Texts) -> bool {
    let is = |file: &Path, text: &str| {
        input_file::read(file, Kind::Baseline).is_ok_and(|there| there == text)
    };
    is(file, &texts.snapshot) && is(&starts_file(file), &texts.starts)
}

/// Removes a file that waits for nothing any more. Where it stays, no reader takes it for another's.
pub(crate) fn remove(file: &Path) {
    let _ = std::fs::remove_file(file);
}
