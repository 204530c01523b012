//! What is asked for: units and metrics, the load, the server, the settings of a run.

pub mod access;
pub mod config;
pub mod engine_kind;
pub mod extra_body;
pub mod file_name;
pub mod gpu_time;
pub mod guard;
pub mod hash;
pub mod image_reference;
pub mod load;
pub mod load_search;
pub mod metric;
pub mod model_mix;
pub mod plan;
pub mod price;
pub mod quantity;
pub mod redactor;
pub mod request_field;
pub mod run_request;
pub mod secret_name;
pub mod server;
pub mod server_url;
pub mod settings;
pub mod suggest;
pub mod tier;
pub mod units;
