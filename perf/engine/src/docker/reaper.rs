//! Containers by the run that they belong to: their labels, the lock that says whether the run
//! lives, and their removal. Main type: [`ContainerRun`].

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use perf_machine::docker::{LOCK, MACHINE, OURS};
use perf_machine::host::host_name;
use perf_machine::lock::{Lock, LockUnusable};
use testcontainers::bollard::Docker;
use testcontainers::bollard::models::ContainerSummary;
use testcontainers::bollard::query_parameters::{
    InspectContainerOptions, ListContainersOptionsBuilder, RemoveContainerOptionsBuilder,
};

use super::daemon::{failed, is_missing};
use super::watcher::Watcher;
use crate::error::EngineError;
use crate::readiness::chain;

/// Between two looks whether containers are gone.
const LOOK: Duration = Duration::from_millis(100);

/// How often to look. A container with a lot of memory takes seconds to go.
const LOOKS: u32 = 300;

/// One start of a container, while it lasts. Its lock shows all other runs that the container is
/// wanted.
#[derive(Debug)]
pub(super) struct ContainerRun {
    lock: Lock,
    name: String,
    watcher: Option<Watcher>,
}

impl ContainerRun {
    pub(super) fn new(folder: &Path) -> Result<Self, EngineError> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let id = format!("{}-{count}-{now}", std::process::id());
        let path = folder.join(format!("run-{id}.lock"));
        let lock = Lock::try_take(&path)?.ok_or_else(|| LockUnusable {
            path,
            reason: "another process has locked it".to_owned(),
        })?;
        Ok(Self { lock, name: format!("vllm-perf-{id}"), watcher: None })
    }

    /// Has the container removed when this process is killed. To be called before there is one.
    ///
    /// # Errors
    /// With why that cannot be promised on this machine.
    pub(super) fn watch(&mut self) -> Result<(), String> {
        self.watcher = Some(Watcher::begin(&self.label(), &self.name, self.lock.path())?);
        Ok(())
    }

    /// What the container is called.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    fn label(&self) -> String {
        format!("{LOCK}={}", self.lock.path().display())
    }

    /// What the container is marked with.
    pub(super) fn labels(&self) -> [(String, String); 3] {
        let lock = self.lock.path().display().to_string();
        [(OURS, "1".to_owned()), (LOCK, lock), (MACHINE, host_name())]
            .map(|(name, value)| (name.to_owned(), value))
    }

    /// Removes every container of this run, in any state, and checks that none is left.
    pub(super) async fn remove(self, docker: &Docker) -> Result<(), String> {
        let label = self.label();
        let mut reason = String::new();
        for look in 0..LOOKS {
            if look > 0 {
                tokio::time::sleep(LOOK).await;
            }
            match list(docker, &label).await {
                Ok(containers) if containers.is_empty() => {
                    self.lock.remove();
                    if let Some(watcher) = self.watcher {
                        watcher.dismiss();
                    }
                    return Ok(());
                }
                Ok(containers) => {
                    for container in containers {
                        if let Err(error) = remove(docker, &id(&container)).await {
                            reason = error;
                        }
                    }
                }
                Err(error) => reason = error,
            }
        }
        // The file stays, unlocked, so that the next run finds and removes the container, if the
        // watcher, which is dropped here, does not before.
        Err(format!(
            "a container could not be removed ({reason}); `docker rm -f $(docker ps -aqf label={label})` does"
        ))
    }
}

/// Removes what runs that are no more have left behind, and gives the names of the containers.
pub(super) async fn remove_orphans(docker: &Docker) -> Result<Vec<String>, EngineError> {
    let what = "list the containers of earlier runs";
    let containers =
        list(docker, &format!("{OURS}=1")).await.map_err(|reason| failed(what, reason))?;
    let mut removed = Vec::new();
    for container in containers {
        let labels = container.labels.clone().unwrap_or_default();
        if labels.get(MACHINE).is_some_and(|machine| *machine != host_name()) {
            continue;
        }
        let lock = match labels.get(LOCK).map(Path::new) {
            Some(path) if path.exists() => match Lock::try_take(path)? {
                Some(lock) => Some(lock),
                // Its run lives.
                None => continue,
            },
            // A run keeps the file until its container is gone.
            _ => None,
        };
        let name = container
            .names
            .clone()
            .unwrap_or_default()
            .first()
            .cloned()
            .unwrap_or_else(|| id(&container));
        remove(docker, &id(&container))
            .await
            .map_err(|reason| failed(&format!("remove the container {name}"), reason))?;
        if let Some(lock) = lock {
            lock.remove();
        }
        removed.push(name.trim_start_matches('/').to_owned());
    }
    Ok(removed)
}

async fn list(docker: &Docker, label: &str) -> Result<Vec<ContainerSummary>, String> {
    let filters = HashMap::from([("label", vec![label])]);
    let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
    docker.list_containers(Some(options)).await.map_err(|error| chain(&error))
}

/// Removes one container, and waits until it is gone. That it is gone already is no error. Another
/// process may be removing it, as a watcher does: until that is done the container still holds its
/// GPUs and memory.
async fn remove(docker: &Docker, id: &str) -> Result<(), String> {
    let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
    match docker.remove_container(id, Some(options)).await {
        Err(error) if is_missing(&error) => Ok(()),
        Err(error) if error.to_string().contains("already in progress") => {
            until_gone(docker, id).await
        }
        removed => removed.map_err(|error| chain(&error)),
    }
}

async fn until_gone(docker: &Docker, id: &str) -> Result<(), String> {
    for _ in 0..LOOKS {
        match docker.inspect_container(id, None::<InspectContainerOptions>).await {
            Err(error) if is_missing(&error) => return Ok(()),
            _ => tokio::time::sleep(LOOK).await,
        }
    }
    Err(format!(
        "its removal by another process has not ended within {} s; \
         `docker rm -f {id}` tries it again",
        (LOOK * LOOKS).as_secs()
    ))
}

fn id(container: &ContainerSummary) -> String {
    container.id.clone().unwrap_or_default()
}
