//! Conversations wait for answers and carry their history; a trace is asked at its own time stamps.

use std::io::Write;

use perf_model::record::sample::FailureKind;
use perf_model::spec::load::{Api, Arrivals, Length, Load, OutputLength, Prompts};
use serde_json::{Value, json};

use crate::server::{DONE, Reply, Server, failure, load, run};

/// An answer of two tokens, `a` and the number of the request, which takes 4 ms.
fn answer(index: usize) -> Reply {
    let chunk = |text: &str, total: u32, reason: &Value| {
        let choice = json!({"index": 0, "delta": {"content": text}, "finish_reason": reason});
        let usage = json!({"prompt_tokens": 3, "completion_tokens": total});
        format!("data: {}\n\n", json!({"choices": [choice], "usage": usage}))
    };
    let pieces = [
        (2_000, chunk("a", 1, &Value::Null)),
        (2_000, chunk(&index.to_string(), 2, &json!("length")) + DONE),
    ];
    Reply::stream(pieces)
}

fn conversations(arrivals: Arrivals, requests: u32) -> Load {
    let mut load = load(arrivals, requests);
    load.workload.prompts = Prompts::Conversations { turns: 3, words: Length::Fixed(2) };
    load.workload.api = Api::Chat;
    load.workload.output = OutputLength::Exactly(2);
    load
}

#[test]
fn each_turn_carries_what_was_said_and_waits_for_the_answer() {
    let ran = run(&conversations(Arrivals::OneAtATime, 4), |clock| Server::new(clock, answer));
    assert!(ran.result.is_ok());
    let messages = |index: usize| ran.log.asked[index].body["messages"].as_array().unwrap().clone();
    let roles = |index: usize| -> Vec<String> {
        messages(index).iter().map(|message| message["role"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(roles(0), ["user"]);
    assert_eq!(roles(2), ["user", "assistant", "user", "assistant", "user"]);
    assert_eq!(messages(2)[..3], messages(1)[..]);
    assert_eq!(
        (&messages(2)[1]["content"], &messages(2)[3]["content"]),
        (&json!("a0"), &json!("a1"))
    );
    // The fourth request opens the next conversation.
    assert_eq!(roles(3), ["user"]);
    assert_eq!(ran.log.asked[0].body["max_tokens"], 2);
    let intended: Vec<u64> = ran.samples.iter().map(|sample| sample.intended_us).collect();
    assert_eq!(intended, [0, 4_000, 8_000, 12_000]);
}

#[test]
fn several_conversations_go_on_at_once() {
    let ran = run(&conversations(Arrivals::Concurrency(2), 9), |clock| Server::new(clock, answer));
    assert!(
        ran.result.is_ok() && ran.samples.iter().all(perf_model::record::sample::Sample::succeeded)
    );
    assert_eq!((ran.samples.len(), ran.log.peak), (9, 2));
    // Two conversations of three turns at once, then the third alone.
    assert_eq!(ran.samples.iter().map(|sample| sample.end_us).max(), Some(24_000));
}

#[test]
fn a_turn_is_due_a_pause_after_the_answer_and_its_latency_counts_from_then() {
    let paused =
        Load { pause_ms: Some(Length::Fixed(250)), ..conversations(Arrivals::Concurrency(2), 9) };
    let ran = run(&paused, |clock| Server::new(clock, answer));
    assert!(ran.result.is_ok());
    let mut intended: Vec<(u32, u64)> =
        ran.samples.iter().map(|sample| (sample.index, sample.intended_us)).collect();
    intended.sort_unstable();
    let intended: Vec<u64> = intended.into_iter().map(|(_, at)| at).collect();
    // Each answer takes 4 ms. The third conversation opens at once when the first is over.
    assert_eq!(intended, [0, 254_000, 508_000, 0, 254_000, 508_000, 512_000, 766_000, 1_020_000]);
    for sample in &ran.samples {
        assert_eq!(sample.sent_us, sample.intended_us, "request {}", sample.index);
        assert_eq!(sample.end_us - sample.intended_us, 4_000, "request {}", sample.index);
    }
}

#[test]
fn pauses_of_one_conversation_do_not_hold_up_another() {
    let paused = Load {
        pause_ms: Some(Length::Uniform { min: 1, max: 2_000 }),
        ..conversations(Arrivals::Concurrency(4), 12)
    };
    let ran = run(&paused, |clock| Server::new(clock, answer));
    assert!(ran.samples.iter().all(|sample| sample.sent_us == sample.intended_us));
    let again = run(&paused, |clock| Server::new(clock, answer));
    assert_eq!(ran.samples, again.samples);
}

#[test]
fn a_failure_ends_its_conversation_and_the_others_go_on() {
    let ran = run(&conversations(Arrivals::OneAtATime, 6), |clock| {
        Server::new(clock, |index| {
            if index == 1 { Reply::json(500, "{\"error\":\"no\"}") } else { answer(index) }
        })
    });
    let indices: Vec<u32> = ran.samples.iter().map(|sample| sample.index).collect();
    assert_eq!(indices, [0, 1, 2, 3, 4, 5]);
    assert_eq!(failure(&ran.samples[1]).0, FailureKind::ServerError);
    assert_eq!(
        failure(&ran.samples[2]),
        (FailureKind::NotSent, "request 1 of its conversation failed")
    );
}

#[test]
fn a_trace_is_asked_when_it_was_recorded() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    // The scripted server counts 3 prompt tokens for any prompt.
    for (timestamp, input) in [(500, 3), (510, 3), (600, 3)] {
        writeln!(
            file,
            "{{\"timestamp\": {timestamp}, \"input_length\": {input}, \"output_length\": 2}}"
        )
        .unwrap();
    }
    let mut load = load(Arrivals::Recorded { speed: 2.0 }, 3);
    load.workload.prompts = Prompts::Trace(file.path().to_owned());
    let ran = run(&load, |clock| Server::new(clock, |_| Reply::tokens(&[(100, 1), (100, 1)])));
    assert!(
        ran.result.is_ok() && ran.samples.iter().all(perf_model::record::sample::Sample::succeeded)
    );
    assert_eq!(
        ran.log.asked.iter().map(|asked| asked.at_us).collect::<Vec<_>>(),
        [0, 5_000, 50_000]
    );
    let lengths: Vec<usize> =
        ran.log.asked.iter().map(|asked| asked.body["prompt"].as_array().unwrap().len()).collect();
    assert_eq!(lengths, [3, 3, 3]);
    assert_eq!(ran.log.asked[0].body["max_tokens"], 2);
}

#[test]
fn parts_that_do_not_go_together_are_refused() {
    let refused = |change: &dyn Fn(&mut Load)| {
        let mut load = conversations(Arrivals::OneAtATime, 1);
        change(&mut load);
        run(&load, |clock| Server::new(clock, answer)).result.unwrap_err().to_string()
    };
    assert!(refused(&|load| load.workload.api = Api::Completions).contains("declare it as a chat"));
    assert!(
        refused(&|load| load.arrivals = Arrivals::Waves(2))
            .contains("one at a time or concurrently")
    );
    assert!(
        refused(&|load| load.arrivals = Arrivals::Recorded { speed: 1.0 })
            .contains("one at a time")
    );
    assert!(
        refused(&|load| {
            load.workload.prompts = Prompts::Text("hi".into());
            load.arrivals = Arrivals::Recorded { speed: 1.0 };
        })
        .contains("take the prompts from the trace")
    );
    assert!(
        refused(&|load| {
            load.workload.prompts = Prompts::Prose { words: Length::Fixed(9) };
            load.pause_ms = Some(Length::Fixed(9));
        })
        .contains("take out the pause")
    );
    assert!(
        refused(&|load| load.pause_ms = Some(Length::Uniform { min: 9, max: 3 }))
            .contains("its pauses: its least length, 9, is above its most, 3")
    );
    assert!(
        refused(&|load| load.workload.prompts = Prompts::Prose { words: Length::Fixed(0) })
            .contains("0 words")
    );
    assert!(
        refused(&|load| load.workload.output =
            OutputLength::ExactlyOf(Length::Uniform { min: 9, max: 3 }))
        .contains("above its most")
    );
}
