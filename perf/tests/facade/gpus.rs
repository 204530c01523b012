//! A whole run on GPUs that the stand-in for NVML plays, with the simulated server as a process: what
//! happens to a GPU during a load decides the verdict.

use perf::prelude::*;
use perf_fake_nvml::{Curve, Device, Process, Script, Slowed, VARIABLE, install};
use perf_model::analysis::gpu_use::GpuUse;
use perf_model::judge::report::{Row, SuiteReport};
use perf_model::judge::verdict::Verdict;

use crate::common::{ANY_LATENESS, Ended, Inner, Place};

/// When, in the time of the script, the fault begins. The test moves that time.
const FAULT_S: f64 = 5.0;

/// What the other tests run, each in a process of its own.
#[test]
fn inner_scenario() -> perf::Result {
    let Some(behaviour) = crate::common::behaviour() else { return Ok(()) };
    let guard = match behaviour.as_str() {
        "energy" => energy().may_rise(percent(5.0)),
        _ => output_throughput().may_drop(percent(20.0)),
    };
    let load = Load::new("paced")
        .prompts(random_tokens(4))
        .output_tokens(exactly(4))
        .arrivals(constant_rate(per_second(20.0)))
        .lateness_limit(ANY_LATENESS)
        .warmup(0)
        .requests(40)
        .guard(guard);
    Suite::new("inner").load(load).run_on(Vllm::under_test().model("tiny").gpus(1))?.hold()
}

/// Measures once on one GPU, which from the first send on is as it is after the fault.
fn measured(device: Device) -> (Place, Ended) {
    let script = Script { devices: vec![device], ..Script::default() };
    measured_on(script)
}

fn measured_on(script: Script) -> (Place, Ended) {
    let place = Place::new(module_path!());
    place.write("nvml/clock", "0");
    install(&place.path("nvml")).unwrap();
    let script = Script { clock: Some(place.path("nvml/clock")), ..script };
    place.write("nvml/script.json", serde_json::to_string(&script).unwrap());
    let mut run = place
        .process("gpus")
        .env("LD_LIBRARY_PATH", place.path("nvml"))
        .env(VARIABLE, place.path("nvml/script.json"))
        .refresh()
        .start();
    let record = place.path("run/inner/start-1/paced.jsonl");
    if !script.no_driver {
        run.wait_until("the load began", || {
            std::fs::read_to_string(&record).is_ok_and(|text| text.contains("{\"sample\""))
        });
        place.write("nvml/clock", (FAULT_S + 1.0).to_string());
    }
    let ended = run.end();
    (place, ended)
}

/// What the run says against itself.
fn faults(report: &SuiteReport) -> Vec<String> {
    report.loads.iter().flat_map(|load| &load.faults).map(ToString::to_string).collect()
}

fn assert_invalid(device: Device, said: &str) {
    let (_place, ended) = measured(device);
    let report = ended.report();
    assert_eq!(report.verdict, Verdict::Invalid, "{}", ended.output);
    assert!(faults(&report).iter().any(|fault| fault.contains(said)), "{:?}", faults(&report));
}

#[test]
fn a_gpu_without_a_fault_gives_a_valid_run_with_a_series_and_figures() {
    let (place, ended) = measured(Device { power_w: vec![(0.0, 0.0)], ..Device::default() });
    let report = ended.assert_success().report();
    assert_eq!(report.verdict, Verdict::Unrecorded, "{:?}", faults(&report));
    let record = place.record("paced");
    assert_eq!(
        record.header.gpus[0].to_string(),
        "power cap 700 W, persistence on, MIG off, ECC on"
    );
    assert!(record.gpu_readings.len() >= 3, "{}", record.gpu_readings.len());
    let row = |key: &str| record_value(&record, key);
    assert_eq!(row("max_gpu_temperature_c"), Some(40.0));
    assert_eq!(row("mean_sm_clock_mhz"), Some(1_980.0));
    assert_eq!((row("energy_j"), row("mean_power_w")), (Some(0.0), Some(0.0)));
}

fn record_value(record: &perf_model::record::file::Record, key: &str) -> Option<f64> {
    let analysis = perf_model::analysis::run_analysis::RunAnalysis::of(record);
    analysis.summary.values.get(&key.parse().unwrap()).copied()
}

#[test]
fn heat_makes_the_run_invalid() {
    let slowed = vec![Slowed { bit: 64, from_s: FAULT_S, to_s: 1e9 }];
    assert_invalid(Device { slowed, ..Device::default() }, "(hardware thermal slow-down)");
}

#[test]
fn an_xid_error_makes_the_run_invalid() {
    let xids = vec![(FAULT_S, 48)];
    assert_invalid(Device { xids, ..Device::default() }, "XID 48 of GPU 0");
}

#[test]
fn a_lost_gpu_makes_the_run_invalid() {
    let lost_at_s = Some(FAULT_S);
    assert_invalid(Device { lost_at_s, ..Device::default() }, "GPU 0 no longer answered");
}

#[test]
fn another_program_on_the_gpu_makes_the_run_invalid() {
    let processes = vec![Process { pid: u32::MAX, used_mib: 500, from_s: FAULT_S, to_s: 1e9 }];
    let said = "process 4294967295 computed on GPU 0";
    assert_invalid(Device { processes, ..Device::default() }, said);
}

#[test]
fn a_gpu_that_says_nothing_of_itself_gives_a_valid_run_without_figures() {
    let (place, ended) = measured(Device::silent());
    assert_eq!(ended.assert_success().report().verdict, Verdict::Unrecorded);
    let record = place.record("paced");
    assert!(record.gpu_readings.iter().all(|reading| reading.power_mw.is_none() && !reading.lost));
    assert_eq!(record_value(&record, "energy_j"), None);
}

#[test]
fn without_a_driver_the_scenario_is_skipped_and_never_passes() {
    let (_place, ended) = measured_on(Script { no_driver: true, ..Script::of(1) });
    let report = ended.report();
    assert_eq!(report.verdict, Verdict::Skipped, "{}", ended.output);
}

/// What a GPU is played to draw: between 300 and 500 W, up and down every two seconds.
fn planted_curve() -> Curve {
    (0..200_u32)
        .map(|second| (f64::from(second), if second % 2 == 0 { 300.0 } else { 500.0 }))
        .collect()
}

/// The energy of that curve up to a time, in joules, by its own formula.
fn planted_j(at_s: f64) -> f64 {
    let (whole, part) = (at_s.floor(), at_s.fract());
    let rises = whole % 2.0 < 0.5;
    let begin = if rises { 300.0 } else { 500.0 };
    let slope = if rises { 200.0 } else { -200.0 };
    whole * 400.0 + begin * part + slope * part * part / 2.0
}

/// A place with GPUs that are played on the machine's clock.
fn playing(device: Device) -> Place {
    let place = Place::new(module_path!());
    place.write("nvml/script.json", "");
    install(&place.path("nvml")).unwrap();
    play(&place, device);
    place
}

fn play(place: &Place, device: Device) {
    let script = Script { devices: vec![device], ..Script::default() };
    place.write("nvml/script.json", serde_json::to_string(&script).unwrap());
}

fn on_played_gpus(place: &Place) -> Inner {
    place
        .process("energy")
        .env("LD_LIBRARY_PATH", place.path("nvml"))
        .env(VARIABLE, place.path("nvml/script.json"))
        .settings(|settings| (settings.starts, settings.runs) = (Some(3), Some(1)))
}

fn energy_row(report: &SuiteReport) -> &Row {
    let row = |row: &&Row| row.metric.to_string() == "energy_j";
    report.loads[0].rows.iter().find(row).unwrap()
}

#[test]
fn planted_energy_and_traffic_are_right_in_record_summary_and_guard() {
    // Its clock says what time it is in the script: a megahertz for each microsecond.
    let sm_mhz = vec![(0.0, 0.0), (1_000.0, 1e9)];
    let place = playing(Device {
        power_w: planted_curve(),
        sm_mhz,
        pcie_tx_mib_s: vec![(0.0, 3.0)],
        pcie_rx_mib_s: vec![(0.0, 12_000.0)],
        ..Device::default()
    });
    let report = on_played_gpus(&place).refresh().run().assert_success().report();
    let record = place.record("paced");
    let readings = &record.gpu_readings;
    let offsets = readings.iter().map(|it| f64::from(it.sm_mhz.unwrap()) - it.at_us as f64);
    let offsets: Vec<f64> = offsets.collect();
    let offset = perf_model::analysis::statistics::median(&offsets).unwrap();
    let window = GpuUse::of(&record).unwrap().window;
    let planted =
        planted_j((window.to_us + offset) / 1e6) - planted_j((window.from_us + offset) / 1e6);
    let summary = record_value(&record, "energy_j").unwrap();
    eprintln!("planted {planted:.2} J in {:.2} s, measured {summary:.2} J", window.seconds());
    assert!((summary / planted - 1.0).abs() < 0.01, "{summary} J for {planted} J");
    let power = record_value(&record, "mean_power_w").unwrap();
    assert!((power * window.seconds() / planted - 1.0).abs() < 0.01, "{power} W");
    for (key, mib) in [("pcie_tx_mb_per_s", 3.0), ("pcie_rx_mb_per_s", 12_000.0)] {
        let (measured, planted) = (record_value(&record, key).unwrap(), mib * 1.048_576);
        assert!((measured / planted - 1.0).abs() < 0.01, "{key}: {measured} MB/s for {planted}");
    }
    // The report has the starts' median; the first is one of them.
    let row = energy_row(&report);
    assert!(
        row.guard.is_some() && row.starts.iter().any(|start| (start - summary).abs() < 1e-6),
        "{row:?}"
    );
    assert!(row.measured.unwrap() > 0.0);
}

#[test]
fn a_guard_of_the_energy_goes_red_on_a_higher_power_curve_and_not_on_the_same() {
    let applications_mhz = Some((1_980, 3_201));
    let level = |watts| {
        let power_w = vec![(0.0, watts)];
        Device { power_w, applications_mhz, ..Device::default() }
    };
    let place = playing(level(400.0));
    on_played_gpus(&place).refresh().run().assert_success();
    // A lower power cap and a lower clock are named, and no regression.
    let slower =
        Device { power_cap_w: 500, applications_mhz: Some((1_755, 3_201)), ..level(400.0) };
    play(&place, slower);
    let held = on_played_gpus(&place).run().assert_success().report();
    assert_eq!(held.verdict, Verdict::Held);
    let changed: Vec<String> = held.loads[0].under_test.iter().map(ToString::to_string).collect();
    let named = ["SM applications clock: 1980 MHz → 1755 MHz", "power cap: 700 W → 500 W"];
    assert_eq!(changed, named);
    // What they measure is no further session of the baseline.
    let other = on_played_gpus(&place).refresh().settings(|settings| settings.adds_session = true);
    let said = format!("this run differs from the baseline in {}", named.join("; "));
    other.run().assert_failed_with(&["cannot add a session", &said]);
    play(&place, level(600.0));
    let red = on_played_gpus(&place).run().assert_failure().report();
    assert_eq!(red.verdict, Verdict::Regressed);
    let row = energy_row(&red);
    let grew = row.measured.unwrap() / row.baseline.unwrap();
    assert!((grew - 1.5).abs() < 0.015, "{grew}");
    assert_eq!(row.guard.as_ref().unwrap().judgement.verdict, Verdict::Regressed);
}
