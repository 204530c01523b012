//! The servers' logs of a run: [`ends`].

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use crate::input_file::{self, InputError, Kind};
use crate::runs;

/// The end of a log: where the log is in the folder, and its last lines.
pub type LogEnd = (String, String);

/// The last bytes of each log under a folder, from the beginning of a line, in the order of their
/// paths; at most so many logs. An empty log is left out.
pub fn ends(folder: &Path, bytes: u64, most: usize) -> Result<Vec<LogEnd>, InputError> {
    let mut found = Vec::new();
    for path in runs::files(folder, "log")? {
        if found.len() == most {
            break;
        }
        let text = end(&path, bytes)?;
        if !text.is_empty() {
            let name = path.strip_prefix(folder).unwrap_or(&path).display().to_string();
            found.push((name, text));
        }
    }
    Ok(found)
}

fn end(path: &Path, bytes: u64) -> Result<String, InputError> {
    let cannot = InputError::io(path);
    let mut file = input_file::open_regular(path, Kind::Record)?;
    let length = file.metadata().map_err(&cannot)?.len();
    let from = length.saturating_sub(bytes);
    file.seek(SeekFrom::Start(from)).map_err(&cannot)?;
    let mut text = Vec::new();
    file.take(bytes).read_to_end(&mut text).map_err(&cannot)?;
    let text = String::from_utf8_lossy(&text).into_owned();
    // Half a line says nothing.
    Ok(match text.split_once('\n') {
        Some((_, whole)) if from > 0 => whole.to_owned(),
        _ => text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_log_begins_with_a_whole_line() {
        let run = tempfile::tempdir().unwrap();
        let folder = run.path().join("s/start-1");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("server.log"), "one\ntwo\nthree\n").unwrap();
        std::fs::write(folder.join("empty.log"), "").unwrap();
        let found = ends(run.path(), 9, 5).unwrap();
        assert_eq!(found, [("s/start-1/server.log".to_owned(), "three\n".to_owned())]);
        let found = ends(run.path(), 100, 5).unwrap();
        assert_eq!(found[0].1, "one\ntwo\nthree\n");
        assert_eq!(ends(run.path(), 100, 0).unwrap(), []);
    }
}
