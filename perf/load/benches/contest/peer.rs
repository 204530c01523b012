//! The contenders that are other people's programs: [`Peer`], run on a row of the table and read
//! back.

use std::path::Path;
use std::process::{Command, Stdio};

use super::process::{on_core, watch};

/// The most requests that the slow one is given.
const MOST_FOR_PYTHON: u32 = 10_000;

/// What a peer is asked for.
pub(crate) struct Task<'a> {
    pub(crate) url: &'a str,
    pub(crate) requests: u32,
    pub(crate) warmup: u32,
    pub(crate) concurrency: u32,
    pub(crate) tokens: u32,
}

/// What a client's process came to.
pub(crate) struct Cost {
    /// Requests, those of the warm-up among them.
    pub(crate) requests: u32,
    pub(crate) cpu_s: f64,
    pub(crate) peak_mb: f64,
    pub(crate) ttft_ms: [f64; 2],
}

/// A program that takes the options of `vllm bench serve`.
pub(crate) struct Peer {
    program: String,
    /// Whether it is vLLM's Python client: it is slow, has no `--dry-run`, and spends seconds on
    /// its start.
    is_python: bool,
    tokenizer: String,
}

impl Peer {
    pub(crate) fn new(program: String, is_python: bool) -> Self {
        let tokenizer =
            std::env::var("PERF_TOKENIZER").ok().filter(|folder| Path::new(folder).is_dir());
        let tokenizer = tokenizer
            .expect("PERF_TOKENIZER names a folder with a tokenizer.json, which the peers need");
        Self { program, is_python, tokenizer }
    }

    /// Runs it, and takes off what it spends before the first request: drawing prompts is no part
    /// of the comparison.
    pub(crate) fn run(&self, task: &Task<'_>) -> Cost {
        let requests =
            if self.is_python { task.requests.min(MOST_FOR_PYTHON) } else { task.requests };
        let folder = tempfile::tempdir().unwrap();
        let (_, before_s, _) = watch(if self.is_python {
            self.command(task, 1, folder.path())
        } else {
            let mut dry = self.command(task, requests, folder.path());
            dry.arg("--dry-run");
            dry
        });
        let (said, cpu_s, peak_mb) = watch(self.command(task, requests, folder.path()));
        let text = std::fs::read_to_string(folder.path().join("r.json"));
        let text =
            text.unwrap_or_else(|error| panic!("{} left no result: {error}: {said}", self.program));
        let result: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(result["completed"].as_u64(), Some(u64::from(requests)), "{said}");
        let ttft_ms =
            ["p50_ttft_ms", "p99_ttft_ms"].map(|key| result[key].as_f64().unwrap_or(f64::NAN));
        Cost { requests: requests + task.warmup, cpu_s: cpu_s - before_s, peak_mb, ttft_ms }
    }

    fn command(&self, task: &Task<'_>, requests: u32, folder: &Path) -> Command {
        let mut command = on_core("1", &self.program);
        command.args([
            "bench",
            "serve",
            "--backend",
            "openai",
            "--base-url",
            task.url,
            "--model",
            "tiny",
        ]);
        command.args([
            "--ignore-eos",
            "--tokenizer",
            &self.tokenizer,
            "--disable-tqdm",
            "--dataset-name",
            "random",
        ]);
        command.args(["--random-input-len", "8", "--random-output-len", &task.tokens.to_string()]);
        command.args([
            "--num-prompts",
            &requests.to_string(),
            "--num-warmups",
            &task.warmup.to_string(),
        ]);
        command.args([
            "--max-concurrency",
            &task.concurrency.to_string(),
            "--percentile-metrics",
            "ttft,itl",
        ]);
        command.args([
            "--metric-percentiles",
            "50,99",
            "--save-result",
            "--result-filename",
            "r.json",
        ]);
        command.arg("--result-dir").arg(folder);
        if !self.is_python {
            command.arg("--no-steady-state");
        }
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        command
    }
}
