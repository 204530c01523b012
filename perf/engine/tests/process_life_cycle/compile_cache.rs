//! What a server finds in its compile cache, and what is recorded of that.

use std::path::Path;

use perf_clock::Clock;
use perf_engine::Engine;
use perf_model::record::compile_cache::CompileCache;
use perf_model::spec::compile_cache::{CompileCacheConfig, CompileCacheState};
use perf_model::spec::config::Config;
use perf_model::spec::server::Server;

use crate::support::{Place, block_on};
use crate::{assert_nothing_left, by_config, stand_in_command};

/// A stand-in that compiles, and finds its cache in this state.
fn compiling(place: &Place, behaviour: &str, state: CompileCacheState) -> (Engine, Server) {
    let folder = (state == CompileCacheState::Warm).then(|| place.path().join("cache"));
    let compile_cache = CompileCacheConfig { state, folder };
    let config = Config { start_timeout_s: 60, compile_cache, ..Config::default() };
    by_config(place, stand_in_command(), behaviour, &config)
}

/// Starts and stops a server. Gives what it found in the cache, and what was said meanwhile.
fn start_and_stop(engine: &Engine, server: &Server, log: &Path) -> (Option<CompileCache>, String) {
    let mut said = Vec::new();
    let found = block_on(async {
        let mut progress = |what: &str| said.push(what.to_owned());
        let started = engine.start(server, 1, Some(log), Clock::real(), &mut progress).await;
        let running = started.unwrap();
        let found = running.fingerprint().compile_cache;
        running.stop().await.unwrap();
        found
    });
    (found, said.join("\n"))
}

#[test]
fn a_start_that_fills_a_warm_cache_is_not_the_one_that_is_measured() {
    let place = Place::new();
    let (engine, server) = compiling(&place, "compile", CompileCacheState::Warm);
    let log = place.path().join("server.log");
    let (found, said) = start_and_stop(&engine, &server, &log);
    assert_eq!(found, Some(CompileCache::Warm));
    assert!(said.contains("this start filled the compile cache and is not measured"), "{said}");
    assert_eq!(place.read("starts").lines().count(), 2);
    let (found, said) = start_and_stop(&engine, &server, &log);
    assert_eq!(found, Some(CompileCache::Warm));
    assert!(!said.contains("compile cache"), "{said}");
    assert_eq!(place.read("starts").lines().count(), 3);
    assert_nothing_left(&place);
}

#[test]
fn a_server_that_compiles_every_time_is_measured_as_cold_with_a_warning() {
    let place = Place::new();
    let (engine, server) = compiling(&place, "compile-again", CompileCacheState::Warm);
    let (found, said) = start_and_stop(&engine, &server, &place.path().join("server.log"));
    assert_eq!(found, Some(CompileCache::Cold));
    assert!(said.contains("warning: the server compiled again"), "{said}");
    assert_eq!(place.read("starts").lines().count(), 2);
}

#[test]
fn every_start_finds_a_cold_cache_empty_and_leaves_nothing_of_it() {
    let place = Place::new();
    let (engine, server) = compiling(&place, "compile", CompileCacheState::Cold);
    for _ in 0..2 {
        let (found, _) = start_and_stop(&engine, &server, &place.path().join("server.log"));
        assert_eq!(found, Some(CompileCache::Cold));
    }
    let starts = place.read("starts");
    assert_eq!(starts.lines().count(), 2);
    assert!(starts.lines().all(|folder| !Path::new(folder).exists()), "{starts}");
    assert_nothing_left(&place);
}
