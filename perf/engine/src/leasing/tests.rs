//! Waiting for hardware, in virtual time.

use std::cell::RefCell;

use perf_model::record::gpu_setup::GpuSetup;
use tokio::sync::Notify;

use super::*;

fn gpu(index: u32) -> Gpu {
    GpuSetup { index, uuid: format!("GPU-{index}"), ..GpuSetup::default() }.into()
}

/// Leases of two GPUs with a wait, on a clock that jumps.
fn run<T>(test: impl AsyncFnOnce(Clock) -> T) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async { test(Clock::real()).await })
}

fn leasing<'a>(
    folder: &'a Path,
    gpus: &'a dyn Fn() -> Vec<Gpu>,
    needed: u8,
    wait_s: u64,
) -> Leasing<'a> {
    Leasing {
        folder,
        gpus,
        wanted: Wanted { gpus: needed, ..Wanted::default() },
        holder: Holder::this_process().measuring("0007", "chat"),
        wait: Duration::from_secs(wait_s),
        look: LOOK,
    }
}

#[test]
fn one_that_waits_says_for_what_and_gets_it_when_it_is_given_back() {
    let folder = tempfile::tempdir().unwrap();
    let all = || vec![gpu(4), gpu(5)];
    run(async |clock| {
        let (held, waiting) =
            (leasing(folder.path(), &all, 2, 0), leasing(folder.path(), &all, 1, 60));
        let first = held.lease(clock, &mut |_| {}).await.unwrap();
        let mut said = Vec::new();
        let mut progress = |line: &str| said.push(line.to_owned());
        let (lease, ()) = tokio::join!(waiting.lease(clock, &mut progress), async {
            clock.sleep(Duration::from_secs(30)).await;
            drop(first);
        });
        assert_eq!(lease.unwrap().leased()[0].setup.index, 4);
        assert_eq!(said.len(), 1, "{said:?}");
        let holder = Holder::this_process().measuring("0007", "chat");
        let begin = format!("waiting for 1 GPU: 4 and 5 held by {holder}; for 60 s at most");
        assert!(said[0].starts_with(&begin), "{said:?}");
    });
}

#[test]
fn a_wait_ends_at_its_limit_and_none_is_no_wait() {
    let folder = tempfile::tempdir().unwrap();
    let all = || vec![gpu(0)];
    run(async |clock| {
        let _held = leasing(folder.path(), &all, 1, 0).lease(clock, &mut |_| {}).await.unwrap();
        for limit in [0, 60] {
            let begun = clock.now();
            let error = leasing(folder.path(), &all, 1, limit).lease(clock, &mut |_| {}).await;
            assert!(matches!(error, Err(EngineError::Busy { .. })), "{error:?}");
            let waited = clock.now().saturating_sub(begun).as_secs();
            assert!((limit..=limit + 1).contains(&waited), "{waited}");
        }
    });
}

#[test]
fn one_that_takes_only_what_is_free_now_waits_for_nothing_and_joins_no_queue() {
    let folder = tempfile::tempdir().unwrap();
    let all = || vec![gpu(0), gpu(1)];
    run(async |clock| {
        let one = leasing(folder.path(), &all, 1, 60);
        let two = leasing(folder.path(), &all, 2, 60);
        let held = one.lease_now(clock, &mut |_| {}).await.unwrap().unwrap();
        let begun = clock.now();
        assert!(two.lease_now(clock, &mut |_| {}).await.unwrap().is_none());
        assert!(clock.now().saturating_sub(begun) < Duration::from_secs(1));
        // One that waited for two would be served before this one.
        let other = one.lease_now(clock, &mut |_| {}).await.unwrap().unwrap();
        assert_eq!((held.leased()[0].setup.index, other.leased()[0].setup.index), (0, 1));
        assert!(leasing(folder.path(), &all, 3, 0).lease_now(clock, &mut |_| {}).await.is_err());
    });
}

#[test]
fn one_that_is_interrupted_leaves_the_queue() {
    let folder = tempfile::tempdir().unwrap();
    let all = || vec![gpu(0)];
    run(async |clock| {
        let held = leasing(folder.path(), &all, 1, 0).lease(clock, &mut |_| {}).await.unwrap();
        let waiting = leasing(folder.path(), &all, 1, 60);
        let gave_up =
            clock.timeout(Duration::from_secs(5), waiting.lease(clock, &mut |_| {})).await;
        assert!(gave_up.is_err());
        drop(held);
        assert!(leasing(folder.path(), &all, 1, 0).lease(clock, &mut |_| {}).await.is_ok());
    });
}

/// Leases in real time, where nothing but being woken ends a wait within an hour.
fn woken<'a>(folder: &'a Path, gpus: &'a dyn Fn() -> Vec<Gpu>, needed: u8) -> Leasing<'a> {
    Leasing { look: Duration::from_hours(1), ..leasing(folder, gpus, needed, 7_200) }
}

#[test]
fn hardware_that_is_given_back_wakes_those_that_can_use_it_one_after_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let all = || (0..4).map(gpu).collect::<Vec<_>>();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let order = RefCell::new(Vec::new());
    runtime.block_on(async {
        let (clock, order) = (Clock::real(), &order);
        let lease = async |name: &'static str, needed, until: &Notify| {
            let leased =
                woken(folder.path(), &all, needed).lease(clock, &mut |_| {}).await.unwrap();
            order.borrow_mut().push(name);
            until.notified().await;
            drop(leased);
        };
        let [end_one, end_two, end_rest] = [Notify::new(), Notify::new(), Notify::new()];
        // They come in this order: the first await of each is after its first attempt.
        tokio::join!(
            lease("one", 2, &end_one),
            lease("two", 2, &end_two),
            lease("four", 4, &end_rest),
            lease("small", 1, &end_rest),
            lease("other small", 1, &end_rest),
            async {
                while std::fs::read_dir(folder.path().join("queue-gpu")).map_or(0, Iterator::count)
                    < 3
                {
                    tokio::task::yield_now().await;
                }
                // The one for four cannot use two; the next two can.
                end_one.notify_one();
                while order.borrow().len() < 4 {
                    tokio::task::yield_now().await;
                }
                end_two.notify_one();
                while order.borrow().len() < 5 {
                    end_rest.notify_waiters();
                    tokio::task::yield_now().await;
                }
                end_rest.notify_one();
            }
        );
    });
    assert_eq!(order.into_inner(), ["one", "two", "small", "other small", "four"]);
}

#[test]
fn those_that_wait_for_the_cpu_get_it_in_the_order_in_which_they_came() {
    let folder = tempfile::tempdir().unwrap();
    let none = Vec::new;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let order = RefCell::new(Vec::new());
    runtime.block_on(async {
        let clock = Clock::real();
        let held = woken(folder.path(), &none, 0).lease(clock, &mut |_| {}).await.unwrap();
        let lease = async |name| {
            let leased = woken(folder.path(), &none, 0).lease(clock, &mut |_| {}).await.unwrap();
            order.borrow_mut().push(name);
            drop(leased);
        };
        tokio::join!(lease(1), lease(2), lease(3), async {
            while std::fs::read_dir(folder.path().join("queue-cpu")).map_or(0, Iterator::count) < 3
            {
                tokio::task::yield_now().await;
            }
            drop(held);
        });
    });
    assert_eq!(order.into_inner(), [1, 2, 3]);
}
