//! How well GPUs were used: [`Packing`] of a log of leases, and of the same demand without any delay
//! ([`list_scheduled`]).

use std::collections::HashMap;

use super::{GPUS, Gpu, Wanted, gpus};
use crate::queue::Shares;

/// What one test asks for.
#[derive(Clone, Copy)]
pub(super) struct Demand {
    pub(super) needs: u8,
    pub(super) hold_us: u64,
}

/// What the tests of a thread ask for, one after the other: 1, 2 or 4 GPUs, for the given time on
/// average.
pub(super) fn demands(seed: u64, thread: u32, mean_us: u64) -> impl Iterator<Item = Demand> {
    let mut random = seed.wrapping_add(u64::from(thread) << 32);
    std::iter::repeat_with(move || {
        random =
            random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let needs = [1, 2, 4][(random >> 33) as usize % 3];
        Demand { needs, hold_us: mean_us / 2 + (random >> 40) % mean_us.max(1) }
    })
}

/// How well the GPUs were used.
pub(super) struct Packing {
    /// The share of the GPUs' time in which they were leased, from the first lease on.
    pub(super) leased: f64,
    /// From the release of GPUs, or the request if that was later, to the start of what took them: the
    /// median and what 90 % of them stayed within.
    pub(super) handover_us: (f64, f64),
}

/// A lease of the log. One that was killed ends then, and one that still ran ends with the log.
struct Leased {
    asked: f64,
    begun: f64,
    ended: f64,
    gpus: Vec<u32>,
}

impl Packing {
    /// From the lines `begin NAME ASKED BEGUN GPUS`, `end NAME AT` and `killed PID AT`, where a name
    /// begins with a process id.
    pub(super) fn of(log: &str) -> Self {
        let mut leases: HashMap<&str, Leased> = HashMap::new();
        let mut last = 0.0_f64;
        for line in log.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let number = |at: usize| words[at].parse::<f64>().unwrap();
            match words[0] {
                "begin" => {
                    let gpus = words[4].split(',').map(|gpu| gpu.parse().unwrap()).collect();
                    let (asked, begun) = (number(2), number(3));
                    let lease = Leased { asked, begun, ended: f64::INFINITY, gpus };
                    leases.insert(words[1], lease);
                    last = last.max(begun);
                }
                "end" => {
                    leases.get_mut(words[1]).unwrap().ended = number(2);
                    last = last.max(number(2));
                }
                _ => {
                    let of = format!("{}-", words[1]);
                    let of_killed = leases.iter_mut().filter(|(name, _)| name.starts_with(&of));
                    of_killed.for_each(|(_, lease)| lease.ended = lease.ended.min(number(2)));
                }
            }
        }
        let mut leases: Vec<Leased> = leases.into_values().collect();
        leases.sort_by(|one, other| one.begun.total_cmp(&other.begun));
        let first = leases[0].begun;
        let used = leases
            .iter()
            .map(|it| (it.ended.min(last) - it.begun) * it.gpus.len() as f64)
            .sum::<f64>();
        let mut released = [0.0_f64; GPUS as usize];
        let mut handovers = Vec::new();
        for Leased { asked, begun, ended, gpus } in &leases {
            let free = gpus.iter().map(|gpu| released[*gpu as usize]).fold(*asked, f64::max);
            handovers.push(begun - free);
            for gpu in gpus {
                released[*gpu as usize] = *ended;
            }
        }
        handovers.sort_by(f64::total_cmp);
        let at = |tenths: usize| handovers[handovers.len() * tenths / 10];
        Self { leased: used / f64::from(GPUS) / (last - first), handover_us: (at(5), at(9)) }
    }
}

/// A test that waits in a queue without any delay.
struct Asked {
    test: usize,
    wanted: Wanted,
    hold_us: u64,
    overtaken: u32,
}

/// The first whose turn it is, and the GPUs that it takes.
fn next(queue: &[Asked], free: &[&Gpu], most_overtaken: u32) -> Option<(usize, Vec<u32>)> {
    let mut shares = Shares::of(free);
    queue
        .iter()
        .enumerate()
        .find_map(|(at, it)| Some((at, shares.add(&it.wanted, it.overtaken >= most_overtaken)?)))
}

/// The share of the GPUs' time in which the same demand leases them without any delay, by the rule of the
/// queue with another limit of overtaking. Without a limit that is a list scheduler: everything that fits
/// starts, the first that waits first.
pub(super) fn list_scheduled(
    processes: u32,
    threads: u32,
    mean_us: u64,
    leases: usize,
    most_overtaken: u32,
) -> f64 {
    let mut tests: Vec<_> = (0..processes * threads)
        .map(|at| demands(u64::from(at / threads), at % threads, mean_us))
        .collect();
    let machine = gpus();
    let mut free: Vec<&Gpu> = machine.iter().collect();
    let mut queue: Vec<Asked> = Vec::new();
    let mut running: Vec<(u64, Vec<&Gpu>, usize)> = Vec::new();
    let (mut now, mut used) = (0_u64, 0_u64);
    let mut ask = |test: usize, queue: &mut Vec<Asked>| {
        let Demand { needs, hold_us } = tests[test].next().unwrap();
        let wanted = Wanted { gpus: needs, ..Wanted::default() };
        queue.push(Asked { test, wanted, hold_us, overtaken: 0 });
    };
    (0..(processes * threads) as usize).for_each(|test| ask(test, &mut queue));
    for _ in 0..leases {
        while let Some((next, taken)) = next(&queue, &free, most_overtaken) {
            queue[..next].iter_mut().for_each(|it| it.overtaken += 1);
            let Asked { test, hold_us, .. } = queue.remove(next);
            let (taken, left) = free.iter().partition(|gpu| taken.contains(&gpu.setup.index));
            running.push((now + hold_us, taken, test));
            free = left;
        }
        let ends = (0..running.len()).min_by_key(|at| running[*at].0).unwrap();
        let (end, given_back, test) = running.swap_remove(ends);
        used += (GPUS as usize - free.len()) as u64 * (end - now);
        now = end;
        free.extend(given_back);
        ask(test, &mut queue);
    }
    used as f64 / f64::from(GPUS) / now as f64
}

#[test]
fn a_scheduler_without_delay_keeps_gpus_busy_and_fairness_costs_a_few_percent() {
    let of = |most| list_scheduled(3, 14, 500_000, 1_000, most);
    assert!(of(u32::MAX) > 0.97 && of(crate::queue::MOST_OVERTAKEN) > 0.94);
    assert!(of(0) < of(crate::queue::MOST_OVERTAKEN));
}

#[test]
fn a_log_gives_the_share_of_time_and_one_that_was_killed_ends_then() {
    let log = "begin 7-0-0 0 100 0,1,2,3\nbegin 8-0-0 0 100 4,5,6,7\nend 7-0-0 200\nkilled 8 150\nbegin 7-0-1 200 210 0\nend 7-0-1 \
               300";
    let packing = Packing::of(log);
    // 4 × 100, 4 × 50 and 1 × 90 of 8 × 200.
    assert!((packing.leased - 690.0 / 1_600.0).abs() < 1e-9, "{}", packing.leased);
    assert!((packing.handover_us.0 - 100.0).abs() < 1e-9, "{}", packing.handover_us.0);
}
