//! What somebody does to a server that starts or serves: each deed has its name.

use std::process::Command;
use std::time::Instant;

use perf_engine::{EngineError, ServerExit, ServerFailure};
use perf_model::spec::server::Server;

use super::followed::{print_since, process_in};
use super::support::{Place, block_on, wait_until};
use super::{alone, assert_nothing_left, config, engine, running_containers, server, start};

/// What is done to a container.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Kill,
    Stop,
    Remove,
    Restart,
    KillApiServer,
    KillEngine,
}

impl Deed {
    /// Does it, and says when.
    fn apply(self, container: &str) -> Instant {
        let process = match self {
            Self::KillApiServer => Some(process_in(container, "bin/vllm serve")),
            Self::KillEngine => Some(process_in(container, "EngineCore")),
            _ => None,
        };
        let done = Instant::now();
        // Docker's commands end when the container did, so they are not waited for.
        let docker = |words: &[&str]| {
            let quiet = std::process::Stdio::null;
            let mut command = Command::new("docker");
            command.args(words).arg(container).stdout(quiet()).stderr(quiet());
            drop(command.spawn().unwrap());
        };
        match (self, process) {
            (_, Some(process)) => {
                let killed = Command::new("kill").args(["-KILL", &process.to_string()]).status();
                assert!(killed.unwrap().success());
            }
            (Self::Stop, _) => docker(&["stop"]),
            (Self::Remove, _) => docker(&["rm", "--force"]),
            (Self::Restart, _) => docker(&["restart"]),
            (_, None) => docker(&["kill"]),
        }
        done
    }
}

/// The server with its engine in a process of its own, as vLLM has it by default.
fn with_engine_process() -> Server {
    let mut server = server();
    server.environment.insert("VLLM_ENABLE_V1_MULTIPROCESSING".into(), "1".into());
    server
}

/// What a start says to which this is done while it goes on, when a line with these words was logged.
fn during_start(deed: Deed, server: &Server, words: &str) -> ServerFailure {
    let place = Place::new();
    let (name, done) = block_on(async {
        let engine = engine(&place, &config());
        let meddle = async {
            loop {
                tokio::time::sleep(std::time::Duration::from_millis(200)).await;
                let Some(container) = running_containers(&place).pop() else { continue };
                let log = Command::new("docker").args(["logs", &container]).output().unwrap();
                let log = [log.stdout, log.stderr].concat();
                if String::from_utf8_lossy(&log).contains(words) {
                    return deed.apply(&container);
                }
            }
        };
        let (started, done) = tokio::join!(start(&engine, server), meddle);
        let error = started.unwrap_err();
        assert!(matches!(error, EngineError::StartFailed { .. }), "{error}");
        (error.failure().unwrap(), done)
    });
    print_since(name, &format!("{deed:?} at start"), done);
    assert_nothing_left(&place);
    name
}

/// What a server that serves says to that.
fn while_serving(deed: Deed, server: &Server) -> ServerExit {
    let place = Place::new();
    let death = block_on(async {
        let mut running = start(&engine(&place, &config()), server).await.unwrap();
        let done = deed.apply(&running_containers(&place)[0]);
        let death = running.died().await;
        print_since(death.kind, &format!("{deed:?} while serving"), done);
        running.stop().await.unwrap();
        death
    });
    wait_until(|| super::containers(&place).is_empty());
    assert_nothing_left(&place);
    death
}

const EARLY: &str = "Initializing a V1 LLM engine";

// vLLM does not heed the signal of `docker stop` and `docker restart` while it starts, and Docker waits ten
// seconds before it kills: a small model is ready before that.
#[test]
#[ignore = "needs Docker and the image in PERF_TEST_IMAGE"]
fn a_container_that_is_killed_or_removed_at_start_is_reported_as_that() {
    let _alone = alone();
    for (deed, expected) in
        [(Deed::Kill, ServerFailure::Killed), (Deed::Remove, ServerFailure::Removed)]
    {
        assert_eq!(during_start(deed, &server(), EARLY), expected);
    }
}

#[test]
#[ignore = "needs Docker and the image in PERF_TEST_IMAGE"]
fn an_engine_or_api_server_that_is_killed_at_start_is_reported_as_that() {
    let _alone = alone();
    let at_start = |deed| during_start(deed, &with_engine_process(), "EngineCore pid=");
    assert_eq!(at_start(Deed::KillApiServer), ServerFailure::Killed);
    // The API server does not always know how its engine ended: `Failed core proc(s): {}`.
    let of_engine = at_start(Deed::KillEngine);
    assert!(
        matches!(of_engine, ServerFailure::Killed | ServerFailure::EngineDied),
        "{of_engine:?}"
    );
}

#[test]
#[ignore = "needs Docker and the image in PERF_TEST_IMAGE"]
fn a_container_that_is_killed_stopped_removed_or_restarted_while_it_serves_is_reported_as_that() {
    let _alone = alone();
    for (deed, expected) in [
        (Deed::Kill, ServerFailure::Killed),
        (Deed::Stop, ServerFailure::Stopped),
        (Deed::Remove, ServerFailure::Removed),
        (Deed::Restart, ServerFailure::Restarted),
    ] {
        let death = while_serving(deed, &server());
        assert_eq!(death.kind, expected, "{death}");
        if expected == ServerFailure::Killed {
            assert_eq!((death.exit_code, death.oom_killed), (Some(137), false));
            let log = death.log_tail.join("\n");
            assert!(log.contains("Application startup complete."), "{death:?}");
        }
    }
}

#[test]
#[ignore = "needs Docker and the image in PERF_TEST_IMAGE"]
fn an_api_server_that_is_killed_while_it_serves_is_reported() {
    let _alone = alone();
    let death = while_serving(Deed::KillApiServer, &with_engine_process());
    assert_eq!(death.kind, ServerFailure::Killed, "{death}");
}

#[test]
#[ignore = "needs Docker and the image in PERF_TEST_IMAGE"]
fn a_dead_engine_behind_a_live_server_is_reported() {
    let _alone = alone();
    let death = while_serving(Deed::KillEngine, &with_engine_process());
    let is_it = matches!(death.kind, ServerFailure::EngineDied | ServerFailure::Killed);
    assert!(is_it, "{death}");
}
