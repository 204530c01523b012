//! That samples say what truly happened, to the microsecond.

use perf_model::record::chunks::Chunk;
use perf_model::record::sample::Sample;
use perf_model::spec::load::{Arrivals, OutputLength};
use proptest::prelude::*;

use crate::server::{DONE, Ending, Reply, Server, answered, chunk, chunks, load, run, us, usage};

#[test]
fn a_sample_is_the_script_to_the_microsecond() {
    let reply =
        Reply { delay: us(20_007), ..Reply::tokens(&[(101, 1), (11_701, 1), (3, 1), (11_699, 1)]) };
    let ran =
        run(&load(Arrivals::OneAtATime, 2), |clock| Server::new(clock, move |_| reply.clone()));
    let sample = |index: u32, start: u64| Sample {
        index,
        intended_us: start,
        sent_us: start,
        chunks: [20_108, 31_809, 31_812, 43_511]
            .map(|at: u64| Chunk { at_us: start + at, tokens: 1 })
            .into_iter()
            .collect(),
        end_us: start + 43_511,
        prompt_tokens: Some(3),
        output_tokens: Some(4),
        finish_reason: Some("length".to_owned()),
        ..perf_model::fixtures::sample()
    };
    assert_eq!(ran.samples, [sample(0, 0), sample(1, 43_511)]);
}

#[test]
fn chunks_glued_into_one_read_keep_their_tokens() {
    let glued = chunk(1, None) + &chunk(3, None);
    let sample = answered(
        &load(Arrivals::OneAtATime, 1),
        Reply::stream([(10, glued), (10, chunk(4, Some("length")) + &usage(4) + DONE)]),
    );
    assert!(sample.succeeded());
    assert_eq!(chunks(&sample), [(10, 1), (10, 2), (20, 1)]);
}

#[test]
fn a_chunk_of_several_tokens_counts_them_all() {
    let sample = answered(&load(Arrivals::OneAtATime, 1), Reply::tokens(&[(10, 1), (10, 3)]));
    assert!(sample.succeeded());
    assert_eq!(chunks(&sample), [(10, 1), (20, 3)]);
}

#[test]
fn a_chunk_is_as_old_as_its_first_byte() {
    let text = chunk(4, Some("length"));
    let (head, tail) = text.split_at(30);
    let reply = Reply::stream([(10, head.to_owned()), (5, tail.to_owned() + &usage(4) + DONE)]);
    assert_eq!(chunks(&answered(&load(Arrivals::OneAtATime, 1), reply)), [(10, 4)]);
}

#[test]
fn comments_between_events_change_nothing() {
    let pause = || (900_000, ": keep-alive\n\n".to_owned());
    let reply =
        Reply::stream([pause(), pause(), (10, chunk(4, Some("length")) + &usage(4) + DONE)]);
    let sample = answered(&load(Arrivals::OneAtATime, 1), reply);
    assert!(sample.succeeded());
    assert_eq!(chunks(&sample), [(1_800_010, 4)]);
}

#[test]
fn what_comes_after_the_announced_end_is_read_but_not_waited_for() {
    let open =
        answered(&load(Arrivals::OneAtATime, 1), Reply::tokens(&[(10, 4)]).ending(Ending::Hangs));
    assert!(open.succeeded());
    assert_eq!(open.end_us, 10);
    // The client waits a moment for it, and that moment is not the next request's.
    let ran = run(&load(Arrivals::OneAtATime, 2), |clock| {
        Server::new(clock, move |_| Reply::tokens(&[(10, 4)]).ending(Ending::Hangs))
    });
    let second = &ran.samples[1];
    assert_eq!(
        (second.intended_us, second.sent_us, second.ttft_ms()),
        (1_000_010, 1_000_010, Some(0.01))
    );
    let late =
        Reply::stream([(10, chunk(4, Some("length")) + &usage(4) + DONE), (30, "\n".to_owned())]);
    assert_eq!(answered(&load(Arrivals::OneAtATime, 1), late).end_us, 40);
    let broken =
        answered(&load(Arrivals::OneAtATime, 1), Reply::tokens(&[(10, 4)]).ending(Ending::Breaks));
    assert!(broken.succeeded());
}

#[test]
fn an_answer_that_is_not_streamed_has_an_end_and_no_chunks() {
    let mut load = load(Arrivals::OneAtATime, 1);
    load.workload.stream = false;
    load.workload.output = OutputLength::AtMost(9);
    let body = "{\"choices\":[{\"text\":\"x\",\"finish_reason\":\"stop\"}],\
                \"usage\":{\"prompt_tokens\":3,\"completion_tokens\":5}}";
    let (head, tail) = body.split_at(20);
    let reply = Reply {
        content_type: Some("application/json".to_owned()),
        ..Reply::stream([(7, head.to_owned()), (5, tail.to_owned())])
    };
    let sample = answered(&load, reply);
    assert!(sample.succeeded(), "{sample:?}");
    assert_eq!((sample.chunks.len(), sample.end_us, sample.output_tokens), (0, 12, Some(5)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_script_is_measured_exactly(script in prop::collection::vec((1_u64..100_000, 1_u32..6), 1..30), width in 1_u32..5) {
        let mut load = load(Arrivals::Concurrency(width), 2 * width);
        load.workload.output = OutputLength::Exactly(script.iter().map(|chunk| chunk.1).sum());
        let replies = script.clone();
        let ran = run(&load, |clock| Server::new(clock, move |_| Reply::tokens(&replies)));
        let length: u64 = script.iter().map(|chunk| chunk.0).sum();
        for sample in &ran.samples {
            prop_assert!(sample.succeeded(), "{sample:?}");
            let mut at = u64::from(sample.index / width) * length;
            prop_assert_eq!(sample.sent_us, at);
            let expected: Vec<(u64, u32)> = script.iter().map(|(pause, tokens)| {
                at += pause;
                (at, *tokens)
            }).collect();
            prop_assert_eq!(chunks(sample), expected);
            prop_assert_eq!(sample.end_us, at);
        }
    }
}
