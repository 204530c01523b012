//! The step loop that drives the scheduler through time: [`Engine`].

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use perf_clock::Clock;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::metrics::{FinishReason, Finished, Metrics};
use crate::replicas::{Command, Replicas};
use crate::request::{Progress, Submission, Times};
use crate::scheduler::{Scheduler, StepPlan};
use crate::speculation::{AllDrafts, Drafts};
use crate::step_time::StepTimer;

/// How long an idle engine gathers requests before its first step, so that those sent together
/// start together.
const GATHERING: Duration = Duration::from_micros(20);
/// The longest pause of the machine after which the loop still catches up with its deadlines.
const LONGEST_CATCH_UP: Duration = Duration::from_secs(1);

/// The engine's state, as the API sees it.
#[derive(Debug)]
pub(crate) struct EngineState {
    /// Those of each replica.
    metrics: Vec<Mutex<Metrics>>,
    dead: AtomicBool,
    death: Notify,
}

impl EngineState {
    /// The metrics of each replica, in order.
    pub(crate) fn metrics(&self) -> Vec<Metrics> {
        (0..self.metrics.len()).map(|replica| self.metrics_of(replica).clone()).collect()
    }

    fn metrics_of(&self, replica: usize) -> MutexGuard<'_, Metrics> {
        self.metrics[replica].lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }

    /// Waits until the engine has died.
    pub(crate) async fn died(&self) {
        let death = self.death.notified();
        if !self.is_dead() {
            death.await;
        }
    }
}

/// A sequence in the engine, with its times so far.
struct Tracked {
    submission: Submission,
    prompt_tokens: usize,
    cached_tokens: usize,
    generated: usize,
    preemptions: usize,
    queued: Duration,
    scheduled: Option<Duration>,
    first_token: Option<Duration>,
    last_token: Duration,
    drafts: Drafts,
}

impl Tracked {
    /// Its times up to its last token.
    fn times(&self) -> Times {
        let scheduled = self.scheduled.unwrap_or(self.last_token);
        let first_token = self.first_token.unwrap_or(self.last_token);
        Times {
            queue: scheduled.saturating_sub(self.queued),
            prefill: first_token.saturating_sub(scheduled),
            decode: self.last_token.saturating_sub(first_token),
        }
    }
}

/// The step loop's own state.
pub(crate) struct Engine {
    clock: Clock,
    scheduler: Scheduler,
    timer: StepTimer,
    state: Arc<EngineState>,
    commands: UnboundedReceiver<Command>,
    tracked: BTreeMap<u64, Tracked>,
    /// Its number among the replicas.
    replica: usize,
    /// Requests that were sent to it and have not ended.
    in_flight: Arc<AtomicUsize>,
}

/// An engine for each replica, the state that they share, and the way to them. What is drafted is
/// counted in `drafts`.
pub(crate) fn engines(
    clock: Clock,
    parts: Vec<(Scheduler, StepTimer)>,
    drafts: Option<&AllDrafts>,
) -> (Vec<Engine>, Arc<EngineState>, Replicas) {
    let state = Arc::new(EngineState {
        metrics: parts.iter().map(|_| Mutex::new(Metrics::new(drafts.cloned()))).collect(),
        dead: AtomicBool::new(false),
        death: Notify::new(),
    });
    let mut replicas = Replicas::default();
    let engine = |(replica, (scheduler, timer))| Engine {
        clock,
        scheduler,
        timer,
        state: Arc::clone(&state),
        commands: replicas.add(),
        tracked: BTreeMap::new(),
        replica,
        in_flight: replicas.last_in_flight(),
    };
    let engines = parts.into_iter().enumerate().map(engine).collect();
    (engines, state, replicas)
}

impl Engine {
    /// Runs until the API is dropped, or until an injected fault kills it.
    pub(crate) async fn run(mut self) {
        loop {
            if !self.scheduler.has_work() {
                self.show_gauges();
                let Some(command) = self.commands.recv().await else { return };
                self.obey(command);
                self.clock.sleep(GATHERING).await;
            }
            if self.busy().await.is_err() {
                // Every waiting request sees its channel close.
                self.state.dead.store(true, Ordering::SeqCst);
                self.tracked.clear();
                drop(self.commands);
                self.state.death.notify_waiters();
                return;
            }
        }
    }

    /// Steps while there is something to compute. Each step begins at the deadline of the one
    /// before, so that delays of the machine do not add up.
    async fn busy(&mut self) -> Result<(), Died> {
        let mut now = self.clock.now();
        loop {
            while let Ok(command) = self.commands.try_recv() {
                self.obey(command);
            }
            // One replica that dies takes the server with it.
            if self.state.is_dead() {
                return Err(Died);
            }
            self.drop_abandoned();
            let plan = self.scheduler.step();
            if plan.is_empty() {
                return Ok(());
            }
            self.note_plan(&plan, now);
            now += self.timer.time(plan.load, now);
            self.clock.sleep_until(now).await;
            if self.clock.now() > now + LONGEST_CATCH_UP {
                now = self.clock.now();
            }
            self.note_results(&plan, now)?;
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Generate(submission) => {
                self.scheduler.add(submission.sequence.clone());
                let tracked = Tracked {
                    prompt_tokens: submission.sequence.prompt.len(),
                    cached_tokens: 0,
                    generated: 0,
                    preemptions: 0,
                    queued: self.clock.now(),
                    scheduled: None,
                    first_token: None,
                    last_token: submission.arrived,
                    drafts: Drafts::default(),
                    submission: *submission,
                };
                self.tracked.insert(tracked.submission.sequence.id, tracked);
            }
            Command::ResetPrefixCache(answer) => {
                // The client may have disconnected.
                let _ = answer.send(self.scheduler.reset_prefix_cache());
            }
        }
    }

    /// Drops the sequences whose client has disconnected.
    fn drop_abandoned(&mut self) {
        let abandoned: Vec<u64> = self
            .tracked
            .iter()
            .filter(|(_, tracked)| tracked.submission.progress.is_closed())
            .map(|(id, _)| *id)
            .collect();
        let now = self.clock.now();
        for id in abandoned {
            self.scheduler.abort(id);
            self.finish(id, FinishReason::Abort, now);
        }
    }

    fn note_plan(&mut self, plan: &StepPlan, now: Duration) {
        self.show_gauges();
        let mut metrics = self.state.metrics_of(self.replica);
        for id in &plan.preempted {
            metrics.preemptions += 1;
            if let Some(tracked) = self.tracked.get_mut(id) {
                tracked.preemptions += 1;
            }
        }
        for admission in plan.admitted.iter().filter(|admission| !admission.resumed) {
            metrics.prefix_cache_queries += admission.prompt_tokens;
            metrics.prefix_cache_hits += admission.cached_tokens;
            if let Some(tracked) = self.tracked.get_mut(&admission.id) {
                tracked.cached_tokens = admission.cached_tokens;
                tracked.scheduled = Some(now);
            }
        }
    }

    fn note_results(&mut self, plan: &StepPlan, now: Duration) -> Result<(), Died> {
        let written = self.scheduler.finish_step(plan);
        let mut ended = Vec::new();
        {
            let mut metrics = self.state.metrics_of(self.replica);
            let (mut prompt_tokens, mut tokens) = (0, 0);
            for token in &written {
                let Some(tracked) = self.tracked.get_mut(&token.id) else { continue };
                let new = 1 + token.accepted;
                metrics.generation_tokens += new;
                tokens += new;
                tracked.drafts.add(token.drafted, token.accepted);
                if let Some(drafts) = &mut metrics.drafts {
                    drafts.add(token.drafted, token.accepted);
                }
                if tracked.first_token.is_none() {
                    tracked.first_token = Some(now);
                    prompt_tokens += tracked.prompt_tokens;
                    metrics.cached_prompt_tokens += tracked.cached_tokens;
                    metrics
                        .time_to_first_token
                        .observe(now.saturating_sub(tracked.submission.arrived).as_secs_f64());
                } else {
                    metrics
                        .inter_token_latency
                        .observe(now.saturating_sub(tracked.last_token).as_secs_f64());
                }
                tracked.last_token = now;
                tracked.generated = token.generated;
                let submission = &tracked.submission;
                if submission.is_poison && token.generated * 2 >= submission.sequence.target {
                    return Err(Died);
                }
                let finished = token.done.then_some(submission.reason);
                if submission.reports_tokens || token.done {
                    // A client that has disconnected is noticed before the next step.
                    let _ = submission.progress.send(Progress {
                        choice: submission.choice,
                        generated: token.generated,
                        finished,
                        times: tracked.times(),
                        drafts: tracked.drafts,
                    });
                }
                ended.extend(finished.map(|reason| (token.id, reason)));
            }
            metrics.prompt_tokens += prompt_tokens;
            metrics.iteration_tokens.observe((prompt_tokens + tokens) as f64);
        }
        for (id, reason) in ended {
            self.finish(id, reason, now);
        }
        Ok(())
    }

    fn finish(&mut self, id: u64, reason: FinishReason, now: Duration) {
        let Some(tracked) = self.tracked.remove(&id) else { return };
        self.in_flight.fetch_sub(1, Ordering::SeqCst);
        let arrived = tracked.submission.arrived;
        let scheduled = tracked.scheduled.unwrap_or(now);
        let first_token = tracked.first_token.unwrap_or(now);
        self.state.metrics_of(self.replica).finish(&Finished {
            reason,
            prompt_tokens: tracked.prompt_tokens,
            cached_tokens: tracked.cached_tokens,
            generated: tracked.generated,
            max_tokens: tracked.submission.max_tokens,
            preemptions: tracked.preemptions,
            e2e: now.saturating_sub(arrived).as_secs_f64(),
            queue: scheduled.saturating_sub(arrived).as_secs_f64(),
            prefill: first_token.saturating_sub(scheduled).as_secs_f64(),
            decode: now.saturating_sub(first_token).as_secs_f64(),
        });
    }

    fn show_gauges(&self) {
        let mut metrics = self.state.metrics_of(self.replica);
        metrics.running = self.scheduler.running();
        metrics.waiting = self.scheduler.waiting();
        metrics.kv_cache_usage = self.scheduler.cache_usage();
    }
}

/// A request killed the engine.
struct Died;
