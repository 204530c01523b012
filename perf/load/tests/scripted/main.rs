//! The load generator against a scripted server in this process, in virtual time: what it sends
//! when, what it makes of every kind of answer, and the answers of real servers played back to it,
//! and ten thousand random streams of which the truth is known.

#![expect(clippy::unwrap_used, reason = "a helper that unwraps fails the test that calls it")]

mod arrivals;
mod captures;
mod conversations;
mod counts;
mod dialect;
mod dialects;
mod events;
mod failures;
mod faults;
mod fields;
mod ground_truth;
mod server;
mod timing;
mod truth;
mod whole;
