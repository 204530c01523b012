//! Places in the queue, one after the other: whose turn it is, and who is woken.

use std::collections::BTreeMap;
use std::time::SystemTime;

use perf_model::record::gpu_setup::GpuSetup;
use proptest::prelude::*;

use super::*;

fn queue() -> (tempfile::TempDir, Queue) {
    let folder = tempfile::tempdir().unwrap();
    let queue = Queue::of(folder.path(), "gpu");
    (folder, queue)
}

fn gpu(index: u32, name: &str) -> Gpu {
    let (name, memory_mib) = (name.into(), Some(80_000));
    GpuSetup { index, name, memory_mib, ..GpuSetup::default() }.into()
}

/// So many GPUs of one kind.
fn alike(count: u32) -> Vec<Gpu> {
    (0..count).map(|index| gpu(index, "NVIDIA H200")).collect()
}

fn of_any(gpus: u8) -> Wanted {
    Wanted { gpus, ..Wanted::default() }
}

fn of_model(gpus: u8, model: &str) -> Wanted {
    Wanted { model: Some(model.into()), ..of_any(gpus) }
}

/// What it takes of those that are free.
fn take(queue: &Queue, place: &mut Place, free: &[Gpu], wanted: &Wanted) -> Option<Vec<u32>> {
    queue.may_take(place, &free.iter().collect::<Vec<_>>(), wanted).unwrap()
}

/// One that has to wait.
fn place(queue: &Queue, free: &[Gpu], wanted: &Wanted) -> Place {
    let mut place = Place::default();
    assert_eq!(take(queue, &mut place, free, wanted), None);
    place
}

/// One that comes now, and does not wait.
fn newcomer(queue: &Queue, free: &[Gpu], wanted: &Wanted) -> Option<Vec<u32>> {
    take(queue, &mut Place::default(), free, wanted)
}

#[test]
fn the_first_that_waits_is_served_first() {
    let (_folder, queue) = queue();
    let (mut first, mut second) = (place(&queue, &[], &of_any(1)), place(&queue, &[], &of_any(1)));
    let one = alike(1);
    // One that comes later does not get what the first can take.
    assert_eq!(newcomer(&queue, &one, &of_any(1)), None);
    assert_eq!(take(&queue, &mut second, &one, &of_any(1)), None);
    assert!(take(&queue, &mut first, &one, &of_any(1)).is_some());
    assert!(take(&queue, &mut second, &one, &of_any(1)).is_some());
}

#[test]
fn one_for_four_is_overtaken_by_ones_for_one_only_so_often() {
    let (_folder, queue) = queue();
    let mut four = place(&queue, &alike(3), &of_any(4));
    for _ in 0..MOST_OVERTAKEN {
        assert!(newcomer(&queue, &alike(3), &of_any(1)).is_some());
    }
    let mut one = place(&queue, &alike(3), &of_any(1));
    assert!(take(&queue, &mut four, &alike(4), &of_any(4)).is_some());
    assert!(take(&queue, &mut one, &alike(1), &of_any(1)).is_some());
}

#[test]
fn one_that_waits_for_a_busy_model_keeps_no_one_from_a_free_gpu_of_another() {
    let (_folder, queue) = queue();
    let free = [gpu(1, "NVIDIA H200")];
    let mut waits = place(&queue, &free, &of_model(1, "A100"));
    for _ in 0..3 * MOST_OVERTAKEN {
        assert_eq!(newcomer(&queue, &free, &of_model(1, "H200")), Some(vec![1]));
        assert_eq!(newcomer(&queue, &free, &of_any(1)), Some(vec![1]));
    }
    // It was never overtaken: none of them took what it could have used.
    let both = [gpu(0, "NVIDIA A100-SXM4-80GB"), gpu(1, "NVIDIA H200")];
    assert_eq!(newcomer(&queue, &both, &of_model(1, "a100")), None);
    assert_eq!(newcomer(&queue, &both, &of_any(1)), Some(vec![1]));
    assert_eq!(take(&queue, &mut waits, &both, &of_model(1, "A100")), Some(vec![0]));
}

#[test]
fn one_that_waits_for_more_memory_keeps_no_one_from_a_smaller_gpu() {
    let (_folder, queue) = queue();
    let mut small = [gpu(0, "NVIDIA L4")];
    small[0].setup.memory_mib = Some(23_034);
    let large = Wanted { memory_mib: Some(40_000), ..of_any(1) };
    let _waits = place(&queue, &small, &large);
    assert_eq!(newcomer(&queue, &small, &of_any(1)), Some(vec![0]));
}

#[test]
fn one_that_can_do_with_another_gpu_leaves_the_model_that_is_wanted() {
    let (_folder, queue) = queue();
    let mut first = place(&queue, &[], &of_any(1));
    let free = [gpu(0, "NVIDIA H200"), gpu(1, "NVIDIA L4")];
    // The first would take GPU 0, and can do with GPU 1.
    assert_eq!(newcomer(&queue, &free, &of_model(1, "H200")), Some(vec![0]));
    assert_eq!(take(&queue, &mut first, &free[1..], &of_any(1)), Some(vec![1]));
}

#[test]
fn what_is_left_wakes_the_next_that_can_use_it() {
    let (_folder, queue) = queue();
    let mut first = place(&queue, &[], &of_model(1, "H200"));
    let _second = place(&queue, &[], &of_model(1, "A100"));
    let _third = place(&queue, &[], &of_model(1, "L4"));
    for number in 1..=3 {
        let ticket = std::fs::File::options().write(true).open(queue.path(number)).unwrap();
        ticket.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    }
    let free = [gpu(0, "NVIDIA H200"), gpu(1, "NVIDIA L4")];
    assert_eq!(take(&queue, &mut first, &free, &of_model(1, "H200")), Some(vec![0]));
    let is_woken = |number| {
        let touched = std::fs::metadata(queue.path(number)).unwrap().modified().unwrap();
        touched > SystemTime::UNIX_EPOCH
    };
    assert_eq!((is_woken(2), is_woken(3)), (false, true));
}

#[test]
fn a_ticket_says_what_is_wanted_with_a_model_of_several_words() {
    let wanted = of_model(4, "NVIDIA A100 80GB PCIe");
    let waiting = Waiting { number: 7, wanted, overtaken: 3 };
    assert_eq!(waiting.ticket(), "4 3 0 NVIDIA A100 80GB PCIe\n");
    let read = Waiting::of(7, &waiting.ticket()).unwrap();
    assert_eq!(read.wanted, Wanted { memory_mib: Some(0), ..waiting.wanted });
    assert_eq!((read.number, read.overtaken), (7, 3));
    assert!(Waiting::of(7, "4 8\n").is_none());
}

#[test]
fn one_that_gave_up_or_died_is_in_no_ones_way() {
    let (_folder, queue) = queue();
    drop(place(&queue, &[], &of_any(4)));
    // A file without a lock is what a killed process leaves.
    std::fs::write(queue.path(7), "4 8 0 \n").unwrap();
    assert!(newcomer(&queue, &alike(1), &of_any(1)).is_some());
    assert!(!queue.path(7).exists());
}

#[test]
fn a_waiting_place_does_not_stand_in_its_own_way() {
    let (_folder, queue) = queue();
    let mut only = place(&queue, &alike(1), &of_any(2));
    assert_eq!(take(&queue, &mut only, &alike(1), &of_any(2)), None);
    assert_eq!(take(&queue, &mut only, &alike(2), &of_any(2)), Some(vec![0, 1]));
    assert_eq!(std::fs::read_dir(&queue.folder).unwrap().count(), 0);
}

/// Two H200, three L4 and an A100.
fn mixed() -> Vec<Gpu> {
    let names = ["H200", "H200", "L4", "L4", "L4", "A100"];
    names.iter().zip(0..).map(|(name, index)| gpu(index, name)).collect()
}

/// A request that the machine can serve when all of it is free.
fn request() -> impl Strategy<Value = Wanted> {
    prop_oneof![
        (1_u8..=6).prop_map(of_any),
        (1_u8..=2).prop_map(|gpus| of_model(gpus, "H200")),
        (1_u8..=3).prop_map(|gpus| of_model(gpus, "L4")),
        Just(of_model(1, "A100")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Requests come in any order, and what is held is given back in any order.
    #[test]
    fn each_is_served_in_the_end_and_overtaken_only_so_often(
        requests in prop::collection::vec((request(), any::<prop::sample::Index>()), 1..40),
    ) {
        let (_folder, queue) = queue();
        let machine = mixed();
        let mut free: Vec<Gpu> = machine.clone();
        let mut held: Vec<Vec<u32>> = Vec::new();
        let mut waiting: Vec<(Place, Wanted)> = Vec::new();
        // How often others took what one could use, by ticket.
        let mut overtaken: BTreeMap<PathBuf, u32> = BTreeMap::new();
        let ended = requests.len();
        let mut steps = requests.into_iter();
        let mut rounds = 0;
        loop {
            let step = steps.next();
            // What is given back: after the last request the oldest.
            let back = step.as_ref().map_or(0, |(_, at)| at.index(held.len().max(1)));
            if !held.is_empty() && (step.is_none() || held.len() > 2) {
                let given_back = held.remove(back);
                free.extend(machine.iter().filter(|it| given_back.contains(&it.setup.index)).cloned());
                free.sort_by_key(|it| it.setup.index);
            }
            waiting.extend(step.map(|(wanted, _)| (Place::default(), wanted)));
            // All that wait look in order, so that each that is passed could not have all that it wants.
            let mut at = 0;
            while at < waiting.len() {
                let (place, wanted) = &mut waiting[at];
                let ticket = place.ticket().map(Path::to_owned);
                let Some(taken) = take(&queue, place, &free, wanted) else {
                    at += 1;
                    continue;
                };
                let fits = |wanted: &Wanted, index: &u32| wanted.fits(&machine[*index as usize]);
                prop_assert_eq!(taken.len(), usize::from(wanted.gpus));
                prop_assert!(taken.iter().all(|index| fits(wanted, index)));
                free.retain(|it| !taken.contains(&it.setup.index));
                for (place, wanted) in &waiting[..at] {
                    if taken.iter().any(|index| fits(wanted, index)) {
                        let times = overtaken.entry(place.ticket().unwrap().to_owned());
                        let times = times.and_modify(|times| *times += 1).or_insert(1);
                        prop_assert!(*times <= MOST_OVERTAKEN);
                    }
                }
                // The next may get a ticket of the same number.
                ticket.and_then(|ticket| overtaken.remove(&ticket));
                held.push(taken);
                waiting.remove(at);
            }
            rounds += 1;
            if steps.len() == 0 && waiting.is_empty() {
                break;
            }
            prop_assert!(rounds <= 4 * ended, "{waiting:?} wait for ever");
        }
    }
}
