//! Sweeps whose servers are up side by side: as many as there are GPUs for, with the same figures, and
//! a journal that a killed run goes on with.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use perf::prelude::*;
use perf_model::sweep::journal::Line;
use perf_model::sweep::report::SweepReport;

use crate::common::{ANY_LATENESS, Place};
use crate::sweeping::{asked, assert_same_sweep, report};

/// What the other tests run, each in a process of its own.
#[test]
fn inner_scenario() -> perf::Result {
    let Some(behaviour) = crate::common::behaviour() else { return Ok(()) };
    let load = Load::new("load").prompts(random_tokens(4)).output_tokens(exactly(8));
    let load = load.requests(8).lateness_limit(ANY_LATENESS);
    let server = Vllm::under_test().model("tiny").simulated_as("qwen3-8b-8gpus");
    let (gpus, most) = match behaviour.as_str() {
        "alone" => (1, 1),
        "three at once" => (1, 3),
        "three GPUs each" => (3, 8),
        _ => (1, 0),
    };
    Sweep::new("inner")
        .server(server.gpus(gpus))
        .load(load)
        .argument("--max-num-seqs", [2, 4, 8, 16, 32])
        .concurrency([1, 4])
        .goal("throughput", output_throughput())
        .side_by_side(most)
        .run()?
        .done()
}

/// The lines of the journal, without the declaration.
fn journal(place: &Place) -> Vec<Line> {
    let text = place.read("run/inner/sweep.jsonl");
    text.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The most starts that were under way at once.
fn most_at_once(place: &Place) -> usize {
    let (mut now, mut most) = (0_usize, 0);
    for line in journal(place) {
        match line {
            Line::Started { .. } => now += 1,
            Line::Stopped { .. } => now -= 1,
            Line::Measured { .. } | Line::Failed { .. } => {}
        }
        most = most.max(now);
    }
    assert_eq!(now, 0, "a start has no end");
    most
}

/// How often each cell was measured.
fn measured(place: &Place) -> BTreeMap<usize, usize> {
    let mut cells = BTreeMap::new();
    for line in journal(place) {
        if let Line::Measured { cell, .. } = line {
            *cells.entry(cell).or_default() += 1;
        }
    }
    cells
}

/// The records of a run, by their places in it.
fn records(place: &Place) -> BTreeMap<PathBuf, String> {
    fn gather(folder: &Path, into: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { gather(&path, into) } else { into.push(path) }
        }
    }
    let (root, mut files) = (place.path("run/inner"), Vec::new());
    gather(&root, &mut files);
    let is_record = |path: &PathBuf| {
        path.extension() == Some("jsonl".as_ref()) && !path.ends_with("sweep.jsonl")
    };
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        (path.strip_prefix(&root).unwrap().to_owned(), text)
    };
    files.into_iter().filter(is_record).map(read).collect()
}

#[test]
fn servers_side_by_side_give_the_records_and_figures_of_servers_one_after_the_other() {
    let (alone, packed) = (Place::new(module_path!()), Place::new(module_path!()));
    asked(alone.simulated("alone"), false).run().assert_success();
    asked(packed.simulated("three at once"), false).run().assert_success();
    assert_eq!((most_at_once(&alone), most_at_once(&packed)), (1, 3));
    assert_eq!(records(&packed).len(), 10);
    assert_eq!(records(&packed), records(&alone));
    assert_eq!(report(&packed), report(&alone));
    assert_eq!(report(&packed).counts(), (10, 0, 0));
    assert!(!packed.has("run/inner/locks"), "the locks of simulated GPUs are left");
}

#[test]
fn no_more_servers_are_up_than_the_machine_has_gpus_for() {
    let place = Place::new(module_path!());
    asked(place.simulated("three GPUs each"), false).run().assert_success();
    assert_eq!(most_at_once(&place), 2, "8 GPUs are enough for two servers of three");
    assert_eq!(report(&place).counts(), (10, 0, 0));
}

#[test]
fn a_packed_sweep_is_the_same_byte_for_byte_in_every_simulated_run() {
    let (place, again) = (Place::new(module_path!()), Place::new(module_path!()));
    for place in [&place, &again] {
        asked(place.simulated("three at once"), false).run().assert_success();
    }
    assert_same_sweep(&place, &again);
}

#[test]
fn a_run_that_ended_with_several_starts_under_way_goes_on_and_repeats_no_finished_cell() {
    let place = Place::new(module_path!());
    asked(place.simulated("three at once"), false).run().assert_success();
    let whole = report(&place);
    // As a kill leaves it: three starts have begun, none has ended, and a line is cut off.
    let text = place.read("run/inner/sweep.jsonl");
    let begun = text.match_indices("{\"started\"").nth(2).unwrap().0;
    let stopped = text.find("{\"stopped\"").unwrap();
    assert!(begun < stopped, "{text}");
    let kept = text[..stopped].trim_end().rsplit_once('\n').unwrap().0;
    place.write("run/inner/sweep.jsonl", format!("{kept}\n{{\"measured\":{{\"cell\":5,"));
    asked(place.simulated("three at once"), true).run().assert_success();
    assert!(place.read("run/inner/sweep.jsonl").starts_with(kept), "what was finished is gone");
    assert_eq!(measured(&place), (0..10).map(|cell| (cell, 1)).collect());
    // Cell 5 is now the first of a start; before, it was the second.
    let others = |report: SweepReport| [&report.cells[..5], &report.cells[6..]].concat();
    assert_eq!(others(report(&place)), others(whole));
}

#[test]
fn the_command_line_goes_over_what_is_declared_and_the_budget_counts_what_is_under_way() {
    let place = Place::new(module_path!());
    let inner = asked(place.simulated("alone"), false).settings(|settings| {
        settings.budget.starts = Some(3);
        settings.sweep.as_mut().unwrap().side_by_side = Some(2);
    });
    inner.run().assert_success();
    assert_eq!(most_at_once(&place), 2);
    assert_eq!((report(&place).counts(), report(&place).starts), ((6, 0, 4), 3));
}

#[test]
fn no_server_at_once_is_refused() {
    let place = Place::new(module_path!());
    let none = asked(place.simulated("none"), false).run();
    none.assert_failed_with(&["sweep `inner`: it allows 0 servers at once; give at least one"]);
}

/// On GPUs that the stand-in for NVML plays, in real time.
#[cfg(feature = "nvml")]
mod on_gpus {
    use perf_fake_nvml::{Script, VARIABLE, install};
    use perf_model::record::file::Record;
    use perf_model::sweep::cell::CellOutcome;
    use rustix::process::Signal;

    use super::*;

    fn on_gpus(place: &Place, gpus: u32, resumes: bool) -> crate::common::Inner {
        std::fs::create_dir_all(place.path("nvml")).unwrap();
        install(&place.path("nvml")).unwrap();
        place.write("nvml/script.json", serde_json::to_string(&Script::of(gpus)).unwrap());
        asked(place.process("three at once"), resumes)
            .env("LD_LIBRARY_PATH", place.path("nvml"))
            .env(VARIABLE, place.path("nvml/script.json"))
    }

    #[test]
    fn a_killed_run_with_two_servers_up_goes_on_and_the_records_name_the_neighbours() {
        let place = Place::new(module_path!().trim_end_matches("::on_gpus"));
        let mut run = on_gpus(&place, 2, false).start();
        run.wait_until("two cells were measured", || {
            place.has("run/inner/sweep.jsonl")
                && place.read("run/inner/sweep.jsonl").matches("{\"measured\"").count() >= 2
        });
        run.signal(Signal::KILL);
        drop(run);
        crate::common::wait_until("the servers are gone", || !place.has_server());
        assert!(measured(&place).len() < 10, "it ended before it was killed");
        on_gpus(&place, 2, true).run().assert_success();
        assert_eq!(measured(&place), (0..10).map(|cell| (cell, 1)).collect());
        assert_eq!(report(&place).counts(), (10, 0, 0));
        let named = records(&place).into_values().filter(|text| {
            let end = Record::parse(text).unwrap().end.unwrap();
            end.neighbours.len() == 1 && end.neighbours[0].contains("(--max-num-seqs ")
        });
        assert!(named.count() >= 5, "servers side by side do not know each other");
        let is_remarked = report(&place).cells.into_iter().any(|cell| {
            matches!(cell.outcome, CellOutcome::Measured { remarks, .. }
                if remarks.iter().any(|remark| remark.starts_with("1 other server was on this")))
        });
        assert!(is_remarked);
        assert_eq!(place.processes(), [""; 0], "processes are left");
    }

    #[test]
    fn ctrl_c_removes_every_server_that_is_up_and_the_run_goes_on_later() {
        let place = Place::new(module_path!().trim_end_matches("::on_gpus"));
        let mut run = on_gpus(&place, 2, false).start();
        run.wait_until("two servers were starting or up", || {
            place.has("run/inner/sweep.jsonl")
                && place.read("run/inner/sweep.jsonl").matches("{\"started\"").count() >= 2
        });
        run.signal(Signal::INT);
        let ended = run.end();
        assert_eq!(ended.status.code(), Some(130), "{}", ended.output);
        assert_eq!(place.processes(), [""; 0], "processes are left");
        assert_eq!(most_at_once(&place), 2);
        on_gpus(&place, 2, true).run().assert_success();
        assert_eq!(measured(&place), (0..10).map(|cell| (cell, 1)).collect());
    }
}
