//! Whether a model that an image carries can be served, looked at in its container: [`check`].

use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt;
use testcontainers::bollard::Docker;
use testcontainers::bollard::container::LogOutput;
use testcontainers::bollard::exec::{CreateExecOptions, StartExecOptions, StartExecResults};

use crate::error::EngineError;
use crate::model_files::check_tokenizer;

/// How long a list of files may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long it may be.
const MOST_BYTES: usize = 1024 * 1024;

/// Refuses a model without a tokenizer: some versions of vLLM start without one, and some say nothing
/// until they give up. Where the container cannot list the files, the server has to say it.
pub(super) async fn check(
    docker: &Docker,
    container: &str,
    folder: &Path,
    arguments: &[String],
) -> Result<(), EngineError> {
    let names = tokio::time::timeout(PATIENCE, list(docker, container, folder)).await;
    match names.ok().flatten() {
        Some(names) => check_tokenizer(folder, &names, arguments),
        None => Ok(()),
    }
}

/// The names of the files in a folder of a container that runs.
async fn list(docker: &Docker, container: &str, folder: &Path) -> Option<Vec<String>> {
    let words = ["ls".to_owned(), "-1".to_owned(), folder.display().to_string()];
    let options = CreateExecOptions {
        attach_stdout: Some(true),
        cmd: Some(words.to_vec()),
        ..CreateExecOptions::default()
    };
    let command = docker.create_exec(container, options).await.ok()?.id;
    let started = docker.start_exec(&command, None::<StartExecOptions>).await.ok()?;
    let StartExecResults::Attached { mut output, .. } = started else { return None };
    let mut listed = Vec::new();
    while let Some(piece) = output.next().await {
        if let LogOutput::StdOut { message } = piece.ok()? {
            listed.extend_from_slice(&message);
        }
        if listed.len() > MOST_BYTES {
            return None;
        }
    }
    let ended = docker.inspect_exec(&command).await.ok()?;
    let listed = String::from_utf8(listed).ok().filter(|_| ended.exit_code == Some(0))?;
    Some(listed.lines().map(str::to_owned).collect())
}
