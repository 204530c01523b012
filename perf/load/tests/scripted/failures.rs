//! Every way in which a request can fail is recognised, and what came before it is kept.

use perf_load::{Endpoint, measure, version};
use perf_model::record::oddity::{Oddity, OddityKind};
use perf_model::record::sample::{FailureKind, Sample};
use perf_model::spec::load::{Arrivals, Load, OutputLength};

use crate::server::{
    DONE, Ending, Reply, Server, answered, chunk, chunks, failure, load, run, usage,
};

fn one() -> Load {
    load(Arrivals::OneAtATime, 1)
}

fn at_most(tokens: u32) -> Load {
    let mut load = one();
    load.workload.output = OutputLength::AtMost(tokens);
    load
}

fn whole() -> Load {
    let mut load = one();
    load.workload.stream = false;
    load
}

/// Two chunks of one token at 10 and 20 µs, and then `rest` at 30 µs.
fn begun(rest: &str) -> Reply {
    Reply::stream([(10, chunk(1, None)), (10, chunk(2, None)), (10, rest.to_owned())])
}

fn stream(text: String) -> Reply {
    Reply::stream([(0, text)])
}

/// That the sample failed so, at `end_us`, and kept the two chunks of [`begun`].
fn assert_kept(sample: &Sample, kind: FailureKind, end_us: u64) {
    assert_eq!(failure(sample).0, kind, "{sample:?}");
    assert_eq!((chunks(sample), sample.end_us), (vec![(10, 1), (20, 1)], end_us));
    assert_eq!(sample.output_tokens, Some(2));
}

#[test]
fn an_error_status_is_repeated_with_the_servers_words() {
    let sample = answered(&one(), Reply::json(404, "{\"error\":{\"message\":\"no such model\"}}"));
    assert_eq!(failure(&sample), (FailureKind::Refused, "404 Not Found: no such model"));
    let bare = answered(&one(), Reply::json(503, ""));
    assert_eq!(failure(&bare), (FailureKind::ServerError, "503 Service Unavailable"));
    let long = answered(&one(), Reply::json(400, &"x".repeat(5_000)));
    assert!(failure(&long).1.chars().count() < 250);
    let broken = answered(&one(), Reply::json(400, "oops").ending(Ending::Breaks));
    assert_eq!(failure(&broken), (FailureKind::Refused, "400 Bad Request: oops"));
}

#[test]
fn an_error_inside_a_stream_is_one_even_if_the_stream_ends_well() {
    let error =
        "data: {\"error\":{\"message\":\"engine died\",\"code\":500}}\n\n".to_owned() + DONE;
    let sample = answered(&one(), begun(&error));
    assert_kept(&sample, FailureKind::ErrorInBand, 30);
    assert_eq!(failure(&sample).1, "engine died");
}

#[test]
fn a_stream_without_its_announced_end_is_cut_short() {
    let sample = answered(&one(), begun(""));
    assert_kept(&sample, FailureKind::CutShort, 30);
    assert_eq!(failure(&sample).1, "the stream ended without [DONE]; 2 of 4 tokens had come");
    let without_the_counts = stream(chunk(2, None) + &chunk(4, None));
    assert_eq!(failure(&answered(&one(), without_the_counts)).0, FailureKind::CutShort);
    let complete_but_for_the_end = stream(chunk(4, Some("length")) + &usage(4));
    let sample = answered(&one(), complete_but_for_the_end);
    assert!(sample.succeeded());
    assert_eq!(sample.oddities, [Oddity::plain(OddityKind::NoDone)]);
    assert!(
        failure(&answered(&one(), begun("data: {\"cho")))
            .1
            .starts_with("the stream ended inside an event")
    );
}

#[test]
fn a_connection_that_is_reset_is_distinguished_from_one_that_ends_too_early() {
    let sample = answered(&one(), begun("").ending(Ending::Breaks));
    assert_kept(&sample, FailureKind::Reset, 30);
    assert!(failure(&sample).1.contains("connection reset"));
    let sample = answered(&whole(), Reply::json(200, "{\"choices\":").ending(Ending::Breaks));
    assert_eq!(failure(&sample).0, FailureKind::Reset);
    assert_eq!(
        failure(&answered(&whole(), Reply::json(200, "{\"choices\":"))).0,
        FailureKind::CutShort
    );
}

#[test]
fn a_server_that_falls_silent_has_stalled() {
    let sample = answered(&one(), begun("").ending(Ending::Hangs));
    assert_kept(&sample, FailureKind::Stalled, 2_000_020);
    assert_eq!(failure(&sample).1, "nothing more for 2 s; 2 of 4 tokens had come");
    let mute = Reply { delay: std::time::Duration::from_hours(1), ..begun("") };
    let sample = answered(&one(), mute);
    assert_eq!(
        failure(&sample),
        (FailureKind::Stalled, "no response for 2 s; 0 of 4 tokens had come")
    );
    assert_eq!(sample.end_us, 2_000_000);
}

#[test]
fn comments_do_not_hide_that_a_server_has_fallen_silent() {
    let comment = || (900_000, ": keep-alive\n\n".to_owned());
    let reply = Reply::stream([(10, chunk(1, None)), comment(), comment(), comment(), comment()])
        .ending(Ending::Hangs);
    let sample = answered(&one(), reply);
    assert_eq!(
        failure(&sample),
        (FailureKind::Stalled, "nothing more for 2 s; 1 of 4 tokens had come")
    );
    assert_eq!(sample.end_us, 2_000_010);
}

#[test]
fn a_byte_now_and_then_inside_an_event_does_not_hide_a_stall() {
    let drip = std::iter::once((10, chunk(1, None)))
        .chain("data: {\"choices\":".chars().map(|byte| (1_000_000, byte.to_string())));
    let sample = answered(&one(), Reply::stream(drip).ending(Ending::Hangs));
    assert_eq!(failure(&sample).0, FailureKind::Stalled, "{sample:?}");
    assert_eq!(sample.end_us, 2_000_010);
}

#[test]
fn an_event_without_an_end_fails_the_request_and_not_the_client() {
    let pieces = |start: &str, rest: &str| {
        let mut pieces = vec![(0, rest.repeat(64 * 1024 / rest.len())); 40];
        pieces.insert(0, (0, start.to_owned()));
        pieces
    };
    for pieces in [pieces("data: ", "xxxx"), pieces("", "data: xxxxxxxxx\n")] {
        let sample = answered(&one(), Reply::stream(pieces).ending(Ending::Hangs));
        let (kind, detail) = failure(&sample);
        assert_eq!(kind, FailureKind::Malformed);
        assert!(detail.starts_with("the server sent an event of more than 1 MiB;"), "{detail}");
    }
}

#[test]
fn a_body_without_an_end_fails_the_request_and_not_the_client() {
    let piece = bytes::Bytes::from(vec![b' '; 1024 * 1024]);
    let endless = Reply::stream((0..80).map(|_| (0, piece.clone()))).ending(Ending::Hangs);
    let sample = answered(&whole(), endless);
    let (kind, detail) = failure(&sample);
    assert_eq!(kind, FailureKind::Malformed);
    assert!(detail.starts_with("the server sent a response of more than 64 MiB;"), "{detail}");
}

#[test]
fn more_tokens_than_the_bytes_of_a_response_can_hold_are_not_believed() {
    let reply = stream(chunk(1, None) + &chunk(10_000_000, Some("stop")) + DONE);
    let sample = answered(&at_most(10_000_000), reply);
    let (kind, detail) = failure(&sample);
    assert_eq!(kind, FailureKind::Malformed);
    assert!(
        detail.starts_with("the server counted 10000000 output tokens in a response of"),
        "{detail}"
    );
}

#[test]
fn a_second_choice_that_was_not_asked_for_is_malformed() {
    let two = "data: {\"choices\":[{\"text\":\"x\"},{\"text\":\"y\"}]}\n\n";
    let sample = answered(&one(), begun(two));
    assert_eq!(failure(&sample).0, FailureKind::Malformed);
    assert!(failure(&sample).1.starts_with("the server sent 2 choices"), "{sample:?}");
}

#[test]
fn a_text_that_the_server_read_with_fewer_tokens_than_it_has_was_cut() {
    let of = |count| {
        let ran = run(&one(), move |clock| {
            Server::new(clock, |_| Reply::tokens(&[(10, 4)])).with_tokenizer(count)
        });
        ran.samples[0].clone()
    };
    assert!(of(3).succeeded());
    let words = "the server read a prompt of 3 tokens, 9 were sent";
    assert_eq!(failure(&of(9)), (FailureKind::WrongPromptLength, words));
}

#[test]
fn an_answer_that_drips_for_longer_than_a_request_may_take_has_timed_out() {
    let mut load = one();
    load.request_limit = std::time::Duration::from_secs(3);
    let drip = (1..=4).map(|total| (1_500_000, chunk(total, None)));
    let sample = answered(&load, Reply::stream(drip));
    assert_eq!(
        failure(&sample),
        (FailureKind::TimedOut, "not complete after 3 s; 2 of 4 tokens had come")
    );
    assert_eq!(sample.end_us, 3_000_000);
}

#[test]
fn a_response_without_a_token_count_fails() {
    let bare = "data: {\"choices\":[{\"text\":\"x\",\"finish_reason\":\"length\"}]}\n\n".to_owned();
    let sample = answered(&one(), stream(bare + DONE));
    assert_eq!(failure(&sample).0, FailureKind::MissingUsage);
    assert_eq!((chunks(&sample), sample.output_tokens), (vec![(0, 1)], None));
    let body = "{\"choices\":[{\"text\":\"x\",\"finish_reason\":\"length\"}]}";
    assert_eq!(failure(&answered(&whole(), Reply::json(200, body))).0, FailureKind::MissingUsage);
}

#[test]
fn an_answer_without_tokens_is_empty() {
    for text in [
        DONE.to_owned(),
        usage(0) + DONE,
        chunk(0, Some("stop")).replace("\"x\"", "\"\"") + &usage(0) + DONE,
        usage(4) + DONE,
    ] {
        assert_eq!(
            failure(&answered(&one(), stream(text.clone()))).0,
            FailureKind::Empty,
            "{text}"
        );
    }
    let counted_wrong = chunk(0, Some("stop")) + &usage(0) + DONE;
    let sample = answered(&one(), stream(counted_wrong));
    assert_eq!(failure(&sample).0, FailureKind::Contradiction);
}

#[test]
fn another_length_than_asked_for_is_wrong() {
    let reply = |tokens, reason| stream(chunk(tokens, Some(reason)) + &usage(tokens) + DONE);
    let sample = answered(&one(), reply(3, "stop"));
    let words = "3 tokens came, exactly 4 were asked for (finish reason stop)";
    assert_eq!(failure(&sample), (FailureKind::WrongLength, words));
    assert_eq!(failure(&answered(&one(), reply(5, "length"))).0, FailureKind::WrongLength);
    assert_eq!(failure(&answered(&at_most(4), reply(5, "length"))).0, FailureKind::WrongLength);
    // Stopped by the server and not by the model: prompt and answer did not fit into its context.
    assert_eq!(failure(&answered(&at_most(4), reply(3, "length"))).0, FailureKind::WrongLength);
    assert!(answered(&at_most(4), reply(3, "stop")).succeeded());
}

#[test]
fn another_finish_reason_than_the_load_calls_for_is_wrong() {
    let reply = |reason| stream(chunk(4, reason) + &usage(4) + DONE);
    let sample = answered(&one(), reply(Some("stop")));
    assert_eq!(
        failure(&sample),
        (FailureKind::WrongFinishReason, "finish reason stop after 4 tokens")
    );
    assert_eq!(
        failure(&answered(&at_most(4), reply(Some("abort")))).0,
        FailureKind::WrongFinishReason
    );
    assert_eq!(failure(&answered(&at_most(4), reply(None))).1, "no finish reason after 4 tokens");
}

#[test]
fn bytes_that_break_the_protocol_are_malformed() {
    let sample = answered(&one(), begun("data: {\"choices\": 7}\n\n"));
    assert_kept(&sample, FailureKind::Malformed, 30);
    assert!(failure(&sample).1.contains("{\"choices\": 7}"), "{}", failure(&sample).1);
    assert_eq!(
        failure(&answered(&one(), stream("data: \u{fffd}\n\n".to_owned()))).0,
        FailureKind::Malformed
    );
    let html = |reply| Reply { content_type: Some("text/html".to_owned()), ..reply };
    assert_eq!(
        failure(&answered(&one(), html(stream("<html>\nBad Gateway".to_owned())))).1,
        "the response is text/html, not a stream of events; the server sent: <html> Bad Gateway"
    );
    // A stream under a wrong name is a stream.
    let sample = answered(&one(), html(stream(chunk(4, Some("length")) + &usage(4) + DONE)));
    assert_eq!(sample.oddities, [Oddity::with(OddityKind::ContentType, "text/html")]);
    assert!(sample.succeeded());
    assert_eq!(failure(&answered(&whole(), Reply::json(200, "<html>"))).0, FailureKind::Malformed);
}

#[test]
fn the_first_failure_is_the_one_that_counts() {
    let both = "data: nonsense\n\ndata: {\"error\":\"engine died\"}\n\n";
    assert_kept(&answered(&one(), begun(both)), FailureKind::Malformed, 30);
}

/// Port 9 is discard, which nothing serves: real time, since a refused connection is an answer of
/// the network.
#[test]
fn a_server_that_is_not_there_is_no_connection() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let samples = runtime.block_on(async {
        let clock = perf_clock::Clock::real();
        let endpoint = Endpoint::http("http://127.0.0.1:9").unwrap();
        assert_eq!(version(&endpoint, clock).await, None);
        let mut samples = Vec::new();
        let measured =
            measure(&one(), &endpoint, "tiny", 7, clock, &mut |sample| samples.push(sample))
                .await
                .unwrap();
        assert_eq!(measured.server, None);
        samples
    });
    assert_eq!(failure(&samples[0]).0, FailureKind::Connection);
    assert!(failure(&samples[0]).1.contains("refused"), "{}", failure(&samples[0]).1);
}
