//! Tests of the scheduler: batching, chunked prefill, preemption, prefix cache.

use proptest::prelude::*;

use super::*;

const ROOMY: Limits = Limits {
    max_num_seqs: 8,
    max_num_batched_tokens: 64,
    block_size: 16,
    blocks: 1_000,
    prefix_caching: true,
    speculation: None,
};

fn scheduler(limits: Limits) -> Scheduler {
    Scheduler::new(limits, Tokenizer::new(4096))
}

fn sequence(id: u64, prompt: Vec<u32>, target: usize) -> NewSequence {
    NewSequence { id, prompt: prompt.into(), target, output_state: id, cache_salt: String::new() }
}

fn distinct(id: u64, tokens: usize, target: usize) -> NewSequence {
    let first = u32::try_from(id).unwrap() * 1_000;
    sequence(id, (first..).take(tokens).collect(), target)
}

/// Steps until nothing is left; returns the plans.
fn run(scheduler: &mut Scheduler) -> Vec<StepPlan> {
    let mut plans = Vec::new();
    while scheduler.has_work() {
        let plan = scheduler.step();
        assert!(!plan.is_empty(), "stuck after {} steps", plans.len());
        scheduler.finish_step(&plan);
        plans.push(plan);
        assert!(plans.len() < 10_000);
    }
    plans
}

#[test]
fn a_lone_sequence_is_prefilled_once_and_then_decoded() {
    let mut scheduler = scheduler(ROOMY);
    scheduler.add(distinct(1, 20, 4));
    let loads: Vec<StepLoad> = run(&mut scheduler).iter().map(|plan| plan.load).collect();
    assert_eq!(loads[0], StepLoad { prefill_tokens: 20, decode_seqs: 0, context_tokens: 0 });
    let context: Vec<usize> = loads[1..].iter().map(|load| load.context_tokens).collect();
    assert_eq!(context, [20, 21, 22]);
    assert!((scheduler.cache_usage()).abs() < 1e-12);
}

#[test]
fn a_long_prompt_is_cut_into_chunks_that_leave_room_for_decoding() {
    let mut scheduler = scheduler(ROOMY);
    scheduler.add(distinct(1, 10, 20));
    let plan = scheduler.step();
    scheduler.finish_step(&plan);
    scheduler.add(distinct(2, 150, 1));
    let loads: Vec<(usize, usize)> = run(&mut scheduler)
        .iter()
        .map(|plan| (plan.load.decode_seqs, plan.load.prefill_tokens))
        .take(4)
        .collect();
    assert_eq!(loads, [(1, 63), (1, 63), (1, 24), (1, 0)]);
}

#[test]
fn no_more_sequences_run_than_allowed() {
    let mut scheduler = scheduler(Limits { max_num_seqs: 2, ..ROOMY });
    for id in 0..5 {
        scheduler.add(distinct(id, 8, 3));
    }
    scheduler.step();
    assert_eq!((scheduler.running(), scheduler.waiting()), (2, 3));
}

#[test]
fn equal_prompts_in_one_step_share_all_but_the_last_block() {
    let mut scheduler = scheduler(ROOMY);
    let prompt: Vec<u32> = (0..32).collect();
    scheduler.add(sequence(1, prompt.clone(), 2));
    scheduler.add(sequence(2, prompt, 2));
    let plan = scheduler.step();
    let cached: Vec<usize> =
        plan.admitted.iter().map(|admission| admission.cached_tokens).collect();
    assert_eq!(cached, [0, 16]);
    assert_eq!(plan.load.prefill_tokens, 32 + 16);
}

#[test]
fn a_finished_sequence_leaves_its_prefix_behind() {
    let mut scheduler = scheduler(ROOMY);
    scheduler.add(distinct(1, 40, 2));
    run(&mut scheduler);
    scheduler.add(distinct(1, 40, 2));
    assert_eq!(scheduler.step().admitted[0].cached_tokens, 32);
}

#[test]
fn a_conversation_finds_the_answer_it_was_given() {
    let mut scheduler = scheduler(ROOMY);
    let prompt: Vec<u32> = (0..10).collect();
    scheduler.add(sequence(7, prompt.clone(), 30));
    run(&mut scheduler);
    let tokenizer = Tokenizer::new(4096);
    let answered = prompt.into_iter().chain((0..30).map(|place| tokenizer.written(7, place)));
    scheduler.add(sequence(8, answered.collect(), 1));
    assert_eq!(scheduler.step().admitted[0].cached_tokens, 32);
}

#[test]
fn another_salt_finds_nothing() {
    let mut scheduler = scheduler(ROOMY);
    scheduler.add(distinct(1, 40, 2));
    run(&mut scheduler);
    scheduler.add(NewSequence { cache_salt: "other".into(), ..distinct(1, 40, 2) });
    assert_eq!(scheduler.step().admitted[0].cached_tokens, 0);
}

#[test]
fn without_prefix_caching_everything_is_computed() {
    let mut scheduler = scheduler(Limits { prefix_caching: false, ..ROOMY });
    for _ in 0..2 {
        scheduler.add(distinct(1, 40, 2));
        assert_eq!(run(&mut scheduler)[0].load.prefill_tokens, 40);
    }
}

#[test]
fn a_reset_forgets_prefixes_unless_blocks_are_held() {
    let mut scheduler = scheduler(ROOMY);
    scheduler.add(distinct(1, 40, 2));
    scheduler.step();
    assert!(!scheduler.reset_prefix_cache());
    scheduler.abort(1);
    assert!(scheduler.reset_prefix_cache());
    scheduler.add(distinct(1, 40, 2));
    assert_eq!(scheduler.step().admitted[0].cached_tokens, 0);
}

#[test]
fn the_latest_arrival_gives_way_when_blocks_run_out() {
    // Two sequences of up to 3 blocks each, and 4 blocks.
    let mut scheduler = scheduler(Limits { blocks: 4, prefix_caching: false, ..ROOMY });
    scheduler.add(distinct(1, 30, 10));
    scheduler.add(distinct(2, 30, 10));
    let plans = run(&mut scheduler);
    let preempted: Vec<u64> = plans.iter().flat_map(|plan| plan.preempted.clone()).collect();
    assert_eq!(preempted, [2]);
    let resumed: Vec<u64> = plans
        .iter()
        .flat_map(|plan| &plan.admitted)
        .filter(|admission| admission.resumed)
        .map(|it| it.id)
        .collect();
    assert_eq!(resumed, [2]);
}

#[test]
fn an_aborted_sequence_frees_its_blocks() {
    let mut scheduler = scheduler(ROOMY);
    scheduler.add(distinct(1, 40, 9));
    scheduler.step();
    assert!(scheduler.cache_usage() > 0.0);
    scheduler.abort(1);
    assert!(!scheduler.has_work() && scheduler.cache_usage() == 0.0);
}

proptest! {
    /// For all requests, each sequence gets its tokens, no step exceeds a limit, and no block is
    /// lost.
    #[test]
    fn every_sequence_is_served_within_the_limits(
        requests in prop::collection::vec((1_usize..80, 1_usize..20, 0_u32..3), 1..12),
        blocks in 7_usize..20,
        max_num_seqs in 1_usize..6,
        budget in 8_usize..80,
        prefix_caching: bool,
    ) {
        let limits = Limits { max_num_seqs, max_num_batched_tokens: budget, block_size: 16, blocks, prefix_caching, speculation: None };
        let mut scheduler = scheduler(limits);
        for (id, (tokens, target, family)) in (0_u64..).zip(&requests) {
            scheduler.add(sequence(id, (family * 100..).take(*tokens).collect(), *target));
        }
        let mut written = vec![0; requests.len()];
        while scheduler.has_work() {
            let plan = scheduler.step();
            prop_assert!(!plan.is_empty());
            prop_assert!(plan.scheduled.iter().map(|(_, tokens)| tokens).sum::<usize>() <= budget);
            prop_assert!(scheduler.running() <= max_num_seqs);
            for token in scheduler.finish_step(&plan) {
                let place = usize::try_from(token.id).unwrap();
                written[place] += 1;
                prop_assert_eq!(token.generated, written[place]);
            }
        }
        let wanted: Vec<usize> = requests.iter().map(|(_, target, _)| *target).collect();
        prop_assert_eq!(written, wanted);
        prop_assert!(scheduler.cache_usage() == 0.0);
    }
}

#[test]
fn a_step_that_speculates_writes_what_was_accepted_and_one_more() {
    let speculation = Some(Speculation { tokens: 3 });
    let mut scheduler = scheduler(Limits { speculation, ..ROOMY });
    scheduler.add(distinct(1, 20, 100));
    let (mut steps, mut drafted, mut accepted, mut generated) = (0, 0, 0, 0);
    while scheduler.has_work() {
        let plan = scheduler.step();
        for written in scheduler.finish_step(&plan) {
            steps += usize::from(written.drafted > 0);
            drafted += written.drafted;
            accepted += written.accepted;
            generated = written.generated;
        }
    }
    assert_eq!((generated, drafted), (100, 3 * steps));
    // The first token is of the prompt.
    assert_eq!(1 + steps + accepted, 100);
    assert!(steps < 50, "{steps}");
}
