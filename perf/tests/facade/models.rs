//! Several models in one load, as a suite measures and compares it.

use perf::prelude::*;
use perf_model::analysis::run_analysis::RunAnalysis;
use perf_model::judge::verdict::Verdict;
use perf_model::record::finding::FindingCode;

use crate::common::Place;

/// What the other tests run, each in a process of its own.
#[test]
fn inner_scenario() -> perf::Result {
    let Some(behaviour) = crate::common::behaviour() else { return Ok(()) };
    let engine = Vllm::under_test()
        .model("tiny")
        .simulated_as("generic")
        .switch("--enable-lora")
        .arg("--lora-modules", "adapter=/adapters/a");
    let mix = match behaviour.as_str() {
        "even" => [("tiny", 1.0), ("adapter", 1.0)],
        "unknown" => [("tiny", 1.0), ("adaptor", 1.0)],
        "zero" => [("tiny", 1.0), ("adapter", 0.0)],
        _ => [("tiny", 3.0), ("adapter", 1.0)],
    };
    let load = Load::new("mix").model_mix(mix).requests(8).output_tokens(exactly(8));
    Suite::new("inner").load(load).run_on(engine)?.hold()
}

#[test]
fn a_mix_of_models_is_drawn_from_the_seed_and_shown_by_model() {
    let places = [(); 2].map(|()| {
        let place = Place::new(module_path!());
        place.simulated("mix").refresh().run().assert_success();
        place
    });
    let [first, second] = places.each_ref().map(|place| place.record("mix"));
    let models: Vec<u16> = first.samples.iter().filter_map(|sample| sample.model).collect();
    assert_eq!(models.iter().filter(|place| **place == 0).count(), 6, "{models:?}");
    assert_eq!(models.iter().filter(|place| **place == 1).count(), 2, "{models:?}");
    assert_eq!(first.samples, second.samples);
    // Each model is warmed up.
    assert!(first.header.arrivals.ends_with("after 2 to warm up"), "{}", first.header.arrivals);
    let remarks = RunAnalysis::of(&first).remarks;
    let said = remarks.iter().find(|it| it.code == FindingCode::RequestsByModel).unwrap();
    assert!(said.message.starts_with("requests by model: `tiny` 6, TTFT P50 "), "{said}");
    assert!(said.message.contains("; `adapter` 2, TTFT P50 "), "{said}");
    let baseline = places[0].read("baselines/simulated/inner/mix.snap");
    assert!(baseline.contains("models tiny (3) and adapter (1)\"\n"), "{baseline}");
}

#[test]
fn another_mix_of_models_is_incomparable() {
    let place = Place::new(module_path!());
    place.simulated("mix").refresh().run().assert_success();
    let ended = place.simulated("even").run();
    assert_eq!(ended.report().verdict, Verdict::Incomparable);
}

#[test]
fn a_model_that_the_server_does_not_have_and_a_weight_of_zero_are_refused() {
    let place = Place::new(module_path!());
    place.simulated("unknown").run().assert_failed_with(&["404", "`adaptor` does not exist"]);
    place.simulated("zero").run().assert_failed_with(&[
        "the weight of model `adapter` is 0; give a number above 0, or leave the model out",
    ]);
}
