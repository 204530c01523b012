//! How a container ended, and who ended it: [`wait_for_end`].

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::StreamExt;
use testcontainers::bollard::Docker;
use testcontainers::bollard::models::EventMessage;
use testcontainers::bollard::query_parameters::{
    EventsOptionsBuilder, InspectContainerOptions, WaitContainerOptions,
};

use super::daemon::is_missing;
use crate::failure::ServerFailure;

/// Between two looks at a container that Docker does not let us wait for.
const LOOK: Duration = Duration::from_millis(500);

/// How long what follows a stop may take: a restart and a removal begin with one.
const SEQUEL: Duration = Duration::from_secs(1);

/// How long Docker may take to list what happened.
const PATIENCE: Duration = Duration::from_secs(2);

/// How a container ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ending {
    pub(super) exit_code: Option<i64>,
    pub(super) oom_killed: bool,
    /// What somebody did to it.
    pub(super) deed: Option<ServerFailure>,
}

/// Waits for the end of a container that was started then. One that was restarted has ended, though
/// it runs.
pub(super) async fn wait_for_end(docker: &Docker, id: &str, begun: SystemTime) -> Ending {
    let first = started_at(docker, id).await;
    // One request that is answered at the end, as asking again and again would take from what is
    // being measured. That it failed may also mean a non-zero exit code; what counts is what the
    // container's state says.
    let _ = docker.wait_container(id, None::<WaitContainerOptions>).next().await;
    let ending = loop {
        match docker.inspect_container(id, None::<InspectContainerOptions>).await {
            Ok(container) => {
                let state = container.state.unwrap_or_default();
                if state.running != Some(true) {
                    let oom_killed = state.oom_killed == Some(true);
                    break Ending { exit_code: state.exit_code, oom_killed, deed: None };
                }
                if first.is_some() && state.started_at != first {
                    break Ending { deed: Some(ServerFailure::Restarted), ..Ending::default() };
                }
            }
            Err(error) if is_missing(&error) => {
                break Ending { deed: Some(ServerFailure::Removed), ..Ending::default() };
            }
            // As while the daemon restarts.
            Err(_) => {}
        }
        tokio::time::sleep(LOOK).await;
    };
    if ending.deed.is_some() || ending.oom_killed {
        return ending;
    }
    let so_far = deed(&events(docker, id, begun, Duration::ZERO).await);
    // Docker sends a signal before anything else that somebody does to a container. A server that ended by itself is
    // reported at once.
    if so_far.is_none() {
        return ending;
    }
    Ending { deed: deed(&events(docker, id, begun, SEQUEL).await).or(so_far), ..ending }
}

async fn started_at(docker: &Docker, id: &str) -> Option<String> {
    let container = docker.inspect_container(id, None::<InspectContainerOptions>).await.ok()?;
    container.state?.started_at
}

/// What happened to a container, as far as the daemon remembers, each with the signal of a kill; and what
/// happens to it for so long from now on, unless its restart or removal says enough.
async fn events(
    docker: &Docker,
    id: &str,
    begun: SystemTime,
    from_now_on: Duration,
) -> Vec<(String, Option<String>)> {
    let seconds = |time: SystemTime| {
        let time = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        format!("{}.{:09}", time.as_secs(), time.subsec_nanos())
    };
    let filters = HashMap::from([("container", vec![id]), ("type", vec!["container"])]);
    let options = EventsOptionsBuilder::new()
        .since(&seconds(begun))
        .until(&seconds(SystemTime::now() + from_now_on))
        .filters(&filters)
        .build();
    let read = |event: EventMessage| {
        let attributes = event.actor.and_then(|actor| actor.attributes).unwrap_or_default();
        Some((event.action?, attributes.get("signal").cloned()))
    };
    let stream = docker.events(Some(options));
    let listed = stream
        .take_while(|event| std::future::ready(event.is_ok()))
        .filter_map(|event| std::future::ready(event.ok().and_then(read)));
    let mut found = Vec::new();
    let mut listed = std::pin::pin!(listed);
    let all = async {
        while let Some(event) = listed.next().await {
            found.push(event);
            if matches!(deed(&found), Some(ServerFailure::Restarted | ServerFailure::Removed)) {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(PATIENCE + from_now_on, all).await;
    found
}

/// What somebody did to a container. A kill that Docker did not send is not among its events, and
/// neither is the end of the server by itself.
fn deed(events: &[(String, Option<String>)]) -> Option<ServerFailure> {
    let happened = |name: &str| events.iter().filter(|(action, _)| action == name).count();
    let signal =
        events.iter().find_map(|(action, signal)| signal.as_deref().filter(|_| action == "kill"));
    if happened("restart") > 0 || happened("start") > 1 {
        Some(ServerFailure::Restarted)
    } else if happened("destroy") > 0 {
        Some(ServerFailure::Removed)
    } else {
        signal.map(|signal| match signal {
            "9" | "KILL" | "SIGKILL" => ServerFailure::Killed,
            _ => ServerFailure::Stopped,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_to_a_container_is_read_from_dockers_events() {
        let of = |events: &[(&str, &str)]| {
            let events: Vec<_> = events
                .iter()
                .map(|(action, signal)| {
                    (
                        (*action).to_owned(),
                        Some((*signal).to_owned()).filter(|text| !text.is_empty()),
                    )
                })
                .collect();
            deed(&events)
        };
        let created = [("create", ""), ("start", "")];
        let after = |more: &[(&'static str, &'static str)]| of(&[&created, more].concat());
        assert_eq!(after(&[("die", "")]), None);
        let stopped = [("kill", "15"), ("die", ""), ("stop", "")];
        assert_eq!(after(&stopped), Some(ServerFailure::Stopped));
        assert_eq!(after(&[("kill", "9"), ("die", "")]), Some(ServerFailure::Killed));
        let removed = [("kill", "9"), ("die", ""), ("destroy", "")];
        assert_eq!(after(&removed), Some(ServerFailure::Removed));
        let restarted = [&stopped[..], &[("start", ""), ("restart", "")]].concat();
        assert_eq!(after(&restarted), Some(ServerFailure::Restarted));
        // One that ignored SIGTERM, and was killed by Docker ten seconds later.
        let stubborn = [("kill", "15"), ("kill", "9"), ("die", ""), ("stop", "")];
        assert_eq!(after(&stubborn), Some(ServerFailure::Stopped));
    }
}
