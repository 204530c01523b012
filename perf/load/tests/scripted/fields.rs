//! Servers that do not know every field: a field that is refused is left out, with a remark.

use perf_model::record::left_out::LeftOut;
use perf_model::record::sample::{FailureKind, Outcome};
use perf_model::spec::load::{Arrivals, Load, OutputLength, Prompts};
use perf_model::spec::request_field::RequestField;
use serde_json::Value;

use crate::server::{DONE, Ran, Reply, Server, load, run};

/// Every field that a server may not know, as the paths in a body.
const UNUSUAL: [&str; 5] =
    ["cache_salt", "min_tokens", "ignore_eos", "temperature", "stream_options"];

/// A load of two requests, with so many to warm up.
fn asked(warmup: u32) -> Load {
    Load { warmup, ..load(Arrivals::Concurrency(2), 2) }
}

/// What comes of a load on a server that refuses bodies as `refuses` says.
fn on(load: &Load, refuses: impl Fn(&Value) -> Option<String> + Send + Sync + 'static) -> Ran {
    run(load, |clock| {
        Server::new(clock, |_| Reply::tokens(&[(10, 1), (10, 3)]))
            .refusing(move |body| refuses(body).map(|words| Reply::json(400, &words)))
    })
}

fn left_out(ran: &Ran) -> Vec<RequestField> {
    let measured = ran.result.as_ref().unwrap();
    measured.left_out.iter().map(|LeftOut { field, .. }| *field).collect()
}

/// A server that says nothing but that it does not like one of these fields.
fn knows_not(fields: &'static [&'static str]) -> impl Fn(&Value) -> Option<String> + Send + Sync {
    |body| {
        let refused = fields.iter().find(|field| body.get(**field).is_some())?;
        Some(format!(
            "{{\"error\":{{\"message\":\"Unrecognized request argument supplied: {refused}\"}}}}"
        ))
    }
}

#[test]
fn a_field_that_the_server_refuses_is_left_out_with_or_without_a_warm_up() {
    for warmup in [0, 1, 4] {
        let ran = on(&asked(warmup), knows_not(&["cache_salt", "min_tokens"]));
        assert_eq!(left_out(&ran), [RequestField::CacheSalt, RequestField::MinTokens]);
        let said = ran.result.unwrap().left_out[0].refusal.clone().unwrap();
        assert_eq!(said, "400 Bad Request: Unrecognized request argument supplied: cache_salt");
        assert_eq!(ran.samples.len(), 2);
        assert!(ran.samples.iter().all(|sample| sample.outcome == Outcome::Succeeded));
        let last = &ran.log.asked.last().unwrap().body;
        assert!(last.get("cache_salt").is_none() && last.get("ignore_eos").is_some(), "{last}");
    }
}

#[test]
fn a_server_that_names_no_field_is_tried_without_each() {
    let ran = on(&asked(1), |body| {
        body["stream_options"].get("continuous_usage_stats").map(|_| "Bad Request".to_owned())
    });
    assert_eq!(left_out(&ran), [RequestField::ContinuousUsageStats]);
}

#[test]
fn an_error_that_is_about_no_field_is_what_it_was() {
    let ran = on(&asked(1), |_| Some("{\"detail\":\"the license has expired\"}".to_owned()));
    let error = ran.result.unwrap_err().to_string();
    assert!(error.contains("400 Bad Request: the license has expired"), "{error}");
    let ran = on(&asked(0), |_| Some("{\"detail\":\"the license has expired\"}".to_owned()));
    assert_eq!(left_out(&ran), []);
    let failed = |sample: &perf_model::record::sample::Sample| {
        matches!(&sample.outcome, Outcome::Failed { kind: FailureKind::Refused, .. })
    };
    assert!(ran.samples.len() == 2 && ran.samples.iter().all(failed));
}

#[test]
fn without_any_of_the_fields_chunks_are_counted_and_the_sample_says_so() {
    const TEXT: &str = "data: {\"choices\":[{\"text\":\"x\",\"finish_reason\":null}]}\n\n";
    const LAST: &str = "data: {\"choices\":[{\"text\":\"x\",\"finish_reason\":\"stop\"}]}\n\n";
    let ran = run(&asked(1), |clock| {
        Server::new(clock, |_| Reply::stream([(10, TEXT), (10, LAST), (0, DONE)])).refusing(
            |body| {
                let refused = UNUSUAL.iter().find(|field| body.get(**field).is_some())?;
                Some(Reply::json(
                    422,
                    &format!("{{\"detail\":[{{\"loc\":[\"body\",\"{refused}\"]}}]}}"),
                ))
            },
        )
    });
    assert_eq!(left_out(&ran).len(), UNUSUAL.len());
    for sample in &ran.samples {
        assert_eq!(sample.outcome, Outcome::Succeeded);
        assert_eq!(sample.output_tokens, Some(2));
        assert!(sample.estimated.output_tokens && sample.estimated.chunk_tokens);
    }
}

#[test]
fn a_server_that_takes_only_text_gets_a_word_for_each_token() {
    let mut ids = asked(1);
    ids.workload.prompts =
        Prompts::RandomTokens { length: perf_model::spec::load::Length::Fixed(7) };
    let ran = on(&ids, |body| {
        body["prompt"].is_array().then(|| {
            "{\"detail\":[{\"type\":\"string_type\",\"loc\":[\"body\",\"prompt\"]}]}".to_owned()
        })
    });
    assert_eq!(left_out(&ran), [RequestField::TokenIds]);
    let prompt = ran.log.asked.last().unwrap().body["prompt"].as_str().unwrap().to_owned();
    assert_eq!(prompt.split(' ').count(), 7);
}

#[test]
fn a_field_can_be_left_out_on_request() {
    let mut fewer = asked(1);
    fewer.leave_out = vec![RequestField::CacheSalt];
    fewer.workload.output = OutputLength::AtMost(4);
    let ran = on(&fewer, |_| None);
    assert_eq!(left_out(&ran), [RequestField::CacheSalt]);
    assert_eq!(ran.result.unwrap().left_out[0].refusal, None);
    assert!(ran.log.asked.iter().all(|asked| asked.body.get("cache_salt").is_none()));
}

#[test]
fn fields_that_a_load_adds_reach_the_server_with_every_request() {
    let mut more = asked(1);
    more.body.set("tool_choice", "auto");
    let ran = on(&more, |_| None);
    assert_eq!(ran.result.unwrap().left_out, []);
    assert_eq!(ran.log.asked.len(), 3);
    assert!(ran.log.asked.iter().all(|asked| asked.body["tool_choice"] == "auto"));
}

#[test]
fn a_field_that_the_client_sends_itself_is_refused_before_anything_is_sent() {
    let mut more = asked(1);
    more.body.set("n", 2);
    let ran = on(&more, |_| None);
    let error = ran.result.unwrap_err().to_string();
    assert!(error.contains("its body cannot set `n`: one answer is measured"), "{error}");
    assert!(ran.log.asked.is_empty());
}
