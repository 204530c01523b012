//! Many tests in several processes and of two users want the same GPUs, and some are killed: none is held
//! twice, none is lost, all come to an end. A small one runs always; the large one is run by hand, and
//! shows how well the GPUs were used.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::Instant;

use super::*;

/// Set for a copy of this test program that leases: folder, threads, leases in all, hold in
/// microseconds, seed.
const WORKER: &str = "PERF_TEST_STRESS";

/// The GPUs of the machine.
const GPUS: u32 = 8;

/// A user without rights, for whom a part of the processes run where this is possible.
const OTHER_USER: u32 = 65_534;

fn gpus() -> Vec<Gpu> {
    (0..GPUS).map(|index| Gpu { index, uuid: format!("GPU-{index}"), ..Gpu::default() }).collect()
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

    /// The leases that ended so far: GPUs × microseconds of each.
    fn done(&self) -> Vec<u64> {
        let text = std::fs::read_to_string(self.folder.join("done")).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
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
        let mut random = self.seed.wrapping_add(u64::from(thread) << 32);
        while self.done().len() < self.leases {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let needed = [1, 2, 4][(random >> 33) as usize % 3];
            let hold = self.hold_us / 2 + (random >> 40) % self.hold_us.max(1);
            let leasing = Leasing {
                folder: &self.folder.join("locks"),
                gpus: &gpus,
                wanted: Wanted { gpus: needed, ..Wanted::default() },
                holder: Holder::this_process().measuring("0007", "stress"),
                wait: Duration::from_mins(10),
                look: Duration::from_micros(self.hold_us / 20),
            };
            let leased = runtime.block_on(leasing.lease(Clock::real(), &mut |_| {})).unwrap();
            let begun = Instant::now();
            assert_eq!(leased.leased().len(), usize::from(needed));
            leased.leased().iter().for_each(|gpu| self.claim(gpu.index));
            runtime.block_on(Clock::real().sleep(Duration::from_micros(hold)));
            leased.leased().iter().for_each(|gpu| self.disclaim(gpu.index));
            let used = begun.elapsed().as_micros() * u128::from(needed);
            drop(leased);
            self.append("done", &used.to_string());
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

    /// Runs it in three processes, of which so many are killed on the way. Gives the share of the
    /// GPUs' time in which they were leased.
    fn run(&self, test: &str, kills: usize) -> f64 {
        let claims = (0..GPUS).map(|gpu| format!("claim-{gpu}"));
        for name in claims.chain(["done".to_owned(), "twice".to_owned()]) {
            let path = self.folder.join(name);
            std::fs::write(&path, "").unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
        }
        std::fs::set_permissions(&self.folder, std::fs::Permissions::from_mode(0o777)).unwrap();
        let begun = Instant::now();
        let start = |at: usize, seed| {
            Self { seed, folder: self.folder.clone(), ..*self }.start(test, at == 2)
        };
        let mut workers: Vec<Child> = (0..3).map(|at| start(at, at as u64)).collect();
        for kill in 1..=kills {
            while self.done().len() < self.leases * kill / (kills + 1) {
                std::thread::park_timeout(Duration::from_millis(2));
            }
            let at = kill % 3;
            workers[at].kill().unwrap();
            workers[at].wait().unwrap();
            workers[at] = start(at, 10 + kill as u64);
        }
        while self.done().len() < self.leases {
            std::thread::park_timeout(Duration::from_millis(2));
        }
        let (elapsed, used) = (begun.elapsed(), self.done().iter().sum::<u64>());
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
        used as f64 / 1e6 / f64::from(GPUS) / elapsed.as_secs_f64()
    }
}

fn stress(test: &str, leases: usize, threads: u32, hold_us: u64, kills: usize) -> Option<f64> {
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
    let Some(busy) = stress(test, 1_020, 14, 500_000, 12) else { return };
    eprintln!(
        "1,020 leases and more, 12 kills: the GPUs were leased {:.1} % of the time",
        busy * 100.0
    );
}
