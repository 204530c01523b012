//! What the tests of the façade share: a repository of their own, and this test program run in it
//! once more, as `cargo xtask perf` runs a scenario.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, PipeReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use perf_model::judge::report::SuiteReport;
use perf_model::judge::verdict::Verdict;
use perf_model::record::file::Record;
use perf_model::spec::engine_kind::EngineKind;
use perf_model::spec::plan::Plan;
use perf_model::spec::settings::{COMMAND_VARIABLE, Purpose, Settings, VARIABLE, Variant};
use rustix::process::{Pid, Signal, kill_process};
use serde::de::DeserializeOwned;
use tempfile::TempDir;

/// What the inner scenario is to be. Without it, it is not meant to run.
const BEHAVIOUR: &str = "PERF_TEST_BEHAVIOUR";

/// After so long, what is waited for does not come any more.
const PATIENCE: Duration = Duration::from_mins(1);

/// How late a load may run whose figures no test looks at: these tests run beside each other, and
/// on machines that do other work.
pub(crate) const ANY_LATENESS: Duration = PATIENCE;

/// Between two looks at what does not announce itself.
const LOOK: Duration = Duration::from_millis(10);

/// What the inner scenario is to be; `None` when it is not asked for, as in a plain `cargo test`.
pub(crate) fn behaviour() -> Option<String> {
    std::env::var(BEHAVIOUR).ok()
}

/// Looks again and again until it is so.
pub(crate) fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "it does not come about that {what}");
        std::thread::park_timeout(LOOK);
    }
}

/// A repository for one test, with a folder of locks, a model, and the folder of a run.
pub(crate) struct Place {
    root: TempDir,
    /// The scenario that the tests of this module run, by its name in the test program.
    scenario: String,
}

impl Place {
    /// For the tests of a module, given by its path.
    pub(crate) fn new(module: &str) -> Self {
        let (_, module) = module.split_once("::").unwrap();
        let scenario = format!("{module}::inner_scenario");
        let place = Self { root: tempfile::tempdir().unwrap(), scenario };
        std::fs::create_dir(place.path("model")).unwrap();
        place
    }

    /// The same with the baseline of its scenario.
    pub(crate) fn recorded(module: &str) -> Self {
        let place = Self::new(module);
        place.simulated("").refresh().run().assert_success();
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    /// Writes a file and the folders above it.
    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// The record of a load in the first start of the run.
    pub(crate) fn record(&self, load: &str) -> Record {
        Record::parse(&self.read(&format!("run/inner/start-1/{load}.jsonl"))).unwrap()
    }

    /// The inner scenario on the simulated engine.
    pub(crate) fn simulated(&self, behaviour: &str) -> Inner {
        let settings = Settings { run_folder: Some(self.path("run")), ..Settings::default() };
        Inner::new(self, behaviour, settings)
    }

    /// The inner scenario on one start of a process, which is the simulated server in real time.
    pub(crate) fn process(&self, behaviour: &str) -> Inner {
        let settings = Settings {
            engine: EngineKind::Process,
            starts: Some(1),
            candidate: Variant { vllm: Some(perf_sim().to_owned()), ..Variant::default() },
            models: [("tiny".to_owned(), self.path("model"))].into(),
            run_folder: Some(self.path("run")),
            ..Settings::default()
        };
        Inner::new(self, behaviour, settings)
            .env("PERF_SIM_PROFILE", "tiny-cpu")
            .env("PERF_SIM_STARTUP_MS", "0")
    }

    /// The inner scenario on one start of a container, of the image in `PERF_TEST_IMAGE` or another one.
    /// It carries a small model at `/models/tiny`, which it serves on the CPU.
    pub(crate) fn docker(&self, behaviour: &str, image: Option<&str>) -> Inner {
        let config = "start_timeout_s = 240\n[docker]\nshm_size_gib = 1\n\
                      [models.tiny]\nin_image = \"/models/tiny\"\n";
        self.write("perf.toml", config);
        let settings = Settings {
            engine: EngineKind::Docker,
            starts: Some(1),
            runs: Some(1),
            candidate: Variant {
                image: Some(image.map_or_else(real_image, str::to_owned)),
                ..Variant::default()
            },
            run_folder: Some(self.path("run")),
            ..Settings::default()
        };
        let inner = Inner::new(self, behaviour, settings);
        Inner { patience: Duration::from_mins(8), ..inner }
    }

    /// The containers of this test that run.
    pub(crate) fn containers(&self) -> Vec<String> {
        let format = r#"{{.ID}} {{.Label "vllm-perf.lock"}}"#;
        let listed = docker(&["ps", "--filter", "label=vllm-perf=1", "--format", format]);
        let locks = self.path("locks").display().to_string();
        let ours = listed.lines().filter_map(|line| line.split_once(' '));
        ours.filter(|(_, lock)| lock.starts_with(&locks)).map(|(id, _)| id.to_owned()).collect()
    }

    /// The command lines of all processes that run on behalf of this test: each inherits the
    /// place's path.
    pub(crate) fn processes(&self) -> Vec<String> {
        let mark = self.root.path().to_str().unwrap();
        let read = |path: PathBuf| {
            String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).replace('\0', " ")
        };
        let folders = std::fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
        // A process that has ended and is not waited for yet has no environment.
        folders
            .filter(|folder| read(folder.join("environ")).contains(mark))
            .map(|folder| read(folder.join("cmdline")))
            .collect()
    }

    /// Whether the server process of this test is there.
    pub(crate) fn has_server(&self) -> bool {
        let model = self.path("model").display().to_string();
        self.processes()
            .iter()
            .any(|command| command.contains(" serve ") && command.contains(&model))
    }
}

/// The simulated server's program.
pub(crate) fn perf_sim() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| program("perf-sim"))
}

/// The program of `cargo xtask`.
pub(crate) fn xtask() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| program("xtask"))
}

/// A program of the workspace, which cargo puts beside the folder of the test programs.
fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.ancestors().nth(2).unwrap();
    let program = profile.join(name);
    if !program.is_file() {
        // A test of this package alone does not build the programs of others.
        let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        build
            .args(["build", "--quiet", "--workspace", "--bin", name, "--target-dir"])
            .arg(profile.parent().unwrap());
        if profile.ends_with("release") {
            build.arg("--release");
        }
        assert!(build.current_dir(env!("CARGO_MANIFEST_DIR")).status().unwrap().success());
    }
    program
}

/// The image of a real vLLM that ignored tests start.
pub(crate) fn real_image() -> String {
    std::env::var("PERF_TEST_IMAGE").unwrap_or_else(|_| "vllm-cpu:0.32.0".to_owned())
}

/// The arguments with which it serves its model on a small machine.
pub(crate) fn on_a_small_machine(server: perf::Vllm) -> perf::Vllm {
    server
        .arg("--dtype", "bfloat16")
        .switch("--enforce-eager")
        .arg("--max-model-len", 2048)
        .arg("--max-num-seqs", 64)
        .arg("--distributed-executor-backend", "uni")
}

/// What Docker's command says.
pub(crate) fn docker(words: &[&str]) -> String {
    let output = Command::new("docker").args(words).output().unwrap();
    let (said, error) = (output.stdout, String::from_utf8_lossy(&output.stderr).into_owned());
    assert!(output.status.success(), "docker {words:?}: {error}");
    String::from_utf8(said).unwrap()
}

/// The inner scenario, about to run.
pub(crate) struct Inner {
    run: PathBuf,
    settings: Settings,
    command: Command,
    /// How long it may take.
    patience: Duration,
}

impl Inner {
    fn new(place: &Place, behaviour: &str, settings: Settings) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        // The settings of this process are not for the inner one.
        for (name, _) in std::env::vars_os() {
            let is_meant_for_us =
                |prefix: &str| name.to_str().is_some_and(|name| name.starts_with(prefix));
            if ["PERF_", "INSTA_", "RUST_"].into_iter().any(is_meant_for_us) {
                command.env_remove(&name);
            }
        }
        command
            .args(["--exact", &place.scenario])
            .current_dir(place.root.path())
            .env(BEHAVIOUR, behaviour)
            .env("CARGO_MANIFEST_DIR", place.root.path())
            .env("PERF_LOCK_DIR", place.path("locks"))
            .env("INSTA_WORKSPACE_ROOT", place.root.path())
            .env("INSTA_UPDATE", "new")
            .env("INSTA_OUTPUT", "none");
        Self { run: place.path("run"), settings, command, patience: PATIENCE }
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn settings(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    pub(crate) fn inject(self, faults: &str) -> Self {
        self.settings(|settings| settings.candidate.inject = Some(faults.to_owned()))
    }

    /// Makes the run a refresh, as `cargo xtask perf refresh` does.
    pub(crate) fn refresh(self) -> Self {
        self.settings(|settings| settings.purpose = Purpose::Refresh)
    }

    /// Runs it to its end.
    pub(crate) fn run(self) -> Ended {
        self.start().end()
    }

    /// The same below a command of its own, which is what a signal to it reaches.
    pub(crate) fn start_below_another(mut self) -> Started {
        let mut below = Command::new("sh");
        // Not the last command of the shell, which would take the shell's place.
        let script = format!("{COMMAND_VARIABLE}=$$ \"$0\" \"$@\"; exit $?");
        below.args(["-c", &script]).arg(self.command.get_program()).args(self.command.get_args());
        for (name, value) in self.command.get_envs() {
            match value {
                Some(value) => below.env(name, value),
                None => below.env_remove(name),
            };
        }
        if let Some(folder) = self.command.get_current_dir() {
            below.current_dir(folder);
        }
        self.command = below;
        self.start()
    }

    pub(crate) fn start(mut self) -> Started {
        if !self.command.get_envs().any(|(name, _)| name == VARIABLE) {
            self.command.env(VARIABLE, serde_json::to_string(&self.settings).unwrap());
        }
        let (reader, writer) = std::io::pipe().unwrap();
        self.command.stdin(Stdio::null()).stdout(writer.try_clone().unwrap()).stderr(writer);
        let child = self.command.spawn().unwrap();
        // The command holds the pipe's writing ends, and the output ends only when all of these are
        // closed.
        drop(self.command);
        let (sender, lines) = channel();
        std::thread::spawn(move || read(reader, &sender));
        let run = self.settings.run_folder.unwrap_or(self.run);
        let (output, patience) = (String::new(), self.patience);
        Started { child, run, lines, output, begun: Instant::now(), patience }
    }
}

fn read(reader: PipeReader, lines: &Sender<String>) {
    for line in BufReader::new(reader).split(b'\n').map_while(Result::ok) {
        // The receiver is gone when the test has failed.
        let _ = lines.send(String::from_utf8_lossy(&line).into_owned());
    }
}

/// The inner scenario while it runs. Dropped before its end, it is killed.
pub(crate) struct Started {
    child: Child,
    run: PathBuf,
    lines: Receiver<String>,
    output: String,
    begun: Instant,
    patience: Duration,
}

impl Started {
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it is so. Ending first, or taking too long, is a failure.
    pub(crate) fn wait_until(&mut self, what: &str, is_so: impl Fn() -> bool) {
        while !is_so() {
            assert!(self.listen(LOOK), "it ended before {what}:\n{}", self.output);
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> Ended {
        while self.listen(self.patience) {}
        let status = self.child.wait().unwrap();
        Ended { status, run: self.run.clone(), output: std::mem::take(&mut self.output) }
    }

    /// Listens to what it says, for `limit` at most; `false` when it has said its last word.
    fn listen(&mut self, limit: Duration) -> bool {
        assert!(self.begun.elapsed() < self.patience, "it does not come about:\n{}", self.output);
        match self.lines.recv_timeout(limit) {
            Ok(line) => self.output.extend([line.as_str(), "\n"]),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return false,
        }
        true
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What came of the inner scenario.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) output: String,
    run: PathBuf,
}

impl Ended {
    pub(crate) fn assert_success(self) -> Self {
        assert!(self.status.success(), "{}:\n{}", self.status, self.output);
        self
    }

    pub(crate) fn assert_failure(self) -> Self {
        // What libtest exits with when a test fails.
        assert_eq!(self.status.code(), Some(101), "{}:\n{}", self.status, self.output);
        self
    }

    /// It failed and says all of this. A report breaks its lines at the width of the terminal, so
    /// that breaks do not count.
    pub(crate) fn assert_failed_with(self, parts: &[&str]) -> Self {
        let ended = self.assert_failure();
        let unbroken = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let output = unbroken(&ended.output);
        for part in parts {
            assert!(output.contains(&unbroken(part)), "`{part}` is not in:\n{}", ended.output);
        }
        ended
    }

    pub(crate) fn report(&self) -> SuiteReport {
        self.left("report.json")
    }

    pub(crate) fn plan(&self) -> Plan {
        self.left("plan.json")
    }

    fn left<T: DeserializeOwned>(&self, name: &str) -> T {
        let text = std::fs::read_to_string(self.run.join("inner").join(name));
        let text = text.unwrap_or_else(|error| {
            panic!("there is no {name}: {error}; the output:\n{}", self.output)
        });
        serde_json::from_str(&text).unwrap()
    }

    /// The remark of a run that could not be measured.
    pub(crate) fn remark(&self) -> String {
        let report = self.report();
        assert_eq!(report.verdict, Verdict::Invalid, "{}", self.output);
        report.remark.unwrap_or_else(|| panic!("no remark; the output:\n{}", self.output))
    }
}
