//! When requests are sent, and what dropping a run does.

use std::collections::HashSet;
use std::time::Duration;

use perf_clock::run_virtual;
use perf_load::{LoadError, measure, schedule};
use perf_model::record::sample::FailureKind;
use perf_model::spec::load::{Api, Arrivals, Length, Load, Prompts};
use perf_model::spec::units::per_second;

use crate::server::{Ran, Reply, Server, load, run, us};

/// Request n takes 1000 µs × (1 + n % 3).
fn uneven(index: usize) -> Reply {
    let each = 250 * (1 + index as u64 % 3);
    Reply::tokens(&[(each, 1), (each, 1), (each, 1), (each, 1)])
}

fn asked_us(ran: &Ran) -> Vec<u64> {
    ran.log.asked.iter().map(|asked| asked.at_us).collect()
}

#[test]
fn one_at_a_time_sends_the_next_when_the_last_has_ended() {
    let ran = run(&load(Arrivals::OneAtATime, 4), |clock| Server::new(clock, uneven));
    assert_eq!(asked_us(&ran), [0, 1_000, 3_000, 6_000]);
    assert_eq!(ran.log.peak, 1);
    assert!(
        ran.samples.iter().all(|sample| sample.succeeded() && sample.intended_us == sample.sent_us)
    );
}

#[test]
fn a_closed_loop_is_kept_full_and_never_exceeded() {
    let ran = run(&load(Arrivals::Concurrency(2), 6), |clock| Server::new(clock, uneven));
    // Two lanes: the first frees at 1, 4 and 5 ms, the second at 2, 3 and 6 ms.
    assert_eq!(asked_us(&ran), [0, 0, 1_000, 2_000, 3_000, 4_000]);
    assert_eq!(ran.log.peak, 2);
    let ends: Vec<(u32, u64)> =
        ran.samples.iter().map(|sample| (sample.index, sample.end_us)).collect();
    assert_eq!(ends, [(0, 1_000), (1, 2_000), (3, 3_000), (2, 4_000), (4, 5_000), (5, 7_000)]);
}

#[test]
fn a_wave_starts_when_the_whole_last_one_has_ended() {
    let ran = run(&load(Arrivals::Waves(3), 7), |clock| Server::new(clock, uneven));
    assert_eq!(asked_us(&ran), [0, 0, 0, 3_000, 3_000, 3_000, 6_000]);
    assert!(
        ran.samples.iter().all(|sample| sample.intended_us == u64::from(sample.index / 3) * 3_000)
    );
}

#[test]
fn a_width_above_the_number_of_requests_is_no_trouble() {
    for arrivals in [Arrivals::Concurrency(9), Arrivals::Waves(9)] {
        let ran = run(&load(arrivals, 2), |clock| Server::new(clock, uneven));
        assert_eq!((ran.samples.len(), ran.log.peak), (2, 2));
    }
}

#[test]
fn an_open_loop_follows_its_schedule_with_any_responses() {
    for arrivals in
        [Arrivals::ConstantRate(per_second(300.0)), Arrivals::Poisson(per_second(300.0))]
    {
        let slow = |_| Reply { delay: Duration::from_secs(1), ..uneven(0) };
        let ran = run(&load(arrivals, 50), |clock| Server::new(clock, slow));
        let planned: Vec<u64> = schedule(arrivals, 50, 7)
            .iter()
            .map(|moment| u64::try_from(moment.as_micros()).unwrap())
            .collect();
        assert_eq!(asked_us(&ran), planned);
        assert_eq!(ran.log.peak, 50);
        assert!(
            ran.samples.iter().all(|sample| sample.intended_us == planned[sample.index as usize])
        );
        assert!(ran.samples.iter().all(|sample| sample.sent_us == sample.intended_us));
    }
}

#[test]
fn samples_are_handed_over_while_an_open_loop_still_waits() {
    let ended = run_virtual(|clock| async move {
        let server = Server::new(clock, uneven);
        let mut seen = Vec::new();
        let mut look = |sample: perf_model::record::sample::Sample| {
            seen.push((sample.end_us, clock.now().as_micros()));
        };
        let load = load(Arrivals::ConstantRate(per_second(1.0)), 3);
        measure(&load, &server.endpoint(), "tiny", 7, clock, &mut look).await.unwrap();
        seen
    });
    assert_eq!(ended, [(1_000, 1_000), (1_002_000, 1_002_000), (2_003_000, 2_003_000)]);
}

#[test]
fn a_failed_request_makes_room_for_the_next() {
    let ran =
        run(&load(Arrivals::OneAtATime, 3), |clock| Server::new(clock, |_| Reply::json(503, "{}")));
    let failed: Vec<bool> = ran.samples.iter().map(|sample| !sample.succeeded()).collect();
    assert_eq!(failed, [true; 3]);
    assert!(ran.result.is_ok());
}

#[test]
fn the_warm_up_comes_first_in_a_closed_loop_and_asks_something_else() {
    let mut load = load(Arrivals::Concurrency(2), 3);
    load.warmup = 5;
    load.workload.prompts = Prompts::RandomTokens { length: Length::Fixed(3) };
    let ran = run(&load, |clock| Server::new(clock, uneven));
    assert_eq!((ran.log.asked.len(), ran.log.peak), (8, 2));
    let of = |key: &str| -> Vec<String> {
        ran.log.asked.iter().map(|asked| asked.body[key].to_string()).collect()
    };
    assert_eq!(of("prompt").iter().collect::<HashSet<_>>().len(), 8);
    let salts = of("cache_salt");
    assert!(
        salts[..5].iter().all(|salt| *salt == salts[0])
            && salts[5..].iter().all(|salt| *salt == salts[5])
    );
    assert_ne!(salts[0], salts[5]);
    let indices: Vec<u32> = ran.samples.iter().map(|sample| sample.index).collect();
    assert_eq!(
        (indices.len(), ran.samples.iter().map(|sample| sample.sent_us).min()),
        (3, Some(0))
    );
}

#[test]
fn a_warm_up_that_fails_ends_the_run_and_says_why() {
    let mut load = load(Arrivals::Concurrency(2), 3);
    load.warmup = 5;
    let ran = run(&load, |clock| {
        Server::new(clock, |index| {
            if index == 2 { Reply::json(500, "{\"error\":\"out of memory\"}") } else { uneven(0) }
        })
    });
    let error = ran.result.unwrap_err();
    assert!(
        matches!(
            error,
            LoadError::WarmUp { number: 3, total: 5, kind: FailureKind::ServerError, .. }
        ),
        "{error:?}"
    );
    assert!(error.to_string().contains("500 Internal Server Error: out of memory"), "{error}");
    assert!(ran.samples.is_empty());
    assert!(ran.log.asked.len() < 5);
}

#[test]
fn the_same_seed_asks_the_same_at_the_same_time() {
    let mut load = load(Arrivals::Poisson(per_second(50.0)), 20);
    load.workload.prompts = Prompts::RandomTokens { length: Length::Fixed(3) };
    let (first, second) = (
        run(&load, |clock| Server::new(clock, uneven)),
        run(&load, |clock| Server::new(clock, uneven)),
    );
    assert_eq!(first.samples, second.samples);
    let bodies =
        |ran: &Ran| ran.log.asked.iter().map(|asked| asked.body.clone()).collect::<Vec<_>>();
    assert_eq!(bodies(&first), bodies(&second));
}

#[test]
fn dropping_a_run_stops_its_requests_and_loses_no_sample_that_had_ended() {
    for arrivals in
        [Arrivals::Concurrency(3), Arrivals::Waves(3), Arrivals::ConstantRate(per_second(3_000.0))]
    {
        run_virtual(|clock| async move {
            let hang = Reply { delay: Duration::from_secs(1), ..uneven(0) };
            let server =
                Server::new(clock, move |index| if index == 0 { uneven(0) } else { hang.clone() });
            let mut indices = Vec::new();
            let mut keep = |sample: perf_model::record::sample::Sample| indices.push(sample.index);
            let load = load(arrivals, 30);
            let endpoint = server.endpoint();
            let cut = clock
                .timeout(us(4_500), measure(&load, &endpoint, "tiny", 7, clock, &mut keep))
                .await;
            assert!(cut.is_err());
            // The tasks are stopped as soon as they come up.
            clock.sleep(us(1)).await;
            assert_eq!(server.log.lock().unwrap().under_way, 0);
            let asked = server.log.lock().unwrap().asked.len();
            clock.sleep(Duration::from_secs(5)).await;
            assert_eq!(server.log.lock().unwrap().asked.len(), asked);
            assert_eq!(indices, [0], "{arrivals}");
        });
    }
}

#[test]
fn a_load_that_no_run_can_follow_is_refused_before_anything_is_sent() {
    let refused = |change: &dyn Fn(&mut Load)| {
        let mut load = load(Arrivals::OneAtATime, 1);
        change(&mut load);
        let ran = run(&load, |clock| Server::new(clock, uneven));
        assert!(ran.log.asked.is_empty());
        ran.result.unwrap_err().to_string()
    };
    let chat = refused(&|load| {
        load.workload.api = Api::Chat;
        load.workload.prompts = Prompts::RandomTokens { length: Length::Fixed(4) };
    });
    assert_eq!(
        chat,
        "the load `scripted` cannot be run: chat does not accept token ids, and its prompts are random tokens; use completions or \
         prompts of text"
    );
    assert!(refused(&|load| load.requests = 0).contains("no requests"));
    assert!(refused(&|load| load.arrivals = Arrivals::Waves(0)).contains("0 requests at once"));
    assert!(
        refused(&|load| load.arrivals = Arrivals::Poisson(per_second(f64::NAN))).contains("rate")
    );
    assert!(refused(&|load| load.workload.temperature = -1.0).contains("temperature"));
    assert!(
        refused(&|load| load.workload.prompts = Prompts::RandomTokens { length: Length::Fixed(0) })
            .contains("empty")
    );
    assert!(refused(&|load| load.stall_limit = Duration::ZERO).contains("stall limit"));
}

#[test]
fn a_run_may_move_between_threads() {
    fn is_send<T: Send>(_: &T) {}
    run_virtual(|clock| async move {
        let endpoint = Server::new(clock, uneven).endpoint();
        let mut ignore = |_| {};
        let load = load(Arrivals::OneAtATime, 1);
        is_send(&measure(&load, &endpoint, "tiny", 7, clock, &mut ignore));
    });
}
