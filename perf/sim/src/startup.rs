//! The start of the server, how long it takes, what it logs and how it fails: [`StartFailure`].
//!
//! The lines are those of vLLM 0.32, because the code that reads a real server's log also reads
//! this one.

use std::time::Duration;

use perf_clock::{Clock, Stamp};

use crate::args::ServeArgs;
use crate::memory::{KvCache, Misfit, plan};
use crate::options::{Environment, Options};
use crate::profile::Profile;

/// The server did not start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the simulated vllm ended with exit code {exit_code} while it started: {cause}; read its log"
)]
pub struct StartFailure {
    /// Exit code of the process: 2 for refused arguments, else 1.
    pub exit_code: i32,
    /// The log line with the reason.
    pub cause: String,
    /// The log up to the failure.
    pub log: Vec<String>,
}

impl StartFailure {
    fn new(exit_code: i32, cause: &str, mut log: Log) -> Self {
        log.plain(cause);
        if exit_code == 1 {
            log.plain("RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}");
        }
        Self { exit_code, cause: cause.into(), log: log.lines }
    }

    /// A failure before the engine was started, by the line that ends the log.
    fn early(exit_code: i32, cause: String, environment: &Environment) -> Self {
        let mut log = Log::begin(environment, None);
        log.plain(&cause);
        Self { exit_code, log: log.lines, cause }
    }
}

/// How vLLM fails when its port is taken.
pub fn bind_failure(environment: &Environment) -> StartFailure {
    StartFailure::early(1, "OSError: [Errno 98] Address already in use".into(), environment)
}

/// How vLLM fails when the model is a path that does not exist.
pub fn missing_model_failure(model: &str, environment: &Environment) -> StartFailure {
    let cause = format!(
        "huggingface_hub.errors.HFValidationError: Repo id must be in the form 'repo_name' or 'namespace/repo_name': \
         '{model}'. Use `repo_type` argument if needed."
    );
    StartFailure::early(1, cause, environment)
}

/// The log of a start that succeeded.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) lines: Vec<String>,
    /// When each line was written.
    pub(crate) stamps: Vec<Stamp>,
}

/// Log lines, printed as they are written when `echo` is set.
struct Log {
    lines: Vec<String>,
    /// When each was written.
    stamps: Vec<Stamp>,
    clock: Option<Clock>,
    echo: bool,
}

impl Log {
    fn begin(environment: &Environment, clock: Option<Clock>) -> Self {
        Self { lines: Vec::new(), stamps: Vec::new(), clock, echo: environment.log_to_stderr }
    }

    fn plain(&mut self, line: &str) {
        if self.echo {
            eprintln!("{line}");
        }
        self.push(line);
    }

    fn push(&mut self, line: &str) {
        self.lines.push(line.into());
        self.stamps.extend(self.clock.map(|clock| clock.now()));
    }

    fn info(&mut self, process: &str, source: &str, text: &str) {
        self.plain(&format!("({process} pid=1) INFO [{source}] {text}"));
    }
}

/// Simulates the start: waits for its time, and returns the arguments, the KV cache and the log.
pub(crate) async fn start_up(
    options: &Options,
    environment: &Environment,
    clock: Clock,
) -> Result<(ServeArgs, KvCache, Written), StartFailure> {
    let profile = &options.profile;
    let mut log = Log::begin(environment, Some(clock));
    let args = match ServeArgs::parse(&options.args) {
        Ok(args) => args,
        Err(error) => {
            log.plain("usage: vllm serve [model_tag] [options]");
            return Err(StartFailure::new(2, &error.message, log));
        }
    };
    let time = StageTimes::of(profile, &args, environment);
    log.info("APIServer", "api_utils.py:347", &format!("version 0.32.0, model {}", options.model));
    log.info("APIServer", "api_utils.py:286", &format!("non-default args: {:?}", options.args));
    clock.sleep(time.init).await;

    if let Some(reason) = size_failure(profile, &args) {
        return Err(StartFailure::new(1, reason, log));
    }
    let planned = planned(options, &args);
    if let Err(Misfit::ContextOverModel { asked, model }) = planned {
        return Err(StartFailure::new(1, &context_over_model(asked, model), log));
    }
    let context = args.context_len(profile);
    log.info("APIServer", "model.py:2152", &format!("Using max model len {context}"));
    log.info("EngineCore", "core.py:133", "Initializing a V1 LLM engine (v0.32.0)");
    let loading = format!("Starting to load model {}...", options.model);
    log.info("Worker", "gpu_model_runner.py:5040", &loading);
    clock.sleep(time.weights).await;
    if let Err(Misfit::Weights { needed_gib, allowed_gib, total_gib }) = planned {
        return Err(StartFailure::new(
            1,
            &out_of_memory(needed_gib - allowed_gib, allowed_gib, total_gib),
            log,
        ));
    }
    log.info(
        "Worker",
        "default_loader.py:501",
        &format!("Loading weights took {:.2} seconds", time.weights.as_secs_f64()),
    );
    let weights_gib = profile.model.weights_gib / f64::from(args.tensor_parallel_size);
    log.info(
        "Worker",
        "gpu_model_runner.py:4930",
        &format!("Model loading took {weights_gib:.2} GiB memory"),
    );
    if let Err(Misfit::ContextOverCache { asked, needed_gib, available_gib, longest }) = planned {
        return Err(StartFailure::new(
            1,
            &context_over_cache(asked, needed_gib, available_gib, longest),
            log,
        ));
    }
    let cache = match planned {
        Ok(cache) => cache,
        Err(misfit) => {
            clock.sleep(time.capture).await;
            return Err(StartFailure::new(1, &graph_capture(&misfit), log));
        }
    };
    let is_cpu = profile.machine.gpus == 0;
    let device = if is_cpu { "CPU" } else { "GPU" };
    if !is_cpu {
        log.info(
            "Worker",
            "gpu_worker.py:436",
            &format!("Available KV cache memory: {:.2} GiB", cache.gib),
        );
    }
    let size = format!(
        "{device} KV cache size: {} tokens, Maximum concurrency for {} tokens per request: {:.2}x",
        thousands(cache.tokens()),
        thousands(context),
        cache.tokens() as f64 / context as f64
    );
    log.info("EngineCore", "kv_cache_utils.py:2327", &size);
    clock.sleep(time.capture).await;
    if !is_cpu && !args.enforce_eager {
        let seconds = time.graphs.as_secs_f64();
        let text = format!(
            "Graph capturing finished in {seconds:.0} secs, took {:.2} GiB",
            profile.model.graph_gib
        );
        log.info("Worker", "gpu_model_runner.py:6120", &text);
    }
    let text = format!(
        "init engine (profile, create kv cache, warmup model) took {:.2} s",
        time.capture.as_secs_f64()
    );
    log.info("EngineCore", "core.py:402", &text);
    let host = args.host.as_deref().unwrap_or("0.0.0.0");
    log.info(
        "APIServer",
        "entry.py:140",
        &format!("Starting vLLM server on http://{host}:{}", args.port),
    );
    log.plain("INFO:     Started server process [1]");
    log.plain("INFO:     Waiting for application startup.");
    // Not printed here: the caller that opens the port prints it when the port is open.
    log.push("INFO:     Application startup complete.");
    Ok((args, cache, Written { lines: log.lines, stamps: log.stamps }))
}

struct StageTimes {
    init: Duration,
    weights: Duration,
    capture: Duration,
    /// The part of `capture` in which CUDA graphs are captured.
    graphs: Duration,
}

impl StageTimes {
    fn of(profile: &Profile, args: &ServeArgs, environment: &Environment) -> Self {
        let startup = &profile.startup;
        let capture = if args.enforce_eager { startup.capture_s / 3.0 } else { startup.capture_s };
        let total = startup.init_s + startup.weights_s + capture;
        let scale = match environment.startup {
            Some(limit) if total > 0.0 => limit.as_secs_f64() / total,
            _ => 1.0,
        };
        let stage = |seconds: f64| Duration::from_secs_f64(seconds * scale);
        Self {
            init: stage(startup.init_s),
            weights: stage(startup.weights_s),
            capture: stage(capture),
            graphs: stage(startup.graphs_s.unwrap_or(startup.capture_s / 3.0)),
        }
    }
}

/// Why a server of these parallel sizes does not start, if the profile says so.
fn size_failure<'a>(profile: &'a Profile, args: &ServeArgs) -> Option<&'a str> {
    profile.parallel.as_ref()?.failure(args.tensor_parallel_size, args.data_parallel_size)
}

fn planned(options: &Options, args: &ServeArgs) -> Result<KvCache, Misfit> {
    if options.injection.oom {
        return Err(injected_oom(&options.profile, args));
    }
    plan(&options.profile, args)
}

fn injected_oom(profile: &Profile, args: &ServeArgs) -> Misfit {
    let total_gib = profile.machine.memory_gib;
    let allowed_gib = total_gib * args.gpu_memory_utilization;
    Misfit::Weights { needed_gib: allowed_gib + 0.5, allowed_gib, total_gib }
}

fn out_of_memory(missing_gib: f64, allowed_gib: f64, total_gib: f64) -> String {
    format!(
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate {missing_gib:.2} GiB. GPU 0 has a total capacity \
         of {total_gib:.2} GiB of which 0.00 GiB is free. Of the allocated memory {allowed_gib:.2} GiB is allocated by \
         PyTorch."
    )
}

fn graph_capture(misfit: &Misfit) -> String {
    let Misfit::GraphCapture { needed_gib, free_gib, total_gib } = misfit else {
        return format!("RuntimeError: {misfit:?}");
    };
    format!(
        "RuntimeError: CUDA graph capture failed: CUDA out of memory. Tried to allocate {needed_gib:.2} GiB. GPU 0 has a \
         total capacity of {total_gib:.2} GiB of which {free_gib:.2} GiB is free. Try decreasing `max_model_len`, \
         decreasing `gpu_memory_utilization` or enforcing eager mode."
    )
}

fn context_over_model(asked: usize, model: usize) -> String {
    format!(
        "Value error, User-specified max_model_len ({asked}) is greater than the derived max_model_len \
         (max_position_embeddings={model}.0 or model_max_length=None in model's config.json). To allow overriding this \
         maximum, set the env var VLLM_ALLOW_LONG_MAX_MODEL_LEN=1."
    )
}

fn context_over_cache(asked: usize, needed_gib: f64, available_gib: f64, longest: usize) -> String {
    format!(
        "ValueError: To serve at least one request with the model's max seq len ({asked}), ({needed_gib:.1} GiB KV cache \
         is needed, which is larger than the available KV cache memory ({available_gib:.1} GiB). Based on the available \
         memory, the estimated maximum model length is {longest}. Try increasing `gpu_memory_utilization` (which also \
         controls CPU memory on the CPU backend) or decreasing `max_model_len` when initializing the engine."
    )
}

/// A number with commas, as Python's `{:,}` writes it.
fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_separated() {
        assert_eq!([7, 768, 2_048, 2_097_152].map(thousands), ["7", "768", "2,048", "2,097,152"]);
    }
}
