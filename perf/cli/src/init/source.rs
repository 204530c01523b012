//! Where a new repository gets this suite from: [`Source`].

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::cli::Init;

/// Where a new repository gets this suite from.
pub(super) enum Source {
    /// A clone on this machine.
    Folder {
        path: String,
        /// Where it is within the new repository, as a submodule is.
        inside: Option<String>,
    },
    /// A git repository.
    Git {
        url: String,
        rev: String,
        /// The clone with the versions of the dependencies.
        lock: Option<PathBuf>,
    },
}

impl Source {
    /// Reads what was asked for. Without a source, it is the repository that the command runs in.
    pub(super) fn of(asked: &Init, root: &Path, folder: &Path) -> Result<Self> {
        let here = is_clone(root).then(|| root.to_owned());
        let source = match (&asked.source, here.clone()) {
            (Some(source), _) => source.clone(),
            (None, Some(here)) => here.display().to_string(),
            (None, None) => bail!(
                "this repository is no clone of vllm-perf; name one with --source FOLDER, or --source URL --rev COMMIT"
            ),
        };
        if let Some(url) = as_url(&source) {
            return Self::git(url, asked.rev.as_deref(), here);
        }
        if asked.rev.is_some() {
            bail!("--rev is for a git address, and `{source}` is a folder; leave --rev out");
        }
        let path = Path::new(&source)
            .canonicalize()
            .with_context(|| format!("--source {source}: no such folder"))?;
        if !is_clone(&path) {
            bail!("--source {} is no clone of vllm-perf; name its top folder", path.display());
        }
        if folder.starts_with(&path) {
            bail!(
                "{} lies in this clone of vllm-perf; name a folder outside of it",
                folder.display()
            );
        }
        let inside = path.strip_prefix(folder).ok().and_then(Path::to_str).map(str::to_owned);
        let path = path.to_str().filter(|path| !path.contains(char::is_control));
        let path = path.with_context(|| {
            format!(
                "--source {source}: its path cannot be written in a manifest; rename the folder"
            )
        })?;
        Ok(Self::Folder { path: path.to_owned(), inside })
    }

    fn git(url: String, rev: Option<&str>, lock: Option<PathBuf>) -> Result<Self> {
        let is_plain = |letter: char| !letter.is_control() && !letter.is_whitespace();
        let is_word = |text: &str| !text.is_empty() && text.chars().all(is_plain);
        let Some(rev) = rev else {
            bail!("a git address needs --rev, a commit or a tag: without it two builds may differ");
        };
        if !is_word(&url) || !is_word(rev) || rev.starts_with('-') {
            bail!("--source {url:?} --rev {rev:?}: an address and a commit have no spaces");
        }
        let user =
            url.split_once("://").and_then(|(_, rest)| rest.split('/').next()?.split_once('@'));
        if user.is_some_and(|(user, _)| user.contains(':')) {
            bail!(
                "the address holds a password, which would be committed; leave it out, and let git ask for it or use ssh"
            );
        }
        Ok(Self::Git { url, rev: rev.to_owned(), lock })
    }

    /// The value of the dependency on the package in a folder of this repository.
    pub(super) fn dependency(&self, folder: &str) -> String {
        match self {
            Self::Git { url, rev, .. } => {
                format!("{{ git = {}, rev = {} }}", quoted(url), quoted(rev))
            }
            Self::Folder { path, inside } => {
                let path = inside.as_ref().unwrap_or(path);
                let slash = if folder.is_empty() { "" } else { "/" };
                format!("{{ path = {} }}", quoted(&format!("{path}{slash}{folder}")))
            }
        }
    }

    /// Where the new repository holds this suite, if it does.
    pub(super) fn submodule(&self) -> Option<&str> {
        match self {
            Self::Folder { inside, .. } => inside.as_deref(),
            Self::Git { .. } => None,
        }
    }

    /// The versions of the dependencies that this suite is tested with, where they are known.
    pub(super) fn lock_file(&self) -> Option<String> {
        let clone = match self {
            Self::Folder { path, .. } => Some(Path::new(path)),
            Self::Git { lock, .. } => lock.as_deref(),
        };
        std::fs::read_to_string(clone?.join("Cargo.lock")).ok()
    }

    /// What to say of it.
    pub(super) fn description(&self) -> String {
        match self {
            Self::Git { url, rev, .. } => format!("vllm-perf is taken from {url} at {rev}"),
            Self::Folder { inside: Some(inside), .. } => {
                format!("vllm-perf is taken from {inside}; commit it as a submodule")
            }
            Self::Folder { path, .. } => format!(
                "vllm-perf is taken from {path}, so only this machine can build it; for other machines and CI, put a git \
                 address into [workspace.dependencies] of Cargo.toml, or begin with --source URL --rev COMMIT"
            ),
        }
    }
}

/// A string of TOML. Control characters were refused before.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A git address as cargo writes it; nothing for a folder.
fn as_url(source: &str) -> Option<String> {
    if source.contains("://") {
        return Some(source.to_owned());
    }
    // `git@host:owner/name`, as git takes it and cargo does not.
    let (host, path) = source.split_once(':')?;
    let is_host = host.contains('@') && !host.contains('/');
    is_host.then(|| format!("ssh://{host}/{path}"))
}

/// Whether a folder holds this suite.
fn is_clone(folder: &Path) -> bool {
    std::fs::read_to_string(folder.join("perf/cli/Cargo.toml"))
        .is_ok_and(|text| text.contains("name = \"vllm-perf-cli\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(source: &str, rev: Option<&str>, folder: &str) -> Result<Source> {
        let asked = Init {
            folder: folder.into(),
            source: Some(source.to_owned()),
            rev: rev.map(str::to_owned),
        };
        Source::of(&asked, Path::new("/nowhere"), Path::new(folder))
    }

    fn refusal(of: &str, rev: Option<&str>, folder: &str) -> String {
        format!("{:#}", source(of, rev, folder).err().unwrap())
    }

    #[test]
    fn a_git_address_is_written_as_cargo_reads_it_and_needs_a_commit() {
        let known = source("git@host:a/vllm-perf.git", Some("v1"), "/r").unwrap();
        let written = "{ git = \"ssh://git@host/a/vllm-perf.git\", rev = \"v1\" }";
        assert_eq!(known.dependency("perf/cli"), written);
        assert!(refusal("https://host/a", None, "/r").contains("needs --rev"));
        assert!(refusal("https://host/a b", Some("v1"), "/r").contains("no spaces"));
        assert!(refusal("https://a:b@host/a", Some("v1"), "/r").contains("holds a password"));
    }

    #[test]
    fn a_folder_must_be_a_clone_and_may_lie_in_the_new_repository() {
        let repository = tempfile::tempdir().unwrap();
        let root = repository.path().canonicalize().unwrap();
        let clone = root.join("ext/vllm-perf");
        std::fs::create_dir_all(clone.join("perf/cli")).unwrap();
        let (clone, root) = (clone.to_str().unwrap(), root.to_str().unwrap());
        assert!(refusal(clone, None, root).contains("is no clone of vllm-perf"));
        let manifest = format!("{clone}/perf/cli/Cargo.toml");
        std::fs::write(manifest, "name = \"vllm-perf-cli\"\n").unwrap();
        assert_eq!(source(clone, None, root).unwrap().submodule(), Some("ext/vllm-perf"));
        assert_eq!(source(clone, None, "/elsewhere").unwrap().submodule(), None);
        assert!(refusal(clone, None, &format!("{clone}/x")).contains("lies in this clone"));
        assert!(refusal(clone, Some("v1"), root).contains("leave --rev out"));
        assert!(refusal("/nowhere", None, root).contains("no such folder"));
        let bare = Init { folder: root.into(), source: None, rev: None };
        let why = Source::of(&bare, Path::new(root), Path::new(root)).err().unwrap();
        assert!(why.to_string().contains("name one with --source"), "{why}");
    }
}
