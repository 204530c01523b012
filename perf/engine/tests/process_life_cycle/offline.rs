//! `vllm bench throughput` in place of a server, with a script in place of `vllm`: what it is given,
//! what comes back, and that nothing is left of it.

use perf_clock::Clock;
use perf_engine::{Engine, EngineError, ServerExit};
use perf_model::interop::vllm_throughput::OfflineThroughput;
use perf_model::spec::config::Config;
use perf_model::spec::server::{Argument, Server};
use perf_model::spec::settings::Settings;

use crate::support::{Place, block_on};
use crate::{assert_nothing_left, stand_in};

async fn run(place: &Place, engine: &Engine, server: &Server) -> Result<ServerExit, EngineError> {
    let options = ["--num-prompts".to_owned(), "128".to_owned()];
    let log = place.path().join("offline/saturated.log");
    engine.run_offline(server, &options, &log, Clock::real(), &mut |_| {}).await
}

#[test]
fn it_runs_with_the_servers_arguments_and_ends_with_its_figures() {
    let place = Place::new();
    let (engine, mut server) = stand_in(&place, "offline");
    server.arguments.push(Argument { flag: "--max-num-seqs".into(), value: Some("64".into()) });
    let ended = block_on(run(&place, &engine, &server)).unwrap();
    assert_eq!(ended.exit_code, Some(0));
    let found = OfflineThroughput::read(&ended.log_tail).unwrap();
    assert_eq!((found.output_tokens_per_s, found.output_tokens), (1175.88, 8325.0));
    assert!(place.read("offline/saturated.log").contains("Throughput: 18.08 requests/s"));
    let arguments = place.read("arguments").replace('\n', " ");
    let model = place.path().join("model");
    assert_eq!(
        arguments,
        format!(
            "bench throughput --model {} --num-prompts 128 --stand-in offline --max-num-seqs 64",
            model.display()
        )
    );
    assert!(place.read("environment").contains("HF_HUB_OFFLINE=1"));
    assert_nothing_left(&place);
}

#[test]
fn what_it_cannot_run_comes_back_with_exit_code_and_log() {
    let place = Place::new();
    let (engine, server) = stand_in(&place, "usage");
    let ended = block_on(run(&place, &engine, &server)).unwrap();
    assert_eq!(ended.exit_code, Some(2));
    assert!(ended.log_tail.iter().any(|line| line.contains("unrecognized arguments")));
    assert_eq!(OfflineThroughput::read(&ended.log_tail), None);
    assert_nothing_left(&place);
}

#[test]
fn one_that_is_abandoned_leaves_nothing() {
    let place = Place::new();
    let (engine, server) = stand_in(&place, "hang");
    block_on(async {
        tokio::select! {
            ended = run(&place, &engine, &server) => panic!("it ended: {ended:?}"),
            () = async {
                while !place.has("started") {
                    tokio::task::yield_now().await;
                }
            } => {}
        }
    });
    assert_nothing_left(&place);
}

#[test]
fn the_simulated_engine_has_none_and_says_which_engines_do() {
    let place = Place::new();
    let engine = Engine::new(&Settings::default(), &Config::default()).unwrap();
    let server = Server { model: "tiny".into(), ..Server::default() };
    let error = block_on(run(&place, &engine, &server)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the simulated engine cannot run `vllm bench throughput`; use the docker or the process engine"
    );
}
