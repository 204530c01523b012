//! Leases of hardware, one after the other and in turn.

use perf_model::record::gpu_setup::GpuSetup;

use super::*;
use crate::gpu::GpuProcess;

/// One that does not wait.
fn cpu(folder: &Path) -> Result<Lease, EngineError> {
    let leased = Lease::cpu(folder, &Holder::this_process(), &mut Place::default());
    leased.map_err(|refusal| *refusal.error)
}

fn gpus(folder: &Path, all: &[Gpu], needed: u8) -> Result<Lease, EngineError> {
    leased(folder, all, needed, &mut Place::default()).map_err(|refusal| *refusal.error)
}

fn leased(folder: &Path, all: &[Gpu], gpus: u8, place: &mut Place) -> Result<Lease, Refusal> {
    let wanted = Wanted { gpus, ..Wanted::default() };
    Lease::gpus(folder, all, &wanted, &Holder::this_process(), place)
}

fn gpu(index: u32, users: u32) -> Gpu {
    let user = |user| GpuProcess { pid: 42 + user, used_mib: Some(500) };
    let setup = GpuSetup {
        index,
        uuid: format!("GPU-{index}"),
        name: "NVIDIA H200".into(),
        used_before_mib: Some(0),
        ..GpuSetup::default()
    };
    Gpu { setup, users: (0..users).map(user).collect() }
}

fn named(name: &str, memory_mib: Option<u64>, gpu: Gpu) -> Gpu {
    let setup = GpuSetup { name: name.into(), memory_mib, ..gpu.setup };
    Gpu { setup, ..gpu }
}

#[test]
fn the_cpu_is_leased_once_and_again_after_it_was_given_back() {
    let folder = tempfile::tempdir().unwrap();
    let first = cpu(folder.path()).unwrap();
    let busy = cpu(folder.path()).unwrap_err();
    assert_eq!(busy, EngineError::Busy { what: "the CPU".into(), pid: Some(std::process::id()) });
    drop(first);
    assert!(cpu(folder.path()).is_ok());
}

#[test]
fn two_leases_in_one_process_get_different_gpus() {
    let folder = tempfile::tempdir().unwrap();
    let all = [gpu(0, 0), gpu(1, 0), gpu(2, 0)];
    let first = gpus(folder.path(), &all, 1).unwrap();
    let second = gpus(folder.path(), &all, 2).unwrap();
    let indices =
        |lease: &Lease| lease.leased().iter().map(|gpu| gpu.setup.index).collect::<Vec<_>>();
    assert_eq!((indices(&first), indices(&second)), (vec![0], vec![1, 2]));
}

#[test]
fn all_gpus_are_leased_or_none() {
    let folder = tempfile::tempdir().unwrap();
    let all = [gpu(0, 0), gpu(1, 0), gpu(2, 0)];
    let _first = gpus(folder.path(), &all, 2).unwrap();
    let busy = gpus(folder.path(), &all, 2).unwrap_err();
    assert_eq!(
        busy,
        EngineError::Busy { what: "GPU 0 (NVIDIA H200)".into(), pid: Some(std::process::id()) }
    );
    // The one that was free is free again.
    assert_eq!(gpus(folder.path(), &all, 1).unwrap().leased(), &all[2..]);
}

#[test]
fn a_gpu_that_something_computes_on_is_not_leased_and_its_user_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let all = [gpu(0, 2), gpu(1, 0)];
    assert_eq!(gpus(folder.path(), &all, 1).unwrap().leased(), &all[1..]);
    let error = gpus(folder.path(), &all, 2).unwrap_err();
    assert_eq!(
        error.to_string(),
        "GPU 0 (NVIDIA H200) is in use by process 42 (500 MiB) and process 43 (500 MiB); end it, or wait until it has \
         ended, and run again: a shared GPU gives no valid measurement"
    );
    // Those that were free are free again.
    assert!(gpus(folder.path(), &all, 1).is_ok());
}

#[test]
fn more_gpus_than_there_are_is_no_question_of_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let error = gpus(folder.path(), &[gpu(0, 0)], 2).unwrap_err();
    assert_eq!(error, EngineError::NotEnoughGpus { needed: 2, available: 1 });
}

#[test]
fn a_lock_file_that_leads_elsewhere_is_refused_and_its_target_is_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let (target, lock) = (folder.path().join("target"), folder.path().join("cpu.lock"));
    std::fs::write(&target, "precious").unwrap();
    for make in [std::os::unix::fs::symlink, std::fs::hard_link] {
        make(&target, &lock).unwrap();
        let error = cpu(folder.path()).unwrap_err();
        assert!(matches!(error, EngineError::LockUnusable { .. }), "{error}");
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "precious");
        std::fs::remove_file(&lock).unwrap();
    }
    let missing = folder.path().join("missing");
    std::os::unix::fs::symlink(&missing, &lock).unwrap();
    assert!(cpu(folder.path()).is_err());
    assert!(!missing.exists());
}

#[test]
fn a_lock_file_that_is_a_fifo_is_refused_without_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let made = std::process::Command::new("mkfifo").arg(folder.path().join("cpu.lock")).status();
    assert!(made.unwrap().success());
    let error = cpu(folder.path()).unwrap_err().to_string();
    assert!(error.contains("not a regular file"), "{error}");
}

#[test]
fn one_run_chooses_at_a_time_and_the_others_learn_which() {
    let folder = tempfile::tempdir().unwrap();
    let first = Lease::begin_choice(folder.path()).unwrap().unwrap();
    let holder = Lease::begin_choice(folder.path()).unwrap().unwrap_err();
    assert!(holder.starts_with("vllm-perf of "), "{holder}");
    assert!(holder.ends_with(&format!(", pid {}", std::process::id())), "{holder}");
    drop(first);
    assert!(Lease::begin_choice(folder.path()).unwrap().is_ok());
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = cpu(&file.path().join("locks")).unwrap_err();
    assert!(matches!(&error, EngineError::LockUnusable { .. }), "{error}");
    assert!(error.to_string().contains("PERF_LOCK_DIR"), "{error}");
}

#[test]
fn a_refusal_says_who_holds_what_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let all = [gpu(0, 0), gpu(1, 0), gpu(2, 1)];
    let holder = Holder::this_process().measuring("0007", "chat");
    let wanted = Wanted { gpus: 2, ..Wanted::default() };
    let first = Lease::gpus(folder.path(), &all, &wanted, &holder, &mut Place::default()).unwrap();
    let mut place = Place::default();
    let refusal = leased(folder.path(), &all, 1, &mut place).unwrap_err();
    assert_eq!(refusal.held, format!("0 and 1 held by {holder}; 2 in use by process 42 (500 MiB)"));
    assert!(refusal.may_end);
    drop(first);
    // It is in the queue, so that one that comes later does not get the last.
    assert!(gpus(folder.path(), &all, 2).is_err());
    assert!(leased(folder.path(), &all, 1, &mut place).is_ok());
}

#[test]
fn a_server_gets_gpus_of_the_model_and_memory_that_it_wants() {
    let folder = tempfile::tempdir().unwrap();
    let all = [
        named("NVIDIA L4", Some(23_034), gpu(0, 0)),
        named("NVIDIA H200", Some(143_771), gpu(1, 0)),
    ];
    let lease = |wanted: Wanted| {
        let holder = Holder::this_process();
        let lease = Lease::gpus(folder.path(), &all, &wanted, &holder, &mut Place::default());
        lease
            .map(|lease| lease.leased()[0].setup.index)
            .map_err(|refusal| refusal.error.to_string())
    };
    let one = Wanted { gpus: 1, ..Wanted::default() };
    assert_eq!(lease(Wanted { model: Some("h200".into()), ..one.clone() }), Ok(1));
    assert_eq!(lease(Wanted { memory_mib: Some(80_000), ..one.clone() }), Ok(1));
    let error = lease(Wanted { gpus: 2, memory_mib: Some(80_000), ..one }).unwrap_err();
    assert!(
        error.starts_with("the server needs 2 GPUs with 80000 MiB or more, but 1 of the 2"),
        "{error}"
    );
}

#[test]
fn one_that_waits_for_a_model_in_use_keeps_no_one_from_gpus_of_another() {
    let folder = tempfile::tempdir().unwrap();
    let all = [named("NVIDIA A100-SXM4-80GB", None, gpu(0, 0)), gpu(1, 0), gpu(2, 0)];
    let wanted = |model: &str| Wanted { gpus: 1, model: Some(model.into()), memory_mib: None };
    let lease = |wanted: &Wanted, place: &mut Place| {
        Lease::gpus(folder.path(), &all, wanted, &Holder::this_process(), place)
    };
    let held = lease(&wanted("A100"), &mut Place::default()).unwrap();
    let mut place = Place::default();
    let refusal = lease(&wanted("A100"), &mut place).unwrap_err();
    assert!(refusal.held.starts_with("0 held by vllm-perf "), "{}", refusal.held);
    let mut others = Vec::new();
    for expected in [1, 2] {
        others.push(lease(&wanted("H200"), &mut Place::default()).unwrap());
        assert_eq!(others.last().unwrap().leased()[0].setup.index, expected);
    }
    drop(held);
    // What is free now is the first's.
    assert!(lease(&Wanted { gpus: 1, ..Wanted::default() }, &mut Place::default()).is_err());
    assert_eq!(lease(&wanted("A100"), &mut place).unwrap().leased()[0].setup.index, 0);
}
