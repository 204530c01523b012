//! The way to the replicas of a data-parallel server: [`Replicas`].

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use crate::request::Submission;

/// A command from the API to the engine.
#[derive(Debug)]
pub(crate) enum Command {
    Generate(Box<Submission>),
    ResetPrefixCache(oneshot::Sender<bool>),
}

/// The replicas of a server, at least one. A request goes to the one with the fewest in flight, as
/// vLLM's own balancing does with its counts of waiting and running requests.
#[derive(Debug, Default)]
pub(crate) struct Replicas(Vec<Replica>);

#[derive(Debug)]
struct Replica {
    commands: UnboundedSender<Command>,
    in_flight: Arc<AtomicUsize>,
}

impl Replicas {
    /// Adds a replica; gives where its commands arrive.
    pub(crate) fn add(&mut self) -> UnboundedReceiver<Command> {
        let (commands, receiver) = unbounded_channel();
        self.0.push(Replica { commands, in_flight: Arc::default() });
        receiver
    }

    /// The requests in flight of the replica that was added last, which counts down those that end.
    pub(crate) fn last_in_flight(&self) -> Arc<AtomicUsize> {
        self.0.last().map_or_else(Arc::default, |replica| Arc::clone(&replica.in_flight))
    }

    /// Sends a request; false when the engine is dead.
    pub(crate) fn generate(&self, submission: Box<Submission>) -> bool {
        let load = |replica: &&Replica| replica.in_flight.load(Ordering::SeqCst);
        let Some(replica) = self.0.iter().min_by_key(load) else { return false };
        replica.in_flight.fetch_add(1, Ordering::SeqCst);
        replica.commands.send(Command::Generate(submission)).is_ok()
    }

    /// Empties the prefix cache of every replica; whether all could, or none if the engine is dead.
    pub(crate) async fn reset_prefix_cache(&self) -> Option<bool> {
        let mut all = true;
        for replica in &self.0 {
            let (sender, answer) = oneshot::channel();
            replica.commands.send(Command::ResetPrefixCache(sender)).ok()?;
            all &= answer.await.ok()?;
        }
        Some(all)
    }
}
