//! HTTP/1.1 to one server: the codec, the connection pool, and the endpoint that the rest of the
//! crate uses.

pub(crate) mod connection_pool;
pub(crate) mod endpoint;
pub(crate) mod error;
pub(crate) mod headers;
pub(crate) mod http1;
pub(crate) mod reach;
pub(crate) mod socket;
#[cfg(feature = "tls")]
pub(crate) mod tls;
