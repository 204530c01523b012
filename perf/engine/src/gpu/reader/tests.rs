//! Readings of GPUs that the stand-in plays, and the figures from them.

use perf_fake_nvml::{Device as Played, Process, Script, Slowed};
use perf_model::analysis::run_analysis::RunAnalysis;
use perf_model::fixtures;
use perf_model::record::file::{End, Header, Record};
use perf_model::record::finding::FindingCode;
use perf_model::record::sample::Sample;
use perf_model::spec::load::Load;

use super::*;
use crate::gpu::list;
use crate::gpu::played::{played, set_time};

/// Reads for 20 s, ten times a second; a load gives 1,000 tokens from 5 s to 15 s.
fn analysed() -> RunAnalysis {
    let gpus = list();
    let nvml = Nvml::init().unwrap();
    let (mut reader, owners) = (Reader::new(&nvml, &gpus), Owners::now(&gpus));
    let mut readings = Vec::new();
    for tick in 0..=200_u32 {
        set_time(f64::from(tick) / 10.0);
        readings.extend(reader.read(u64::from(tick) * 100_000, Some(&owners)));
    }
    let sample = Sample { end_us: 10_000_000, output_tokens: Some(1_000), ..fixtures::sample() };
    let load = Load { requests: 1, ..fixtures::load() };
    let header = Header::of(&load, "suite", fixtures::fingerprint());
    let end = End { complete: true, gpu_clock_us: Some(5_000_000), ..End::default() };
    RunAnalysis::of(&Record {
        header,
        samples: vec![sample],
        gpu_readings: readings,
        end: Some(end),
    })
}

fn faults(analysis: &RunAnalysis) -> Vec<String> {
    let of = [
        FindingCode::GpuThrottled,
        FindingCode::GpuError,
        FindingCode::GpuLost,
        FindingCode::GpuClockFell,
        FindingCode::GpuShared,
    ];
    let faults = analysis.faults.iter().filter(|fault| of.contains(&fault.code));
    faults.map(ToString::to_string).collect()
}

fn joules(analysis: &RunAnalysis) -> Option<f64> {
    analysis.summary.values.get(&"energy_j".parse().unwrap()).copied()
}

#[test]
fn the_energy_of_a_planted_power_curve_is_right_within_one_percent() {
    // 120 W at rest, a jump to 650 W at 4.5 s, a slope down to 350 W, a jump back at 16 s.
    let power_w =
        vec![(0.0, 120.0), (4.5, 120.0), (4.5, 650.0), (9.5, 650.0), (16.0, 350.0), (16.0, 90.0)];
    // 4.5 s at 650 W, and from there 5.5 s on the slope, which has 650 W − 253.85 W at 15 s.
    let planted = 4.5 * 650.0 + 5.5 * (650.0 + (650.0 - 300.0 * 5.5 / 6.5)) / 2.0;
    let device = |index: u32| Played {
        uuid: format!("GPU-{index}"),
        power_w: power_w.clone(),
        ..Played::default()
    };
    let script = Script { devices: vec![device(0), device(1)], ..Script::default() };
    played(
        "gpu::reader::tests::the_energy_of_a_planted_power_curve_is_right_within_one_percent",
        &script,
        || {
            let analysis = analysed();
            let joules = joules(&analysis).unwrap();
            eprintln!("planted {:.2} J, measured {joules:.2} J", 2.0 * planted);
            assert!(
                (joules / (2.0 * planted) - 1.0).abs() < 0.01,
                "{joules} for {}",
                2.0 * planted
            );
            assert!(faults(&analysis).is_empty(), "{:?}", analysis.faults);
        },
    );
}

#[test]
fn an_accumulator_that_counts_something_else_gives_no_energy() {
    let mut script = Script::of(1);
    script.devices[0].energy_factor = 1.06;
    played(
        "gpu::reader::tests::an_accumulator_that_counts_something_else_gives_no_energy",
        &script,
        || {
            let analysis = analysed();
            let said = analysis.remarks.iter().find(|it| it.code == FindingCode::EnergyUnknown);
            assert!(joules(&analysis).is_none() && said.is_some(), "{:?}", analysis.remarks);
        },
    );
}

#[test]
fn planted_traffic_of_pcie_and_nvlink_is_right_within_one_percent() {
    // The load is on the server from 5 s to 15 s: 10 s of MiB/s, with a slope and a jump in it.
    let jump = vec![(0.0, 100.0), (9.0, 100.0), (9.0, 4_100.0)];
    let slope = vec![(5.0, 20_000.0), (15.0, 40_000.0)];
    let device = |index: u32| Played {
        uuid: format!("GPU-{index}"),
        nvlinks: 18,
        pcie_tx_mib_s: vec![(0.0, 12.0)],
        pcie_rx_mib_s: jump.clone(),
        nvlink_tx_mib_s: slope.clone(),
        nvlink_rx_mib_s: vec![(0.0, 250_000.0)],
        ..Played::default()
    };
    let script = Script { devices: vec![device(0), device(1)], ..Script::default() };
    let name = "gpu::reader::tests::planted_traffic_of_pcie_and_nvlink_is_right_within_one_percent";
    played(name, &script, || {
        let values = analysed().summary.values;
        let planted_mib = [
            ("pcie_tx_mb_per_s", 12.0),
            ("pcie_rx_mb_per_s", 0.4 * 100.0 + 0.6 * 4_100.0),
            ("nvlink_tx_mb_per_s", 30_000.0),
            ("nvlink_rx_mb_per_s", 250_000.0),
        ];
        for (key, mib) in planted_mib {
            let (measured, planted) = (values[&key.parse().unwrap()], 2.0 * mib * 1.048_576);
            eprintln!("{key}: planted {planted:.1}, measured {measured:.1}");
            assert!((measured / planted - 1.0).abs() < 0.01, "{key}: {measured} for {planted}");
        }
    });
}

#[test]
fn a_gpu_that_counts_pcie_alone_or_has_no_other_to_send_to_has_no_figure_of_nvlink() {
    let mut script = Script::of(1);
    script.devices[0].nvlinks = 18;
    script.devices[0].pcie_tx_mib_s = vec![(0.0, 12.0)];
    script.devices[0].nvlink_tx_mib_s = vec![(0.0, 12.0)];
    let name = "gpu::reader::tests::a_gpu_that_counts_pcie_alone_or_has_no_other_to_send_to_has_no_figure_of_nvlink";
    played(name, &script, || {
        let values = analysed().summary.values;
        let has = |key: &str| values.contains_key(&key.parse().unwrap());
        let keys = ["pcie_tx_mb_per_s", "pcie_rx_mb_per_s", "nvlink_tx_mb_per_s"];
        assert_eq!(keys.map(has), [true, false, false]);
    });
}

#[test]
fn a_gpu_that_supports_nothing_gives_no_figure_and_no_fault() {
    let mut script = Script::of(1);
    script.devices[0].not_supported = perf_fake_nvml::Device::silent().not_supported;
    played(
        "gpu::reader::tests::a_gpu_that_supports_nothing_gives_no_figure_and_no_fault",
        &script,
        || {
            let analysis = analysed();
            let has = |key: &str| analysis.summary.values.contains_key(&key.parse().unwrap());
            for key in [
                "energy_j",
                "mean_power_w",
                "peak_gpu_memory_mib",
                "mean_sm_clock_mhz",
                "throttled_time_s",
                "pcie_tx_mb_per_s",
                "nvlink_rx_mb_per_s",
            ] {
                assert!(!has(key), "{key}");
            }
            assert!(faults(&analysis).is_empty());
        },
    );
}

#[test]
fn planted_faults_of_gpus_each_make_the_run_invalid_and_are_named() {
    let mut script = Script::of(5);
    script.devices[0].slowed = vec![Slowed { bit: 64, from_s: 7.0, to_s: 9.0 }];
    script.devices[1].xids = vec![(8.0, 79)];
    script.devices[2].lost_at_s = Some(12.0);
    script.devices[3].processes = vec![
        Process { pid: 40, used_mib: 60_000, from_s: 0.0, to_s: 99.0 },
        Process { pid: u32::MAX, used_mib: 500, from_s: 6.0, to_s: 8.0 },
    ];
    // The power cap is no fault.
    script.devices[4].slowed = vec![Slowed { bit: 4, from_s: 7.0, to_s: 9.0 }];
    played(
        "gpu::reader::tests::planted_faults_of_gpus_each_make_the_run_invalid_and_are_named",
        &script,
        || {
            let faults = faults(&analysed());
            let begins = [
                "GPU 0 was slowed down for 2.0 s, between 2.0 and 3.9 s (hardware thermal slow-down)",
                "the driver reported XID 79 of GPU 1 at 3.0 s",
                "GPU 2 no longer answered from 7.0 s on",
                "process 4294967295 computed on GPU 3 between 1.0 and 2.9 s",
            ];
            assert_eq!(faults.len(), begins.len(), "{faults:#?}");
            for (fault, begin) in faults.iter().zip(begins) {
                assert!(fault.starts_with(begin), "{fault}");
            }
        },
    );
}
