//! Requests under way: [`Flight`] sends them as tasks, in the rhythm of the arrivals, and hands over each sample as it
//! lands.
//!
//! A request is a task of its own, so that pacing the sends never delays the stamp of a chunk. Dropping the flight stops
//! every request in it.

use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::time::Duration;

use perf_clock::{Clock, Stamp};
use perf_model::load::Arrivals;
use perf_model::sample::Sample;
use tokio::task::JoinSet;

use crate::client::Call;
use crate::endpoint::Endpoint;

/// Tokio's timers are late by up to a millisecond and a half; the last stretch before a send is waited for awake.
const TIMER_LATENESS: Duration = Duration::from_micros(1_500);

/// Takes each sample as it lands, and says whether to go on.
pub(crate) type Observe<'a> = &'a mut (dyn FnMut(Sample) -> ControlFlow<()> + Send);

/// The requests of one part of a run, of which any number may be under way.
pub(crate) struct Flight<'a> {
    endpoint: Endpoint,
    clock: Clock,
    origin: Stamp,
    under_way: JoinSet<Sample>,
    observe: Observe<'a>,
}

impl<'a> Flight<'a> {
    /// A flight that begins now: its samples' times count from here.
    pub(crate) fn begin(endpoint: &Endpoint, clock: Clock, observe: Observe<'a>) -> Self {
        Self { endpoint: endpoint.clone(), clock, origin: clock.now(), under_way: JoinSet::new(), observe }
    }

    /// When it began, on its clock.
    pub(crate) fn origin(&self) -> Stamp {
        self.origin
    }

    /// Makes all calls in the rhythm of `arrivals` and waits for the last to land, or for the observer to stop it.
    pub(crate) async fn fly(mut self, arrivals: Arrivals, calls: Vec<Call>, schedule: Vec<Duration>) {
        // Whether the observer stopped it is known to whoever gave the observer.
        let _ = match arrivals {
            Arrivals::OneAtATime => self.closed_loop(calls, 1).await,
            Arrivals::Concurrency(width) => self.closed_loop(calls, width).await,
            Arrivals::Waves(width) => self.waves(calls, width).await,
            Arrivals::ConstantRate(_) | Arrivals::Poisson(_) => self.open_loop(calls, schedule).await,
        };
    }

    /// The turn of a request comes when the one that it follows has ended, as that one's sample says: the moment until
    /// its send counts as latency.
    async fn closed_loop(&mut self, calls: Vec<Call>, width: u32) -> ControlFlow<()> {
        let mut calls = calls.into_iter();
        for call in calls.by_ref().take(width as usize) {
            self.send(call, 0);
        }
        while let Some(ended_us) = self.land().await {
            let ended_us = ended_us?;
            if let Some(call) = calls.next() {
                self.send(call, ended_us);
            }
        }
        ControlFlow::Continue(())
    }

    async fn waves(&mut self, calls: Vec<Call>, width: u32) -> ControlFlow<()> {
        let mut calls = calls.into_iter().peekable();
        let mut turn_us = 0;
        while calls.peek().is_some() {
            for call in calls.by_ref().take(width as usize) {
                self.send(call, turn_us);
            }
            while let Some(ended_us) = self.land().await {
                turn_us = turn_us.max(ended_us?);
            }
        }
        ControlFlow::Continue(())
    }

    async fn open_loop(&mut self, calls: Vec<Call>, schedule: Vec<Duration>) -> ControlFlow<()> {
        for (call, intended) in calls.into_iter().zip(schedule) {
            loop {
                let deadline = self.origin + intended;
                let clock = self.clock;
                tokio::select! {
                    // The send goes first: a landed sample has its stamps and can wait.
                    biased;
                    () = wait_until(clock, deadline) => break,
                    Some(ended_us) = self.land() => {
                        ended_us?;
                    }
                }
            }
            self.send(call, u64::try_from(intended.as_micros()).unwrap_or(u64::MAX));
        }
        while let Some(ended_us) = self.land().await {
            ended_us?;
        }
        ControlFlow::Continue(())
    }

    fn send(&mut self, call: Call, intended_us: u64) {
        self.under_way.spawn(call.make(self.endpoint.clone(), intended_us, self.origin, self.clock));
    }

    /// Waits for the next request to land, and says when it had ended; `None` when none is under way.
    async fn land(&mut self) -> Option<ControlFlow<(), u64>> {
        loop {
            match self.under_way.join_next().await? {
                Ok(sample) => {
                    let ended_us = sample.end_us;
                    return Some(match (self.observe)(sample) {
                        ControlFlow::Continue(()) => ControlFlow::Continue(ended_us),
                        ControlFlow::Break(()) => ControlFlow::Break(()),
                    });
                }
                Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
                // Its runtime is shutting down, and this flight with it.
                Err(_) => {}
            }
        }
    }
}

impl Drop for Flight<'_> {
    /// Hands over what has landed and was not looked at yet; what is still under way is stopped with the set.
    fn drop(&mut self) {
        while let Some(landed) = self.under_way.try_join_next() {
            if let Ok(sample) = landed {
                let _ = (self.observe)(sample);
            }
        }
    }
}

/// Waits until `deadline`, in real time more exactly than a timer could.
async fn wait_until(clock: Clock, deadline: Stamp) {
    if clock.is_virtual() {
        clock.sleep_until(deadline).await;
        return;
    }
    let early = deadline.saturating_sub(TIMER_LATENESS);
    if clock.now() < early {
        clock.sleep_until(early).await;
    }
    while clock.now() < deadline {
        tokio::task::yield_now().await;
    }
}
