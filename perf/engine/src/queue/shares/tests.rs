//! Shares of those that wait, beside all ways to share that there are.

use perf_model::record::gpu_setup::GpuSetup;
use proptest::prelude::*;

use super::*;

/// GPUs of three models and two sizes.
fn machine(kinds: &[u8]) -> Vec<Gpu> {
    let gpu = |(kind, index): (&u8, u32)| GpuSetup {
        index,
        name: ["H200", "A100", "L4"][usize::from(kind % 3)].into(),
        memory_mib: Some([80_000, 40_000][usize::from(kind / 3)]),
        ..GpuSetup::default()
    };
    kinds.iter().zip(0..).map(|it| gpu(it).into()).collect()
}

fn wanted() -> impl Strategy<Value = Wanted> {
    let model = prop::sample::select(vec![None, Some("h200"), Some("a100"), Some("l4")]);
    let memory_mib = prop::sample::select(vec![None, Some(60_000)]);
    (1_u8..=4, model, memory_mib).prop_map(|(gpus, model, memory_mib)| Wanted {
        gpus,
        model: model.map(str::to_owned),
        memory_mib,
    })
}

/// Whether so many GPUs can be given to each, in all ways that there are.
fn can_give(parts: &[(usize, &Wanted)], free: &[&Gpu]) -> bool {
    let Some((gpu, rest)) = free.split_first() else {
        return parts.iter().all(|(needed, _)| *needed == 0);
    };
    let to = |at: usize| {
        let (needed, wanted) = parts[at];
        let mut parts = parts.to_vec();
        parts[at].0 = needed.saturating_sub(1);
        needed > 0 && wanted.fits(gpu) && can_give(&parts, rest)
    };
    (0..parts.len()).any(to) || can_give(parts, rest)
}

/// How many of what it wants each gets, in order: all, or nothing, or as much as possible for one that
/// keeps a part.
fn expected<'a>(requests: &'a [(Wanted, bool)], free: &[&Gpu]) -> Vec<(usize, &'a Wanted)> {
    let mut parts: Vec<(usize, &Wanted)> = Vec::new();
    for (wanted, keeps_part) in requests {
        let all = usize::from(wanted.gpus);
        let can_have = |count: &usize| {
            let more: Vec<_> = parts.iter().copied().chain([(*count, wanted)]).collect();
            can_give(&more, free)
        };
        let most = (0..=all).rev().find(can_have).unwrap();
        parts.push((if most == all || *keeps_part { most } else { 0 }, wanted));
    }
    parts
}

proptest! {
    #[test]
    fn one_that_is_served_never_takes_what_one_before_it_could_take(
        kinds in prop::collection::vec(0_u8..6, 0..6),
        requests in prop::collection::vec((wanted(), any::<bool>()), 1..5),
    ) {
        let machine = machine(&kinds);
        let free: Vec<&Gpu> = machine.iter().collect();
        let mut shares = Shares::of(&free);
        let expected = expected(&requests, &free);
        for (at, (wanted, keeps_part)) in requests.iter().enumerate() {
            let taken = shares.add(wanted, *keeps_part);
            let is_served = expected[at].0 == usize::from(wanted.gpus);
            prop_assert_eq!(taken.is_some(), is_served, "{:?}", &requests[at]);
            let Some(taken) = taken else { continue };
            let (own, left): (Vec<&Gpu>, Vec<&Gpu>) =
                free.iter().partition(|gpu| taken.contains(&gpu.setup.index));
            prop_assert_eq!((taken.len(), own.len()), (expected[at].0, expected[at].0));
            prop_assert!(own.iter().all(|gpu| wanted.fits(gpu)));
            prop_assert!(can_give(&expected[..at], &left));
        }
    }
}

#[test]
fn a_share_prefers_gpus_behind_one_switch() {
    let near = |index: u32| {
        let switch = index / 4 * 4;
        let same_switch = (switch..switch + 4).filter(|other| *other != index).collect();
        GpuSetup { index, same_switch, ..GpuSetup::default() }.into()
    };
    let machine: Vec<Gpu> = (0..8).map(near).collect();
    let free: Vec<&Gpu> = machine.iter().filter(|gpu| gpu.setup.index != 6).collect();
    let two = Wanted { gpus: 2, ..Wanted::default() };
    let four = Wanted { gpus: 4, ..Wanted::default() };
    let mut shares = Shares::of(&free);
    assert_eq!(shares.add(&two, false), Some(vec![4, 5]));
    assert_eq!(shares.add(&four, false), Some(vec![0, 1, 2, 3]));
}
