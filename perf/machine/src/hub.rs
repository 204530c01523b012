//! The cache of the Hugging Face hub on this machine, and the models in it: [`find`].
//!
//! A repository has a folder `models--OWNER--NAME`. `refs/REVISION` in it names a commit, and
//! `snapshots/COMMIT` holds links to its files, which are in `blobs` beside it.

use std::path::{Path, PathBuf};

use crate::host::{folder_in, user_caches};

/// The branch that is meant where no revision is named.
const MAIN: &str = "main";

/// The files of a model in the cache, at one commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The folder of the repository. Links of the snapshot stay within it.
    pub repository: PathBuf,
    /// The commit.
    pub commit: String,
}

impl Snapshot {
    /// That of a model, by its hub id (`OWNER/NAME`) and a branch, tag or commit. `None` where it is not in the
    /// cache.
    fn find(cache: &Path, id: &str, revision: Option<&str>) -> Option<Self> {
        let repository = cache.join(format!("models--{}", id.replace('/', "--")));
        let revision = revision.unwrap_or(MAIN);
        let reference = std::fs::read_to_string(repository.join("refs").join(revision)).ok();
        let commit = reference.as_deref().map_or(revision, str::trim);
        // A file of the cache must not lead out of it.
        let is_commit = !commit.is_empty() && commit.bytes().all(|it| it.is_ascii_alphanumeric());
        let snapshot = Self { repository, commit: commit.to_owned() };
        (is_commit && snapshot.path().is_dir()).then_some(snapshot)
    }

    /// Its folder within that of the repository.
    pub fn within(&self) -> PathBuf {
        Path::new("snapshots").join(&self.commit)
    }

    /// Its folder.
    pub fn path(&self) -> PathBuf {
        self.repository.join(self.within())
    }
}

/// A model that is not in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotFetched {
    /// The cache.
    pub cache: PathBuf,
    /// The command that fetches the model into it.
    pub command: String,
}

/// A model in the cache that is `named`; without one, in that of the hub's own programs.
///
/// # Errors
/// Where it is not there.
pub fn find(
    named: Option<&Path>,
    id: &str,
    revision: Option<&str>,
) -> Result<Snapshot, NotFetched> {
    let cache = named.map(Path::to_owned).or_else(cache).unwrap_or_default();
    let found = Snapshot::find(&cache, id, revision);
    found.ok_or_else(|| NotFetched { cache, command: fetch_command(id, revision, named) })
}

/// The folder of the cache where none is named, by the variables that the hub's own programs read.
fn cache() -> Option<PathBuf> {
    let home = || Some(user_caches()?.join("huggingface"));
    folder_in("HF_HUB_CACHE").or_else(|| Some(folder_in("HF_HOME").or_else(home)?.join("hub")))
}

/// The command that fetches a model into the cache: `hf download OWNER/NAME`.
fn fetch_command(id: &str, revision: Option<&str>, cache: Option<&Path>) -> String {
    let revision = revision.map(|it| format!(" --revision {it}")).unwrap_or_default();
    let cache = cache.map(|it| format!(" --cache-dir {}", it.display())).unwrap_or_default();
    format!("hf download {id}{revision}{cache}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_found_by_branch_tag_and_commit_and_never_outside_of_the_cache() {
        let cache = tempfile::tempdir().unwrap();
        let repository = cache.path().join("models--Qwen--Qwen2.5-7B-Instruct");
        std::fs::create_dir_all(repository.join("snapshots/abc123")).unwrap();
        std::fs::create_dir_all(repository.join("refs")).unwrap();
        std::fs::write(repository.join("refs/main"), "abc123\n").unwrap();
        std::fs::write(repository.join("refs/old"), "fff\n").unwrap();
        std::fs::write(repository.join("refs/out"), "../../..").unwrap();
        let find = |revision| Snapshot::find(cache.path(), "Qwen/Qwen2.5-7B-Instruct", revision);
        let found = find(None).unwrap();
        assert_eq!(found.path(), repository.join("snapshots/abc123"));
        assert_eq!(find(Some("abc123")), Some(found));
        assert_eq!(
            [find(Some("old")), find(Some("out")), find(Some("..")), find(Some("none"))],
            [const { None }; 4]
        );
        assert_eq!(Snapshot::find(cache.path(), "Qwen/Other", None), None);
    }

    #[test]
    fn the_command_that_fetches_a_model_names_revision_and_cache() {
        assert_eq!(fetch_command("o/n", None, None), "hf download o/n");
        assert_eq!(
            fetch_command("o/n", Some("v1"), Some(Path::new("/data/hub"))),
            "hf download o/n --revision v1 --cache-dir /data/hub"
        );
    }
}
