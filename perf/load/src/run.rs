//! One run of a load: it sends the requests in the rhythm of the arrivals and reads each response.

pub(crate) mod chat_session;
pub(crate) mod client_monitor;
pub(crate) mod exchange;
pub(crate) mod measure;
pub(crate) mod open_files;
pub(crate) mod plan;
pub(crate) mod scheduler;
