//! What became of the server's prefix cache before a load: [`CacheReset`].

use serde::{Deserialize, Serialize};

/// Whether the server's prefix cache was emptied between the warm-up and the first measured
/// request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CacheReset {
    /// The server has no such offer, as vLLM outside its development mode.
    NotOffered,
    /// It was emptied.
    Done,
    /// It was not, and why, in the server's words.
    Refused(String),
}
