//! The load generator against a scripted server in this process, in virtual time: what it sends when, what it makes of
//! every kind of answer, and the answers of real servers played back to it.

#![expect(clippy::unwrap_used, reason = "a helper that unwraps fails the test that calls it")]

mod arrivals;
mod captures;
mod conversations;
mod counts;
mod failures;
mod server;
mod timing;
