//! What `perf.toml` may say, and what is refused.

use super::*;

/// With `INSTA_UPDATE=always` the file is written, as snapshots are.
#[test]
fn the_schema_describes_these_types() {
    let mut schema =
        serde_json::to_string_pretty(&schemars::schema_for!(Config)).unwrap_or_default();
    schema.push('\n');
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/perf.schema.json");
    if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        std::fs::write(file, &schema).unwrap();
    }
    let there = std::fs::read_to_string(file).unwrap();
    assert!(
        there == schema,
        "{file} is out of date; run `INSTA_UPDATE=always cargo test -p vllm-perf-model schema`"
    );
}

#[test]
fn an_empty_file_has_the_defaults() {
    assert_eq!(Config::from_toml("").unwrap(), Config::default());
}

#[test]
fn a_wrong_key_is_refused_and_the_nearest_known_one_named() {
    let error = Config::from_toml("[docker]\nimgae = \"a\"\n").unwrap_err();
    insta::assert_snapshot!(error);
}

#[test]
fn a_wrong_type_is_refused_with_its_place() {
    let error = Config::from_toml("starts = \"three\"\n").unwrap_err();
    insta::assert_snapshot!(error);
}

#[test]
fn a_model_of_the_hub_is_named_by_owner_and_name() {
    let of = |entry: &str| Config::from_toml(&format!("[models.m]\n{entry}\n"));
    assert!(of("hub = \"Qwen/Qwen2.5-7B-Instruct\"\nrevision = \"refs/pr/1\"").is_ok());
    for (entry, why) in [
        ("hub = \"Qwen2.5\"", "is no id; write OWNER/NAME"),
        ("hub = \"../x/y\"", "is no id"),
        ("hub = \"../x\"", "is no id"),
        ("path = \"/m\"\nrevision = \"main\"", "belongs to `hub`"),
        ("hub = \"o/n\"\nrevision = \"../../etc\"", "is no branch, tag or commit"),
    ] {
        let error = of(entry).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn models_may_be_on_the_machine_or_in_the_image() {
    let config = Config::from_toml(
        "[models.tiny]\nin_image = \"/models/tiny\"\n[models.big]\npath = \"/data/big\"\n",
    )
    .unwrap();
    assert_eq!(config.models["tiny"].in_image.as_deref(), Some("/models/tiny".as_ref()));
    assert_eq!(config.models["big"].path.as_deref(), Some("/data/big".as_ref()));
}

#[test]
fn what_cannot_be_meant_is_refused_by_the_name_of_its_key() {
    let wrong = [
        ("starts = 0", "starts = 0"),
        ("starts = 4294967295", "starts = 4294967295: the limit is 64, 5 are usual"),
        ("runs = 4294967295", "runs = 4294967295: the limit is 64"),
        (
            "start_timeout_s = 9223372036854775807",
            "start_timeout_s = 9223372036854775807: the limit is 86400, which is a day",
        ),
        ("[docker]\nshm_size_gib = 70000", "docker.shm_size_gib = 70000: the limit is"),
        ("runs = 0", "runs = 0"),
        ("start_timeout_s = 0", "start_timeout_s = 0"),
        ("models_folder = ''", "models_folder is empty"),
        ("[gate]\nmost_starts = 0", "gate.most_starts = 0"),
        ("[docker]\nshm_size_gib = 0", "docker.shm_size_gib = 0"),
        ("[docker]\nmemory_mib = 0", "docker.memory_mib = 0"),
        ("[docker]\nimage = 'vLLM:1'", "docker.image: `vLLM:1` is not the name of an image"),
        ("[docker.caches]\n'/a' = 'b'", "docker.caches: b is where"),
        ("[process]\nvllm = ''", "process.vllm is empty"),
        ("[models.tiny]", "models.tiny says nothing"),
    ];
    for (text, beginning) in wrong {
        let error = Config::from_toml(text).unwrap_err().to_string();
        assert!(error.starts_with(beginning), "{text}: {error}");
    }
}

#[test]
fn a_tier_has_the_gpu_time_that_is_written_or_no_limit() {
    let tiers = Config::from_toml("[tiers]\npr = \"30m\"\nnightly = '1.5h'\n").unwrap().tiers;
    let seconds = |tier| tiers.budget(tier).map(GpuTime::seconds);
    assert_eq!(Tier::ALL.map(seconds), [Some(1_800.0), Some(5_400.0), None]);
    let error = Config::from_toml("[tiers]\npr = \"8\"\n").unwrap_err().to_string();
    assert!(error.contains("`8` is not a GPU time"), "{error}");
}

#[test]
fn a_gate_that_cannot_be_is_refused_by_its_key() {
    for (line, key) in [
        ("most_starts = 2", "gate.most_starts = 2 allows no verdict"),
        ("most_starts = 65", "gate.most_starts = 65"),
        ("false_alarms = 0.0", "gate.false_alarms = 0 is not an error rate"),
        ("misses = 0.9", "gate.misses = 0.9 is not an error rate"),
        ("misses = nan", "gate.misses = NaN is not an error rate"),
        ("compare_pairs = 2", "gate.compare_pairs = 2 allows no verdict"),
        ("duet_pairs = 100", "gate.duet_pairs = 100 are too many"),
    ] {
        let error = Config::from_toml(&format!("[gate]\n{line}\n")).unwrap_err();
        assert!(error.message.starts_with(key), "{error}");
    }
}
