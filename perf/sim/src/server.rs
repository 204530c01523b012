//! One simulated server, from its start to its stop: [`SimServer`].

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use perf_clock::{Clock, Stamp};
use tokio::task::JoinHandle;

use crate::api::{self, Api, ApiSettings};
use crate::engine::engines;
use crate::metrics::CacheConfig;
use crate::options::{Environment, Options};
use crate::scheduler::{Limits, Scheduler};
use crate::speculation::AllDrafts;
use crate::spread::Spread;
use crate::startup::{StartFailure, Written, start_up};
use crate::step_time::StepTimer;
use crate::tokenizer::Tokenizer;

/// Wall-clock time at the origin of a virtual clock: 1 January 2026, 20,454 days after 1970.
const VIRTUAL_EPOCH: Duration = Duration::from_hours(20_454 * 24);

/// A running simulated server. Dropping it stops its engine.
#[derive(Debug)]
pub struct SimServer {
    api: Api,
    log: Written,
    /// One for each replica.
    engines: Vec<JoinHandle<()>>,
}

impl SimServer {
    /// Starts a server, which takes as long on the clock as its profile says, or fails as vLLM
    /// would.
    pub async fn start(options: Options, clock: Clock) -> Result<Self, StartFailure> {
        Self::start_in(Environment::default(), options, clock).await
    }

    /// Like [`SimServer::start`], in other surroundings.
    pub async fn start_in(
        environment: Environment,
        options: Options,
        clock: Clock,
    ) -> Result<Self, StartFailure> {
        let (args, cache, log) = start_up(&options, &environment, clock).await?;
        let Options { profile, model, seed, injection, .. } = options;
        let limits = Limits {
            max_num_seqs: args.max_num_seqs.unwrap_or(profile.defaults.max_num_seqs),
            max_num_batched_tokens: args
                .max_num_batched_tokens
                .unwrap_or(profile.defaults.max_num_batched_tokens),
            block_size: cache.block_size,
            blocks: cache.blocks,
            prefix_caching: args.prefix_caching,
            speculation: args.speculation,
        };
        let tokenizer = Tokenizer::new(profile.model.vocab_size);
        let spread = Spread::of(&profile, &args);
        let timer = |replica: u32| {
            // Each replica is an engine process with noise of its own.
            let seed = seed.wrapping_add(u64::from(replica) << 48);
            StepTimer::new(&profile, &spread, &injection, args.enforce_eager, seed)
        };
        let parts =
            (0..spread.replicas).map(|replica| (Scheduler::new(limits, tokenizer), timer(replica)));
        let drafts = args.speculation.map(AllDrafts::of);
        let (engines, state, commands) = engines(clock, parts.collect(), drafts.as_ref());
        let max_model_len = args.context_len(&profile);
        let settings = ApiSettings {
            names: if args.served_model_names.is_empty() {
                [vec![model.clone()], args.adapters].concat()
            } else {
                [args.served_model_names, args.adapters].concat()
            },
            model,
            max_model_len,
            tokenizer,
            system_message: profile.model.system_message,
            seed,
            injection,
            stream_interval: args.stream_interval,
            load_tracking: args.load_tracking,
            per_request_metrics: args.per_request_metrics,
            per_request_drafts: args.per_request_drafts && args.speculation.is_some(),
            reasoning: args.reasoning,
            tool_calls: args.tool_calls,
            dev_mode: environment.dev_mode,
            admission: Duration::from_secs_f64(profile.http.admission_ms / 1e3),
            merged_chunk_share: profile.http.merged_chunk_share,
            natural_length: profile.natural_length,
            epoch: epoch(clock),
            cache: CacheConfig {
                block_size: cache.block_size,
                blocks: cache.blocks,
                prefix_caching: args.prefix_caching,
                gpu_memory_utilization: args.gpu_memory_utilization,
                max_concurrency: cache.tokens() as f64 / max_model_len as f64,
            },
        };
        let api = Api::new(settings, clock, state, commands);
        let engines = engines.into_iter().map(|engine| tokio::spawn(engine.run())).collect();
        Ok(Self { api, log, engines })
    }

    /// The HTTP API: a tower service that can be called in process or served on a port.
    pub fn router(&self) -> axum::Router {
        api::router(self.api.clone())
    }

    /// What the server printed while it started.
    pub fn log(&self) -> &[String] {
        &self.log.lines
    }

    /// The same, with the time of each line on the clock.
    pub fn log_stamps(&self) -> impl Iterator<Item = (Stamp, &str)> {
        self.log.stamps.iter().copied().zip(self.log.lines.iter().map(String::as_str))
    }

    /// Whether the engine has died.
    pub fn is_dead(&self) -> bool {
        self.api.is_dead()
    }

    /// Waits until the engine dies, which it does only when that is injected.
    pub async fn died(&self) {
        self.api.died().await;
    }
}

impl Drop for SimServer {
    fn drop(&mut self) {
        self.engines.iter().for_each(JoinHandle::abort);
    }
}

/// Wall-clock time at the clock's origin.
fn epoch(clock: Clock) -> Duration {
    if clock.is_virtual() {
        return VIRTUAL_EPOCH;
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(VIRTUAL_EPOCH);
    now.saturating_sub(clock.now())
}
