//! What the engines and the commands must agree on about a machine: the lock files of leases and who
//! holds them ([`lock`], [`holder`]), the labels of containers ([`docker`]), when a GPU counts as
//! free ([`gpu`]), models in the hub's cache ([`hub`]), and the names of hosts, users and processes
//! ([`host`]).

pub mod command;
pub mod docker;
pub mod gpu;
pub mod holder;
pub mod host;
pub mod hub;
pub mod lock;
