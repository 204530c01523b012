//! What was seen: the samples of a run, what the client used, what it ran on, and the file that
//! holds them.

pub mod answer_parts;
pub mod bounds;
pub mod cache_reset;
pub mod chunks;
pub mod client_load;
pub mod counter_source;
pub mod day;
pub mod difference;
pub mod effective;
pub mod end;
pub mod estimated;
pub mod file;
pub mod finding;
pub mod fingerprint;
pub mod gpu_reading;
pub mod gpu_setup;
pub mod left_out;
pub mod oddity;
pub mod part;
pub mod reader;
pub mod sample;
pub mod search_probe;
pub mod server_counts;
pub mod skipped_entries;
pub mod start_up;
