//! Planted faults of GPUs, each with its verdict.

use super::*;
use crate::analysis::run_analysis::RunAnalysis;
use crate::fixtures;
use crate::record::file::{End, Header, Record};
use crate::record::sample::Sample;

/// A GPU that is busy at 500 W for 20 s, read ten times a second; the load is on the server from 5 s
/// to 15 s and gives 1,000 tokens.
fn record(change: impl Fn(u64, &mut GpuReading)) -> Record {
    let readings = (0..=200_u64).map(|tick| {
        let mut reading = GpuReading {
            gpu: 4,
            at_us: tick * 100_000,
            power_mw: Some(500_000),
            energy_mj: Some(tick * 50_000),
            temperature_c: Some(60),
            sm_mhz: Some(1_980),
            busy_percent: Some(100),
            used_mib: Some(70_000),
            slowed_by: Some(0),
            thermal_us: Some(0),
            ..GpuReading::default()
        };
        change(tick, &mut reading);
        reading
    });
    let load = crate::spec::load::Load { requests: 1, ..fixtures::load() };
    let sample = Sample { end_us: 10_000_000, output_tokens: Some(1_000), ..fixtures::sample() };
    let end = End { complete: true, gpu_clock_us: Some(5_000_000), ..End::default() };
    let header = Header::of(&load, "suite", fixtures::fingerprint());
    Record { header, samples: vec![sample], gpu_readings: readings.collect(), end: Some(end) }
}

fn faults_of(change: impl Fn(u64, &mut GpuReading)) -> Vec<String> {
    let record = record(change);
    faults(&GpuUse::of(&record).unwrap()).iter().map(ToString::to_string).collect()
}

#[test]
fn figures_are_those_of_the_time_in_which_the_load_was_on_the_server() {
    // What is outside of the load counts nothing.
    let record = record(|tick, reading| {
        if !(50..=150).contains(&tick) {
            (reading.temperature_c, reading.sm_mhz) = (Some(90), Some(345));
        }
        if tick % 4 == 0 {
            reading.slowed_by = Some(4);
        }
    });
    let analysis = RunAnalysis::of(&record);
    let values = &analysis.summary.values;
    let value = |key: &str| values[&key.parse().unwrap()];
    let close = |key: &str, wanted: f64| {
        assert!((value(key) - wanted).abs() < wanted * 1e-6, "{key}: {}", value(key));
    };
    close("energy_j", 5_000.0);
    close("energy_per_output_token_j_per_tok", 5.0);
    close("tokens_per_joule_tok_per_j", 0.2);
    close("mean_power_w", 500.0);
    close("peak_gpu_memory_mib", 70_000.0);
    close("max_gpu_temperature_c", 60.0);
    close("mean_sm_clock_mhz", 1_980.0);
    assert!((value("power_cap_share_percent") - 25.0).abs() < 1.0);
    assert!(value("throttled_time_s").abs() < 1e-9);
    assert!(!analysis.faults.iter().any(
        |fault| fault.code >= FindingCode::GpuThrottled && fault.code <= FindingCode::GpuShared
    ));
    let said = analysis.remarks.iter().find(|remark| remark.code == FindingCode::GpuUse).unwrap();
    insta::assert_snapshot!(said, @"GPUs: mean power 500 W, energy per output token 5.000 J/tok, peak GPU memory 70000 MiB, max GPU temperature 60 °C, mean SM clock 1980 MHz, time at power cap 25 %");
}

#[test]
fn a_slow_down_is_named_with_its_gpu_and_its_seconds() {
    let slowed = |bit| {
        faults_of(move |tick, reading| {
            if (70..90).contains(&tick) {
                reading.slowed_by = Some(bit);
            }
        })
    };
    insta::assert_snapshot!(slowed(0x40 | 0x8).join("\n"), @"GPU 4 was slowed down for 2.0 s, between 2.0 and 3.9 s (hardware thermal slow-down); check its cooling and power supply, and run again");
    insta::assert_snapshot!(slowed(0x80).join("\n"), @"GPU 4 was slowed down for 2.0 s, between 2.0 and 3.9 s (power brake); check its cooling and power supply, and run again");
    // The power cap is normal under load.
    assert!(slowed(0x4).is_empty());
}

#[test]
fn a_slow_down_between_two_readings_is_in_what_the_driver_counts() {
    let said = faults_of(|tick, reading| {
        reading.thermal_us = Some(if tick >= 80 { 70_000 } else { 0 });
    });
    insta::assert_snapshot!(said.join("\n"), @"GPU 4 was slowed down by heat for 0.07 s, first at 3.0 s; check its cooling and power supply, and run again");
    // One before the load is no concern of it.
    assert!(
        faults_of(|tick, it| it.thermal_us = Some(if tick >= 20 { 70_000 } else { 0 })).is_empty()
    );
}

#[test]
fn an_xid_and_a_lost_gpu_are_named_with_their_time() {
    let said = faults_of(|tick, reading| {
        if tick == 100 {
            reading.xids = vec![79];
        }
        if tick > 100 {
            *reading =
                GpuReading { gpu: 4, at_us: reading.at_us, lost: true, ..GpuReading::default() };
        }
    });
    insta::assert_snapshot!(said.join("\n"), @r#"the driver reported XID 79 of GPU 4 at 5.0 s; look it up in NVIDIA's list of XID errors and at `dmesg`
GPU 4 no longer answered from 5.1 s on; look at `dmesg`, and restart the machine if it stays lost"#);
}

#[test]
fn a_clock_that_fell_without_the_power_cap_is_named() {
    let fell = |to: u64, slowed_by| {
        faults_of(move |tick, reading| {
            if (80..to).contains(&tick) {
                (reading.sm_mhz, reading.slowed_by) = (Some(1_200), Some(slowed_by));
            }
        })
    };
    insta::assert_snapshot!(fell(100, 0).join("\n"), @"the SM clock of GPU 4 fell from 1980 to 1200 MHz between 3.0 and 4.9 s while it was busy; check whether something else sets its clocks");
    assert!(fell(100, 4).is_empty(), "the power cap");
    assert!(fell(88, 0).is_empty(), "shorter than a second");
    let idle = |tick, reading: &mut GpuReading| {
        if tick > 80 {
            (reading.sm_mhz, reading.busy_percent) = (Some(345), Some(0));
        }
    };
    assert!(faults_of(idle).is_empty(), "an idle GPU");
}

#[test]
fn a_foreign_process_is_named_with_its_time() {
    let said = faults_of(|tick, reading| {
        if (90..110).contains(&tick) {
            reading.foreign = vec!["process 4242 (python3, user alice)".into()];
        }
    });
    insta::assert_snapshot!(said.join("\n"), @"process 4242 (python3, user alice) computed on GPU 4 between 4.0 and 5.9 s, and is not the server's; end it and run again");
}

#[test]
fn a_record_with_readings_reads_back_and_an_old_one_has_none() {
    use crate::record::file::{Line, line};
    let record = record(|_, _| {});
    let header = record.header.clone().on(vec![crate::record::gpu_setup::GpuSetup::default()]);
    assert_eq!(header.schema, 2);
    let mut text = line(Line::Header(&header));
    text.extend(record.gpu_readings.iter().map(|reading| line(Line::Gpu(reading))));
    text.extend(record.samples.iter().map(|sample| line(Line::Sample(sample))));
    text.extend(record.end.iter().map(|end| line(Line::End(end))));
    assert_eq!(Record::parse(&text).unwrap(), Record { header, ..record });
    let old = Header::of(&fixtures::load(), "suite", fixtures::fingerprint());
    assert_eq!((old.schema, line(Line::Header(&old)).contains("gpus")), (1, false));
}
