//! Work that does not wait for other work, on several threads, its results in the order of the work:
//! [`in_order`].

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;

use anyhow::Result;
use perf_model::spec::engine_kind::EngineKind;
use perf_model::spec::settings::Settings;

/// How many scenarios may be measured at once. Several on the simulated engine: it has a virtual time
/// in each process, so they do not slow each other down. One on a real engine, and one where a
/// budget is shared, because each scenario gets what those before it left.
pub(crate) fn most(settings: &Settings) -> usize {
    match settings.engine {
        EngineKind::Simulated if settings.budget.gpu_s.is_none() => cores(),
        _ => 1,
    }
}

/// How many processes this machine runs at once.
pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// Does `work` on each item, `most` of them at once, and takes each result in the order of the items.
/// `take` says whether to go on. What has begun then ends, and its result is dropped.
///
/// # Errors
/// The first error of `take`.
pub(crate) fn in_order<T: Sync, R: Send>(
    items: &[T],
    most: usize,
    work: impl Fn(&T) -> R + Sync,
    mut take: impl FnMut(&T, R) -> Result<bool>,
) -> Result<()> {
    if most <= 1 {
        for item in items {
            if !take(item, work(item))? {
                break;
            }
        }
        return Ok(());
    }
    let (next, work) = (AtomicUsize::new(0), &work);
    thread::scope(|scope| {
        let (sender, results) = channel();
        for _ in 0..most.min(items.len()) {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                while let Some((index, item)) = pick(items, next) {
                    // The receiver is gone once `take` has stopped.
                    if sender.send((index, work(item))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        let mut early: Vec<Option<R>> = items.iter().map(|_| None).collect();
        let mut taken = 0;
        for (index, result) in results {
            early[index] = Some(result);
            while let Some(result) = early.get_mut(taken).and_then(Option::take) {
                if !take(&items[taken], result)? {
                    return Ok(());
                }
                taken += 1;
            }
        }
        Ok(())
    })
}

fn pick<'a, T>(items: &'a [T], next: &AtomicUsize) -> Option<(usize, &'a T)> {
    let index = next.fetch_add(1, Ordering::SeqCst);
    items.get(index).map(|item| (index, item))
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use anyhow::bail;
    use perf_model::spec::settings::Budget;

    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_work_although_the_first_ends_last() {
        let second_ended = Barrier::new(2);
        let work = |item: &u32| {
            second_ended.wait();
            item * 10
        };
        let mut taken = Vec::new();
        in_order(&[1, 2], 2, work, |item, result| {
            taken.push((*item, result));
            Ok(true)
        })
        .unwrap();
        assert_eq!(taken, [(1, 10), (2, 20)]);
    }

    #[test]
    fn one_at_a_time_begins_nothing_before_the_result_of_the_last_was_taken() {
        let log = std::sync::Mutex::new(Vec::new());
        let work = |item: &u32| log.lock().unwrap().push(format!("work {item}"));
        in_order(&[1, 2], 1, work, |item, ()| {
            log.lock().unwrap().push(format!("take {item}"));
            Ok(true)
        })
        .unwrap();
        assert_eq!(*log.lock().unwrap(), ["work 1", "take 1", "work 2", "take 2"]);
    }

    #[test]
    fn nothing_is_taken_after_the_answer_to_stop_or_an_error() {
        for most in [1, 3] {
            let items: Vec<u32> = (0..100).collect();
            let mut taken = 0;
            let until_two = |_: &u32, ()| {
                taken += 1;
                Ok(taken < 2)
            };
            in_order(&items, most, |_| (), until_two).unwrap();
            assert_eq!(taken, 2);
            let fails = in_order(
                &items,
                most,
                |_| (),
                |item, ()| match item {
                    0 => Ok(true),
                    _ => bail!("no room"),
                },
            );
            assert_eq!(fails.unwrap_err().to_string(), "no room");
        }
    }

    #[test]
    fn only_simulated_scenarios_without_a_shared_budget_run_side_by_side() {
        let simulated = Settings { engine: EngineKind::Simulated, ..Settings::default() };
        assert_eq!(most(&simulated), cores());
        let budget = Budget { gpu_s: Some(60.0), ..Budget::default() };
        assert_eq!(most(&Settings { budget, ..simulated }), 1);
        assert_eq!(most(&Settings { engine: EngineKind::Process, ..Settings::default() }), 1);
    }
}
