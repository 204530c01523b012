//! Discovery, on GPUs that the stand-in plays.

use perf_fake_nvml::{Device, Process, Script};

use super::*;
use crate::gpu::played::played;

#[test]
fn a_machine_without_a_loaded_driver_has_no_gpu_and_says_so() {
    let script = Script { no_driver: true, ..Script::of(2) };
    played(
        "gpu::nvml::tests::a_machine_without_a_loaded_driver_has_no_gpu_and_says_so",
        &script,
        || {
            assert_eq!((list(), driver()), (vec![], None));
            assert!(fault().unwrap().contains("its kernel module is not loaded"));
        },
    );
}

#[test]
fn everything_that_a_gpu_says_of_itself_is_found() {
    let user = Process { pid: 42, used_mib: 500, from_s: 0.0, to_s: 1e9 };
    let device = |index: u32| Device {
        uuid: format!("GPU-{index}"),
        nvlinks: 4,
        applications_mhz: Some((1_755, 3_201)),
        switch: index / 2,
        processes: if index == 1 { vec![user] } else { vec![] },
        ..Device::default()
    };
    let script = Script { devices: (0..4).map(device).collect(), ..Script::default() };
    played("gpu::nvml::tests::everything_that_a_gpu_says_of_itself_is_found", &script, || {
        let gpus = list();
        let setup = GpuSetup {
            index: 1,
            uuid: "GPU-1".into(),
            name: "NVIDIA H200".into(),
            memory_mib: Some(143_771),
            used_before_mib: Some(4),
            compute_capability: Some("9.0".into()),
            cuda: Some("13.0".into()),
            mig: Some(false),
            persistence: Some(true),
            ecc: Some(true),
            power_cap_w: Some(700),
            max_sm_mhz: Some(1_980),
            max_memory_mhz: Some(3_201),
            applications_sm_mhz: Some(1_755),
            applications_memory_mhz: Some(3_201),
            nvlinks: Some(4),
            pcie_generation: Some(5),
            pcie_lanes: Some(16),
            same_switch: vec![0],
        };
        assert_eq!(gpus[1].setup, setup);
        assert_eq!(gpus[1].users, [GpuProcess { pid: 42, used_mib: Some(500) }]);
        assert_eq!((gpus.len(), driver().as_deref()), (4, Some("580.159.04")));
        assert!(gpus[0].is_free() && !gpus[1].is_free());
    });
}

#[test]
fn what_a_gpu_does_not_support_is_absent_and_one_that_is_lost_is_left_out() {
    let not_supported = [
        "nvmlDeviceGetMemoryInfo_v2",
        "nvmlDeviceGetMigMode",
        "nvmlDeviceGetEccMode",
        "nvmlDeviceGetEnforcedPowerLimit",
        "nvmlDeviceGetPersistenceMode",
        "nvmlDeviceGetComputeRunningProcesses_v3",
        "nvmlDeviceGetTopologyCommonAncestor",
    ];
    let mut script = Script::of(2);
    script.devices[0].not_supported = not_supported.map(str::to_owned).to_vec();
    script.devices[1].lost_at_s = Some(0.0);
    played(
        "gpu::nvml::tests::what_a_gpu_does_not_support_is_absent_and_one_that_is_lost_is_left_out",
        &script,
        || {
            let gpus = list();
            assert_eq!(gpus.len(), 1);
            assert_eq!(
                (gpus[0].setup.memory_mib, gpus[0].setup.mig, gpus[0].setup.nvlinks),
                (None, None, None)
            );
            assert_eq!(gpus[0].setup.to_string(), "setup unknown");
            assert!(gpus[0].is_free() && gpus[0].setup.same_switch.is_empty());
            let why = fault().unwrap();
            assert!(why.starts_with("1 of 2 GPUs does not answer: GPU 1: "), "{why}");
        },
    );
}
