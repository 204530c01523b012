//! To a client, every injected fault looks like the real fault.

use std::time::Duration;

use axum::Router;
use futures_util::future::join_all;
use http_body_util::BodyExt;
use perf_clock::{Clock, run_virtual};
use perf_sim::{Options, SimServer, profile};

use crate::support::{get, post, text, tiny};

const STREAM: &str = r#"{"prompt":[9,8,7],"max_tokens":8,"ignore_eos":true,"stream":true,"temperature":0,
    "stream_options":{"include_usage":true,"continuous_usage_stats":true}}"#;
const WHOLE: &str = r#"{"prompt":[9,8,7],"max_tokens":8,"ignore_eos":true}"#;

/// What a client sees: the status, the body as far as it came, and whether it broke off.
async fn ask(router: Router, body: &str) -> (u16, String, bool) {
    let response = post(router, "/v1/completions", body).await;
    let status = response.status().as_u16();
    let mut body = response.into_body();
    let mut text = String::new();
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap()),
            Err(_) => return (status, text, true),
        }
    }
    (status, text, false)
}

fn with<T>(injection: &str, body: impl AsyncFnOnce(SimServer, Clock) -> T) -> T {
    run_virtual(|clock| async move {
        let server = tiny("", injection, clock).await;
        body(server, clock).await
    })
}

#[test]
fn a_failing_request_is_answered_with_500() {
    let (status, text, _) = with("fail=1", async |server, _| ask(server.router(), WHOLE).await);
    assert_eq!(status, 500);
    assert!(text.contains("InternalServerError"), "{text}");
}

#[test]
fn a_share_of_the_requests_fails_and_the_rest_does_not() {
    let statuses = with("fail=0.1", async |server, _| {
        join_all((0..40).map(|_| ask(server.router(), WHOLE)))
            .await
            .into_iter()
            .map(|answer| answer.0)
            .collect::<Vec<_>>()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 500).count(), 4);
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 36);
}

#[test]
fn a_cut_stream_breaks_off_half_way() {
    let (status, text, broken) =
        with("cut=1", async |server, _| ask(server.router(), STREAM).await);
    assert_eq!((status, broken), (200, true));
    assert!(
        text.contains("\"completion_tokens\":4}") && !text.contains("\"completion_tokens\":5}"),
        "{text}"
    );
    assert!(!text.contains("[DONE]"));
}

#[test]
fn a_cut_body_is_shorter_than_announced() {
    let (status, text, broken) = with("cut=1", async |server, _| ask(server.router(), WHOLE).await);
    assert_eq!((status, broken), (200, true));
    assert!(serde_json::from_str::<serde_json::Value>(&text).is_err());
}

#[test]
fn an_error_in_band_ends_the_stream_as_a_dead_engine_does() {
    let (status, text, broken) =
        with("error-in-band=1", async |server, _| ask(server.router(), STREAM).await);
    let real = include_str!("../captures/stream-when-engine-killed.response");
    let ending: Vec<&str> = real.trim_end().rsplit("\n\n").take(2).collect();
    let events: Vec<&str> = text.trim_end().rsplit("\n\n").take(2).collect();
    assert_eq!((status, broken), (200, false));
    assert_eq!(events, ending);
    assert!(!text.contains("\"choices\":[]"), "an interrupted stream has no usage chunk: {text}");
}

#[test]
fn a_stalled_stream_neither_goes_on_nor_ends() {
    with("stall=1", async |server, clock| {
        let hour = Duration::from_hours(1);
        assert!(clock.timeout(hour, ask(server.router(), STREAM)).await.is_err());
        assert!(clock.timeout(hour, ask(server.router(), WHOLE)).await.is_err());
    });
}

#[test]
fn a_slower_decode_shows_in_the_time_between_tokens() {
    let time = |injection: &str| {
        with(injection, async |server, clock| {
            let begin = clock.now();
            ask(server.router(), &WHOLE.replace(":8,", ":500,")).await;
            clock.now().saturating_sub(begin).as_secs_f64()
        })
    };
    let slower = time("decode=1.05") / time("") - 1.0;
    assert!((slower - 0.05).abs() < 0.005, "{slower}");
}

#[test]
fn the_request_after_the_last_kills_the_engine_and_what_runs_beside_it() {
    with("die-after=1", async |server, _| {
        assert_eq!(ask(server.router(), STREAM).await.0, 200);
        assert_eq!(get(server.router(), "/health").await.status(), 200);
        let long = STREAM.replace("\"max_tokens\":8", "\"max_tokens\":400");
        let answers = join_all([STREAM, &long].map(|body| ask(server.router(), body))).await;
        for (status, text, broken) in answers {
            assert_eq!((status, broken), (200, false));
            assert!(
                text.contains("EngineCore encountered an issue")
                    && text.ends_with("data: [DONE]\n\n"),
                "{text}"
            );
        }
        server.died().await;
        assert!(server.is_dead());
        assert_eq!(get(server.router(), "/health").await.status(), 503);
        let real = include_str!("../captures/completion-after-engine-killed.response")
            .split_once("\r\n\r\n")
            .unwrap()
            .1;
        let (status, text, _) = ask(server.router(), WHOLE).await;
        assert_eq!((status, text.as_str()), (500, real.trim()));
    });
}

#[test]
fn an_injected_oom_fails_the_start() {
    let options = Options {
        profile: profile("generic").unwrap(),
        args: Vec::new(),
        model: "m".into(),
        seed: 0,
        injection: "oom".parse().unwrap(),
    };
    let failure = run_virtual(|clock| SimServer::start(options, clock)).unwrap_err();
    assert_eq!(failure.exit_code, 1);
    assert!(failure.cause.starts_with("torch.OutOfMemoryError: CUDA out of memory."), "{failure}");
}

#[test]
fn an_abandoned_request_leaves_the_engine() {
    let page = with("", async |server, clock| {
        let long = STREAM.replace("\"max_tokens\":8", "\"max_tokens\":4000");
        let limit = Duration::from_millis(500);
        assert!(clock.timeout(limit, ask(server.router(), &long)).await.is_err());
        clock.sleep(limit).await;
        text(get(server.router(), "/metrics").await).await
    });
    assert!(page.contains("finished_reason=\"abort\",model_name=\"/models/tiny\"} 1.0"), "{page}");
    assert!(
        page.contains("vllm:num_requests_running{engine=\"0\",model_name=\"/models/tiny\"} 0.0"),
        "{page}"
    );
}
