//! Many tests in several processes and of two users want the same GPUs, and some are killed: none is held
//! twice, none is lost, all come to an end. A small one runs always; the large one is run by hand, and
//! shows how well the GPUs were used ([`packing`]).

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::SystemTime;

use perf_model::record::gpu_setup::GpuSetup;

use super::*;
use crate::queue::MOST_OVERTAKEN;

mod packing;

use packing::{Demand, Packing, demands};

/// Set for a copy of this test program that leases: folder, threads, leases in all, hold in
/// microseconds, seed.
const WORKER: &str = "PERF_TEST_STRESS";

/// The GPUs of the machine.
const GPUS: u32 = 8;

/// A user without rights, for whom a part of the processes run where this is possible.
const OTHER_USER: u32 = 65_534;

fn gpus() -> Vec<Gpu> {
    let setup = |index| GpuSetup { index, uuid: format!("GPU-{index}"), ..GpuSetup::default() };
    (0..GPUS).map(|index| setup(index).into()).collect()
}

/// The time of the machine's clock, in microseconds.
fn now_us() -> u128 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_micros()
}

struct Stress {
    folder: PathBuf,
    threads: u32,
    leases: usize,
    hold_us: u64,
    seed: u64,
}

impl Stress {
    fn of_worker() -> Option<Self> {
        let text = std::env::var(WORKER).ok()?;
        let mut words = text.split(' ');
        let mut next = || words.next().unwrap();
        Some(Self {
            folder: next().into(),
            threads: next().parse().unwrap(),
            leases: next().parse().unwrap(),
            hold_us: next().parse().unwrap(),
            seed: next().parse().unwrap(),
        })
    }

    /// Leases in a process of its own.
    fn start(&self, test: &str, as_other: bool) -> Child {
        let Self { folder, threads, leases, hold_us, seed } = self;
        let folder = folder.display();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", test, "--include-ignored"]).stdout(std::process::Stdio::null());
        command.env(WORKER, format!("{folder} {threads} {leases} {hold_us} {seed}"));
        if as_other && rustix::process::geteuid().is_root() {
            command.uid(OTHER_USER);
        }
        command.spawn().unwrap()
    }

    /// How many leases ended so far.
    fn done(&self) -> usize {
        let text = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        text.lines().filter(|line| line.starts_with("end ")).count()
    }

    /// Leases again and again on every thread, until there were enough.
    fn work(&self) {
        std::thread::scope(|scope| {
            for thread in 0..self.threads {
                scope.spawn(move || self.work_on_thread(thread));
            }
        });
    }

    fn work_on_thread(&self, thread: u32) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for (at, Demand { needs, hold_us }) in demands(self.seed, thread, self.hold_us).enumerate()
        {
            if self.done() >= self.leases {
                return;
            }
            let leasing = Leasing {
                folder: &self.folder.join("locks"),
                gpus: &gpus,
                wanted: Wanted { gpus: needs, ..Wanted::default() },
                holder: Holder::this_process().measuring("0007", "stress"),
                wait: Duration::from_mins(10),
                look: LOOK,
            };
            let asked = now_us();
            let leased = runtime.block_on(leasing.lease(Clock::real(), &mut |_| {})).unwrap();
            let gpus: Vec<String> =
                leased.leased().iter().map(|gpu| gpu.setup.index.to_string()).collect();
            assert_eq!(gpus.len(), usize::from(needs));
            let name = format!("{}-{thread}-{at}", std::process::id());
            self.append("log", &format!("begin {name} {asked} {} {}", now_us(), gpus.join(",")));
            leased.leased().iter().for_each(|gpu| self.claim(gpu.setup.index));
            runtime.block_on(Clock::real().sleep(Duration::from_micros(hold_us)));
            leased.leased().iter().for_each(|gpu| self.disclaim(gpu.setup.index));
            self.append("log", &format!("end {name} {}", now_us()));
            drop(leased);
        }
    }

    /// Says that this process holds a GPU, by other means than the lease. One that another living
    /// process says to hold is held twice.
    fn claim(&self, gpu: u32) {
        let path = self.folder.join(format!("claim-{gpu}"));
        let before = std::fs::read_to_string(&path).unwrap_or_default();
        let holder = before.trim();
        let lives = !holder.is_empty() && PathBuf::from(format!("/proc/{holder}")).exists();
        let is_zombie = || {
            let status =
                std::fs::read_to_string(format!("/proc/{holder}/stat")).unwrap_or_default();
            status.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('Z'))
        };
        if lives && !is_zombie() {
            self.append("twice", &format!("GPU {gpu} by {holder} and {}", std::process::id()));
        }
        self.set_claim(gpu, &std::process::id().to_string());
    }

    fn disclaim(&self, gpu: u32) {
        self.set_claim(gpu, "");
    }

    fn set_claim(&self, gpu: u32, text: &str) {
        std::fs::write(self.folder.join(format!("claim-{gpu}")), text).unwrap();
    }

    fn append(&self, name: &str, line: &str) {
        let mut file = OpenOptions::new().append(true).open(self.folder.join(name)).unwrap();
        file.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// Runs it in three processes, of which so many are killed on the way. Gives how the GPUs were used.
    fn run(&self, test: &str, kills: usize) -> Packing {
        let claims = (0..GPUS).map(|gpu| format!("claim-{gpu}"));
        for name in claims.chain(["log".to_owned(), "twice".to_owned()]) {
            let path = self.folder.join(name);
            std::fs::write(&path, "").unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
        }
        std::fs::set_permissions(&self.folder, std::fs::Permissions::from_mode(0o777)).unwrap();
        let start = |at: usize, seed| {
            Self { seed, folder: self.folder.clone(), ..*self }.start(test, at == 2)
        };
        let mut workers: Vec<Child> = (0..3).map(|at| start(at, at as u64)).collect();
        for kill in 1..=kills {
            while self.done() < self.leases * kill / (kills + 1) {
                std::thread::park_timeout(Duration::from_millis(20));
            }
            let at = kill % 3;
            workers[at].kill().unwrap();
            workers[at].wait().unwrap();
            self.append("log", &format!("killed {} {}", workers[at].id(), now_us()));
            workers[at] = start(at, 10 + kill as u64);
        }
        while self.done() < self.leases {
            std::thread::park_timeout(Duration::from_millis(20));
        }
        let log = std::fs::read_to_string(self.folder.join("log")).unwrap();
        for mut worker in workers {
            assert!(worker.wait().unwrap().success());
        }
        let twice = std::fs::read_to_string(self.folder.join("twice")).unwrap();
        assert_eq!(twice, "", "held twice");
        // None is lost: all of them can be leased at once.
        let wanted = Wanted { gpus: 8, ..Wanted::default() };
        let locks = self.folder.join("locks");
        let holder = Holder::this_process();
        let all = Lease::gpus(&locks, &gpus(), &wanted, &holder, &mut Place::default());
        assert!(all.is_ok(), "{all:?}");
        Packing::of(&log)
    }
}

fn stress(test: &str, leases: usize, threads: u32, hold_us: u64, kills: usize) -> Option<Packing> {
    if let Some(worker) = Stress::of_worker() {
        worker.work();
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let stress = Stress { folder: folder.path().into(), threads, leases, hold_us, seed: 0 };
    Some(stress.run(test, kills))
}

#[test]
fn gpus_are_held_once_and_none_is_lost_when_processes_are_killed() {
    let test = "leasing::stress::gpus_are_held_once_and_none_is_lost_when_processes_are_killed";
    stress(test, 60, 4, 2_000, 2);
}

/// `cargo test -p vllm-perf-engine --lib leasing::stress -- --ignored --nocapture`
#[test]
#[ignore = "takes minutes"]
fn forty_tests_of_two_users_share_eight_gpus_and_keep_them_busy() {
    let test = "leasing::stress::forty_tests_of_two_users_share_eight_gpus_and_keep_them_busy";
    let (leases, threads, hold_us) = (1_020, 14, 500_000);
    let Some(packing) = stress(test, leases, threads, hold_us, 12) else { return };
    let ideal = |most| packing::list_scheduled(3, threads, hold_us, leases, most);
    let (greedy, fair) = (ideal(u32::MAX), ideal(MOST_OVERTAKEN));
    let Packing { leased, handover_us } = packing;
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    eprintln!(
        "1,020 leases and more, 12 kills: the GPUs were leased {} of the time. Without any delay, and without kills, they \
         are leased {} of it by a scheduler that starts everything that fits, and {} by the rule of the queue: {} of the ideal. From \
         the release of GPUs to the start of what took them: median {:.1} ms, 90 % up to {:.1} ms",
        percent(leased),
        percent(greedy),
        percent(fair),
        percent(leased / greedy),
        handover_us.0 / 1e3,
        handover_us.1 / 1e3
    );
    assert!(leased / greedy >= 0.9, "less than 90 % of the ideal packing");
}
