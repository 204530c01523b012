//! Requests under way: [`Scheduler`] sends them as tasks, in the rhythm of the arrivals, and hands
//! over each sample as it lands.
//!
//! A request is a task of its own, so that pacing the sends never delays the stamp of a chunk.
//! Dropping the scheduler stops every request in it.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::time::Duration;

use perf_clock::{Clock, Stamp};
use perf_model::record::chunks::Chunks;
use perf_model::record::estimated::Estimated;
use perf_model::record::sample::{FailureKind, Outcome, Sample};
use perf_model::spec::load::Arrivals;
use tokio::task::JoinSet;

use crate::http::endpoint::Endpoint;
use crate::openai::call::Call;
use crate::run::chat_session::ChatSession;
use crate::run::client_monitor::BusyWait;
use crate::run::exchange::{Exchanged, exchange};

/// Tokio's timers are late by up to a millisecond and a half; the last stretch before a send is
/// waited for `busy_wait`.
const TIMER_LATENESS: Duration = Duration::from_micros(1_500);

/// Takes each sample as it lands, and says whether to go on.
pub(crate) type Observe<'a> = &'a mut (dyn FnMut(Sample) -> ControlFlow<()> + Send);

/// The requests of one part of a run, of which any number may be under way.
pub(crate) struct Scheduler<'a> {
    endpoint: Endpoint,
    clock: Clock,
    origin: Stamp,
    under_way: JoinSet<Exchanged>,
    busy_wait: BusyWait,
    observe: Observe<'a>,
}

/// What the next send needs to know of a request that has finished.
struct Finished {
    index: u32,
    /// When the next may be sent in its place.
    free_us: u64,
    /// The answer's text, where a conversation may go on from it.
    said: Option<String>,
}

/// The conversations that are under way.
#[derive(Default)]
struct OpenConversations {
    /// Each by its request that was sent last, or is due next.
    by_request: HashMap<u32, ChatSession>,
    /// Requests that are due only after a pause, by when and by index.
    paused: BTreeMap<(u64, u32), Call>,
}

impl<'a> Scheduler<'a> {
    /// A scheduler that begins now: its samples' times count from here.
    pub(crate) fn begin(endpoint: &Endpoint, clock: Clock, observe: Observe<'a>) -> Self {
        Self {
            endpoint: endpoint.clone(),
            clock,
            origin: clock.now(),
            under_way: JoinSet::new(),
            busy_wait: BusyWait::default(),
            observe,
        }
    }

    /// When it began, on its clock.
    pub(crate) fn origin(&self) -> Stamp {
        self.origin
    }

    /// Counts how long it waits `busy_wait`.
    pub(crate) fn busy_wait(&self) -> BusyWait {
        self.busy_wait.clone()
    }

    /// Makes all calls in the rhythm of `arrivals` and waits for the last to land, or for the
    /// observer to stop it.
    pub(crate) async fn run(
        mut self,
        arrivals: Arrivals,
        calls: Vec<Call>,
        schedule: Vec<Duration>,
    ) {
        // The caller knows whether its observer stopped the run.
        let _ = match arrivals {
            _ if calls.iter().any(|call| call.turn.is_some()) => {
                self.conversations(calls, arrivals.width()).await
            }
            Arrivals::OneAtATime => self.closed_loop(calls, 1).await,
            Arrivals::Concurrency(width) => self.closed_loop(calls, width).await,
            Arrivals::Waves(width) => self.waves(calls, width).await,
            Arrivals::ConstantRate(_)
            | Arrivals::Poisson(_)
            | Arrivals::Gamma { .. }
            | Arrivals::Ramp { .. }
            | Arrivals::Recorded { .. } => self.open_loop(calls, schedule).await,
        };
    }

    /// The turn of a request comes when the client has done with the one that it follows: the
    /// moment until its send counts as latency.
    async fn closed_loop(&mut self, calls: Vec<Call>, width: u32) -> ControlFlow<()> {
        let mut calls = calls.into_iter();
        for call in calls.by_ref().take(width as usize) {
            self.send(call, 0);
        }
        while let Some(finished) = self.next_finished().await {
            let free_us = finished?.free_us;
            if let Some(call) = calls.next() {
                self.send(call, free_us);
            }
        }
        ControlFlow::Continue(())
    }

    /// `width` conversations at once; in each, the next request when the last was answered and its
    /// pause is over: the moment from which its latency counts. One that fails ends its conversation: the next request would contain its response. Those that
    /// are not sent are failures as well.
    async fn conversations(&mut self, calls: Vec<Call>, width: u32) -> ControlFlow<()> {
        let mut waiting = ChatSession::split(calls);
        let mut open = OpenConversations::default();
        let (clock, busy_wait) = (self.clock, self.busy_wait.clone());
        for _ in 0..width {
            let Some(conversation) = waiting.pop_front() else { break };
            self.go_on(conversation, 0, &mut open);
        }
        loop {
            let finished = if let Some((due_us, _)) = open.paused.keys().next().copied() {
                let deadline = self.origin + Duration::from_micros(due_us);
                tokio::select! {
                    biased;
                    () = wait_until(clock, deadline, &busy_wait) => {
                        if let Some((_, call)) = open.paused.pop_first() {
                            self.send(call, due_us);
                        }
                        continue;
                    }
                    Some(finished) = self.next_finished() => finished?,
                }
            } else if let Some(finished) = self.next_finished().await {
                finished?
            } else {
                break;
            };
            let mut conversation = open.by_request.remove(&finished.index).unwrap_or_default();
            let goes_on = if let Some(said) = &finished.said {
                conversation.answered(said);
                self.go_on(conversation, finished.free_us, &mut open)
            } else {
                for call in conversation.rest() {
                    self.leave_out(&call, &finished)?;
                }
                false
            };
            if !goes_on && let Some(next) = waiting.pop_front() {
                self.go_on(next, finished.free_us, &mut open);
            }
        }
        ControlFlow::Continue(())
    }

    /// Hands over a request that cannot be sent, because the one before it failed.
    fn leave_out(&mut self, call: &Call, failed: &Finished) -> ControlFlow<()> {
        let detail = format!("request {} of its conversation failed", failed.index);
        (self.observe)(Sample {
            index: call.index,
            intended_us: failed.free_us,
            sent_us: failed.free_us,
            chunks: Chunks::default(),
            end_us: failed.free_us,
            prompt_tokens: None,
            output_tokens: None,
            finish_reason: None,
            resent: false,
            estimated: Estimated::NOTHING,
            oddities: Vec::new(),
            server: None,
            parts: None,
            drafts: None,
            model: call.model,
            outcome: Outcome::Failed { kind: FailureKind::NotSent, detail },
        })
    }

    /// Sends a conversation's next request, if it has one, or puts it where its pause is waited for.
    fn go_on(
        &mut self,
        mut conversation: ChatSession,
        turn_us: u64,
        open: &mut OpenConversations,
    ) -> bool {
        let Some(call) = conversation.next() else { return false };
        open.by_request.insert(call.index, conversation);
        let pause = call.turn.as_ref().map_or(Duration::ZERO, |turn| turn.pause);
        if pause.is_zero() {
            self.send(call, turn_us);
        } else {
            let pause_us = u64::try_from(pause.as_micros()).unwrap_or(u64::MAX);
            open.paused.insert((turn_us.saturating_add(pause_us), call.index), call);
        }
        true
    }

    async fn waves(&mut self, calls: Vec<Call>, width: u32) -> ControlFlow<()> {
        let mut calls = calls.into_iter().peekable();
        let mut turn_us = 0;
        while calls.peek().is_some() {
            for call in calls.by_ref().take(width as usize) {
                self.send(call, turn_us);
            }
            while let Some(finished) = self.next_finished().await {
                turn_us = turn_us.max(finished?.free_us);
            }
        }
        ControlFlow::Continue(())
    }

    async fn open_loop(&mut self, calls: Vec<Call>, schedule: Vec<Duration>) -> ControlFlow<()> {
        let busy_wait = self.busy_wait.clone();
        for (call, intended) in calls.into_iter().zip(schedule) {
            loop {
                let deadline = self.origin + intended;
                let clock = self.clock;
                tokio::select! {
                    // The send goes first: a finished sample has its stamps and can wait.
                    biased;
                    () = wait_until(clock, deadline, &busy_wait) => break,
                    Some(finished) = self.next_finished() => {
                        finished?;
                    }
                }
            }
            self.send(call, u64::try_from(intended.as_micros()).unwrap_or(u64::MAX));
        }
        while let Some(finished) = self.next_finished().await {
            finished?;
        }
        ControlFlow::Continue(())
    }

    fn send(&mut self, call: Call, intended_us: u64) {
        self.under_way.spawn(exchange(
            call,
            self.endpoint.clone(),
            intended_us,
            self.origin,
            self.clock,
        ));
    }

    /// Waits for the next request to land; `None` when none is under way.
    async fn next_finished(&mut self) -> Option<ControlFlow<(), Finished>> {
        loop {
            match self.under_way.join_next().await? {
                Ok(Exchanged { sample, free_us, said }) => {
                    let said = said.filter(|_| sample.succeeded());
                    let finished = Finished { index: sample.index, free_us, said };
                    return Some(match (self.observe)(sample) {
                        ControlFlow::Continue(()) => ControlFlow::Continue(finished),
                        ControlFlow::Break(()) => ControlFlow::Break(()),
                    });
                }
                Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
                // Its runtime is shutting finished, and this scheduler with it.
                Err(_) => {}
            }
        }
    }
}

impl Drop for Scheduler<'_> {
    /// Hands over what has finished and was not looked at yet; what is still under way is stopped
    /// with the set.
    fn drop(&mut self) {
        while let Some(finished) = self.under_way.try_join_next() {
            if let Ok(Exchanged { sample, .. }) = finished {
                let _ = (self.observe)(sample);
            }
        }
    }
}

/// Waits until `deadline`, in real time more exactly than a timer could.
async fn wait_until(clock: Clock, deadline: Stamp, busy_wait: &BusyWait) {
    if clock.is_virtual() {
        clock.sleep_until(deadline).await;
        return;
    }
    let early = deadline.saturating_sub(TIMER_LATENESS);
    if clock.now() < early {
        clock.sleep_until(early).await;
    }
    let mut now = clock.now();
    while now < deadline {
        tokio::task::yield_now().await;
        let after = clock.now();
        busy_wait.turn(after.saturating_sub(now));
        now = after;
    }
}
