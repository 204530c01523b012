//! `cargo xtask perf init`: lays out a repository that gates a vLLM with this suite.

mod files;
mod manifest;
mod source;

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use perf_model::judge::exit_code;
use perf_store::atomic::WriteError;

use crate::cli::Init;
use crate::error::unmeasurable;
use crate::runs;
use crate::stdout::say;
use source::Source;

/// A file of the new repository.
struct NewFile {
    /// Its path in the repository.
    path: String,
    text: String,
    is_program: bool,
}

/// Writes the files, or none where one of them is in the way.
pub(crate) fn init(asked: &Init) -> Result<u8> {
    let folder = resolved(&asked.folder)?;
    let source = Source::of(asked, &runs::root(), &folder)?;
    let above = git_top(&folder).filter(|top| *top != folder);
    let files = files::all(&source, above.is_none());
    let in_the_way: Vec<String> = files
        .iter()
        .filter_map(|file| obstacle(&folder, Path::new(&file.path)))
        .map(|path| format!("\n  {}", path.display()))
        .collect();
    if !in_the_way.is_empty() {
        bail!(
            "these are in the way in {}, and nothing was written; name an empty or a new folder, such as {}:{}",
            folder.display(),
            folder.join("perf-tests").display(),
            in_the_way.concat()
        );
    }
    write(&folder, &files)?;
    say(format!("wrote {} files to {}", files.len(), folder.display()));
    say(source.description());
    if let Some(above) = above {
        say(format!(
            "no workflows of CI: GitHub reads them from the top folder of a repository, {}, and these are for a repository of \
             their own",
            above.display()
        ));
    }
    say(format!(
        "\nNext:\n  cd {}\n  cargo xtask perf refresh    measures, and writes baselines/\n  cargo xtask perf            holds \
         what it measures against them\nThen put your server in tests/chat_server.rs; README.md says how to gate an upgrade.",
        asked.folder.display()
    ));
    Ok(exit_code::HELD)
}

/// A folder that may not exist yet, without links.
fn resolved(folder: &Path) -> Result<PathBuf> {
    let folder = std::path::absolute(folder)?;
    let is_there = folder.ancestors().find(|folder| folder.symlink_metadata().is_ok());
    let is_there = is_there.unwrap_or(Path::new("/"));
    if !is_there.is_dir() {
        bail!("{} is no folder; name another for the new repository", is_there.display());
    }
    let rest = folder.strip_prefix(is_there).unwrap_or(Path::new(""));
    let is_there = is_there
        .canonicalize()
        .with_context(|| format!("cannot look into {}", is_there.display()))?;
    // An empty rest would add a slash.
    Ok(if rest.as_os_str().is_empty() { is_there } else { is_there.join(rest) })
}

/// What keeps a file from being made: the file itself, or a file where one of its folders would be.
fn obstacle(root: &Path, path: &Path) -> Option<PathBuf> {
    let within: Vec<&Path> = path.ancestors().filter(|part| !part.as_os_str().is_empty()).collect();
    let is_in_the_way = |part: &&Path| match root.join(part).symlink_metadata() {
        Ok(_) => *part == path || !root.join(part).is_dir(),
        Err(_) => false,
    };
    within.into_iter().rev().find(is_in_the_way).map(Path::to_owned)
}

/// The top folder of the git repository that a folder lies in.
fn git_top(folder: &Path) -> Option<PathBuf> {
    let is_there = folder.ancestors().find(|folder| folder.is_dir())?;
    let output = Command::new("git")
        .arg("-C")
        .arg(is_there)
        .args(["rev-parse", "--show-toplevel"])
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    PathBuf::from(String::from_utf8_lossy(&output.stdout).trim_end_matches('\n'))
        .canonicalize()
        .ok()
}

/// Writes all files. What was written before a failure is removed.
fn write(root: &Path, files: &[NewFile]) -> Result<()> {
    let mut written = Vec::new();
    for file in files {
        let path = root.join(&file.path);
        if let Err(why) = write_one(&path, file) {
            for path in written {
                // Nothing more can be done about what cannot be removed.
                let _ = std::fs::remove_file(path);
            }
            return Err(unmeasurable(WriteError::of(&path)(why)));
        }
        written.push(path);
    }
    Ok(())
}

fn write_one(path: &Path, file: &NewFile) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    // A file that came into being since is not overwritten.
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(if file.is_program { 0o755 } else { 0o644 })
        .open(path)?
        .write_all(file.text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_and_a_folder_that_is_none_are_obstacles_and_a_folder_is_not() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("tests")).unwrap();
        std::fs::write(folder.path().join("tests/a.rs"), "").unwrap();
        std::fs::write(folder.path().join("xtask"), "").unwrap();
        std::os::unix::fs::symlink("/nowhere", folder.path().join("perf.toml")).unwrap();
        let obstacle = |path: &str| obstacle(folder.path(), Path::new(path));
        assert_eq!(obstacle("tests/a.rs"), Some("tests/a.rs".into()));
        assert_eq!(obstacle("tests/b.rs"), None);
        assert_eq!(obstacle("xtask/src/main.rs"), Some("xtask".into()));
        assert_eq!(obstacle("perf.toml"), Some("perf.toml".into()));
        assert_eq!(obstacle("baselines/README.md"), None);
    }
}
