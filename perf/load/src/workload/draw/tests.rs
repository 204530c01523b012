//! What is drawn is exact, distinct where it should be, and follows from the seed.

use std::io::Write;

use perf_model::spec::load::Api;
use proptest::prelude::*;

use super::*;
use crate::workload::prompt::Turn;
use crate::workload::random::TOKEN_IDS;
use perf_model::spec::load::{Length, OutputLength};

fn workload(prompts: Prompts, output: OutputLength) -> Workload {
    Workload { prompts, output, api: Api::Completions, stream: true, temperature: 0.0 }
}

fn lines(text: &str, output: OutputLength) -> Result<PlannedRequests, LoadError> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    draw(&workload(Prompts::JsonLines(file.path().to_owned()), output), 3, 1, 1)
}

fn text(ask: &PlannedRequest) -> &str {
    match &ask.prompt {
        Prompt::Text(text) => text,
        Prompt::TokenIds(ids) => panic!("ids {ids:?} are not a text"),
    }
}

#[test]
fn a_sentence_is_repeated() {
    let prompts = Prompts::RepeatedSentence { sentence: "Hi. ".to_owned(), times: 3 };
    let asks = draw(&workload(prompts, OutputLength::AtMost(8)), 2, 1, 1).unwrap();
    assert_eq!((asks.measured.len(), asks.warm_up.len()), (2, 1));
    assert_eq!(text(&asks.measured[1]), "Hi. Hi. Hi. ");
}

#[test]
fn the_lines_of_a_file_are_used_in_order_and_again() {
    let file = "{\"prompt\": \"a\", \"output_tokens\": 5}\n\n{\"prompt\": \"b\", \"id\": 7}\n";
    let asks = lines(file, OutputLength::Exactly(9)).unwrap();
    assert_eq!(asks.measured.iter().map(text).collect::<Vec<_>>(), ["a", "b", "a"]);
    let outputs: Vec<OutputLength> = asks.measured.iter().map(|ask| ask.output).collect();
    assert_eq!(outputs, [5, 9, 5].map(OutputLength::Exactly));
    assert_eq!(
        lines(file, OutputLength::AtMost(9)).unwrap().measured[0].output,
        OutputLength::AtMost(5)
    );
}

#[test]
fn a_bad_line_is_skipped_and_named_by_its_number() {
    for (bad, why) in [
        ("{\"text\": \"a\"}", "missing field `prompt`"),
        ("{\"prompt\": 7}", "invalid type"),
        ("{\"prompt\": \"a\", \"output_tokens\": 0}", "`output_tokens` is 0"),
        ("{\"prompt", "EOF"),
    ] {
        let file = format!("{{\"prompt\": \"a\"}}\n{bad}\n");
        let skipped = lines(&file, OutputLength::AtMost(9)).unwrap().skipped.unwrap();
        assert_eq!((skipped.read, skipped.skipped), (2, 1));
        let text = skipped.first;
        assert!(text.starts_with("line 2: ") && text.contains(why), "{text}");
        // Without a good one, there is nothing to send.
        let error = lines(bad, OutputLength::AtMost(9)).unwrap_err().to_string();
        assert!(error.starts_with("line 1 of ") && error.contains(why), "{error}");
    }
}

#[test]
fn a_file_that_is_missing_or_empty_is_named() {
    let missing = Prompts::JsonLines("no/such/prompts.jsonl".into());
    let error = draw(&workload(missing, OutputLength::AtMost(9)), 1, 0, 1).unwrap_err().to_string();
    assert!(error.starts_with("the prompts in no/such/prompts.jsonl cannot be read"), "{error}");
    let error = lines("\n", OutputLength::AtMost(9)).unwrap_err().to_string();
    assert!(error.contains("it is empty"), "{error}");
}

proptest! {
    #[test]
    fn random_prompts_are_exact_distinct_and_follow_from_the_seed(
        length in 2_u32..40, measured in 1_u32..60, warm_up in 0_u32..20, seed: u64,
    ) {
        let workload = workload(Prompts::RandomTokens { length: Length::Fixed(length) }, OutputLength::Exactly(4));
        let asks = draw(&workload, measured, warm_up, seed).unwrap();
        let rows: Vec<&Vec<u32>> = asks.measured.iter().chain(&asks.warm_up).map(|ask| match &ask.prompt {
            Prompt::TokenIds(ids) => ids,
            Prompt::Text(text) => panic!("{text:?} is not a row of ids"),
        }).collect();
        prop_assert!(rows.iter().all(|row| row.len() == length as usize));
        prop_assert!(rows.iter().flat_map(|row| row.iter()).all(|id| TOKEN_IDS.contains(id)));
        prop_assert_eq!(rows.iter().collect::<HashSet<_>>().len(), rows.len());
        prop_assert_eq!(&draw(&workload, measured, warm_up, seed).unwrap(), &asks);
        // The warm-up has no say in what is measured.
        prop_assert_eq!(&draw(&workload, measured, 0, seed).unwrap().measured, &asks.measured);
    }
}

fn drawn(prompts: Prompts, output: OutputLength, count: u32, seed: u64) -> Vec<PlannedRequest> {
    draw(&workload(prompts, output), count, 2, seed).unwrap().measured
}

fn ids(ask: &PlannedRequest) -> &[u32] {
    match &ask.prompt {
        Prompt::TokenIds(ids) => ids,
        Prompt::Text(text) => panic!("{text:?} is not a row of ids"),
    }
}

#[test]
fn the_draws_of_prompts_of_one_length_never_change() {
    // Baselines rest on these; a draw that changes is another workload under the same name.
    let asks =
        drawn(Prompts::RandomTokens { length: Length::Fixed(4) }, OutputLength::Exactly(4), 2, 7);
    assert_eq!(
        asks.iter().map(ids).collect::<Vec<_>>(),
        [[1_518, 3_292, 3_749, 2_397], [2_343, 1_017, 1_175, 1_904]]
    );
}

#[test]
fn verse_shares_its_first_lines() {
    let asks =
        drawn(Prompts::Verse { file: None, shared: 3, own: 4 }, OutputLength::AtMost(9), 5, 1);
    let lines: Vec<Vec<&str>> = asks.iter().map(|ask| text(ask).lines().collect()).collect();
    assert!(
        lines.iter().all(|lines| lines.len() == 7 && lines[0].starts_with("The kettle counts"))
    );
    assert!(lines.windows(2).all(|pair| pair[0][3..] != pair[1][3..]));
    let few = draw(
        &workload(Prompts::Verse { file: None, shared: 900, own: 1 }, OutputLength::AtMost(9)),
        1,
        0,
        1,
    );
    assert!(few.unwrap_err().to_string().contains("every prompt begins with 900 of them"));
}

#[test]
fn conversations_open_and_follow() {
    let prompts = Prompts::Conversations { turns: 3, words: Length::Fixed(5) };
    let asks = drawn(prompts, OutputLength::AtMost(9), 5, 1);
    let turns: Vec<Turn> = asks.iter().map(|ask| ask.turn).collect();
    let follows = Turn::Follows { pause: Duration::ZERO };
    assert_eq!(turns, [Turn::Opens, follows, follows, Turn::Opens, follows]);
    assert!(asks.iter().all(|ask| text(ask).split(' ').count() == 5));
}

#[test]
fn pauses_add_up_to_the_same_time_in_every_run_and_come_before_follow_ups_only() {
    let prompts = Prompts::Conversations { turns: 3, words: Length::Fixed(5) };
    let pauses = |millis, seed| {
        let mut asks = drawn(prompts.clone(), OutputLength::AtMost(9), 30, seed);
        conversation::pause(&mut asks, millis, seed);
        let pause_of = |ask: &PlannedRequest| match ask.turn {
            Turn::Follows { pause } => Some(pause),
            _ => None,
        };
        asks.iter().map(pause_of).collect::<Vec<Option<Duration>>>()
    };
    let millis = Length::Uniform { min: 100, max: 900 };
    let (one, other) = (pauses(millis, 1), pauses(millis, 2));
    assert_eq!(one, pauses(millis, 1));
    assert_ne!(one, other);
    let sum = |pauses: &[Option<Duration>]| pauses.iter().flatten().sum::<Duration>();
    assert_eq!((one.iter().flatten().count(), sum(&one)), (20, sum(&other)));
    assert_eq!(sum(&pauses(Length::Fixed(250), 1)), Duration::from_secs(5));
}

#[test]
fn prose_has_as_many_words_as_were_drawn_and_no_prompt_twice() {
    let words = Length::Lognormal { median: 6, sigma: 0.8, max: 40 };
    let asks = |seed| {
        draw(&workload(Prompts::Prose { words }, OutputLength::AtMost(9)), 200, 50, seed).unwrap()
    };
    let of = asks(1);
    let mut counts: Vec<u32> = of
        .measured
        .iter()
        .map(|ask| u32::try_from(text(ask).split(' ').count()).unwrap())
        .collect();
    counts.sort_unstable();
    let mut meant = Batch::measured(200, 1).lengths(words);
    meant.sort_unstable();
    assert_eq!(counts, meant);
    let every: Vec<&str> = of.measured.iter().chain(&of.warm_up).map(text).collect();
    let long = || every.iter().filter(|text| text.split(' ').count() > 1);
    assert_eq!(long().collect::<HashSet<_>>().len(), long().count());
    assert_eq!(of, asks(1));
    assert_ne!(of, asks(2));
}

#[test]
fn conversations_of_a_file_come_in_an_order_from_the_seed() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let entry = |index: usize| {
        format!(
            r#"{{"conversations": [{{"from": "human", "value": "question {index}"}}, {{"from": "gpt", "value": "1234567"}}]}}"#
        )
    };
    let entries: Vec<String> = (0..20).map(entry).collect();
    write!(file, "[{}]", entries.join(",")).unwrap();
    let of = |seed| {
        drawn(Prompts::ShareGpt(file.path().to_owned()), OutputLength::AtMost(100), 25, seed)
    };
    let (first, other) = (of(1), of(2));
    assert!(first.iter().all(|ask| ask.output == OutputLength::AtMost(2)));
    assert_eq!(first[..20].iter().map(text).collect::<HashSet<_>>().len(), 20);
    assert_eq!(first[20..], first[..5]);
    assert_ne!(first, other);
    assert_eq!(first, of(1));
}

proptest! {
    #[test]
    fn random_lengths_are_exact_and_the_same_in_every_order(
        min in 2_u32..20, more in 0_u32..30, count in 1_u32..40, seed: u64,
    ) {
        let length = Length::Uniform { min, max: min + more };
        let of = |seed| drawn(Prompts::RandomTokens { length }, OutputLength::ExactlyOf(length), count, seed);
        let asks = of(seed);
        prop_assert_eq!(&asks, &of(seed));
        prop_assert!(asks.iter().all(|ask| (min..=min + more).contains(&u32::try_from(ids(ask).len()).unwrap())));
        prop_assert!(asks.iter().all(|ask| matches!(ask.output, OutputLength::Exactly(n) if n >= min && n <= min + more)));
        let asked = |asks: &[PlannedRequest]| asks.iter().map(|ask| (ids(ask).len(), ask.output.limit())).fold((0, 0), |sum, one| {
            (sum.0 + one.0, sum.1 + one.1)
        });
        prop_assert_eq!(asked(&asks), asked(&of(seed.wrapping_add(1))));
        let at_most = drawn(Prompts::RandomTokens { length }, OutputLength::AtMostOf(length), count, seed);
        let limits = |asks: &[PlannedRequest]| asks.iter().map(|ask| ask.output.limit()).collect::<Vec<_>>();
        prop_assert_eq!(limits(&at_most), limits(&asks));
        prop_assert!(at_most.iter().all(|ask| matches!(ask.output, OutputLength::AtMost(_))));
    }

    #[test]
    fn prefixes_are_shared_equally_and_prompts_stay_distinct(
        prefixes in 1_u32..6, prefix in 4_u32..20, suffix in 4_u32..20, rounds in 1_u32..8, seed: u64,
    ) {
        let prompts = Prompts::SharedPrefix {
            prefixes,
            prefix_length: Length::Fixed(prefix),
            suffix_length: Length::Fixed(suffix),
        };
        let asks = drawn(prompts, OutputLength::Exactly(4), prefixes * rounds, seed);
        prop_assert!(asks.iter().all(|ask| ids(ask).len() == (prefix + suffix) as usize));
        prop_assert_eq!(asks.iter().map(ids).collect::<HashSet<_>>().len(), asks.len());
        let mut uses = std::collections::HashMap::new();
        for ask in &asks {
            *uses.entry(&ids(ask)[..prefix as usize]).or_insert(0) += 1;
        }
        prop_assert_eq!(uses.len(), prefixes as usize);
        prop_assert!(uses.values().all(|times| *times == rounds));
    }
}
