//! How a run ended: [`End`], the last line of its record.

use serde::{Deserialize, Serialize};

use crate::record::cache_reset::CacheReset;
use crate::record::client_load::ClientUse;
use crate::record::counter_source::CounterSource;
use crate::record::finding::{Finding, FindingCode};
use crate::record::left_out::LeftOut;
use crate::record::server_counts::ServerCounts;
use crate::record::skipped_entries::SkippedEntries;

/// How the run ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// Whether every request was sent and answered or given up.
    pub complete: bool,
    /// Why not, if not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What the server counted; absent when it has no `/metrics`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerCounts>,
    /// What the client used of the machine; absent in virtual time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<ClientUse>,
    /// What became of the server's prefix cache before the load; absent when the load never began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_reset: Option<CacheReset>,
    /// The fields that were not sent; without any, all that the load calls for were in force.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOut>,
    /// Where the server's counters come from, where that is not the one server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counters: Option<CounterSource>,
    /// Entries of the file of prompts that could not be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped_entries: Option<SkippedEntries>,
    /// Whether the certificate of the server was not checked.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unchecked_certificate: bool,
    /// When the first measured request was due on the clock of the readings of GPUs, in microseconds;
    /// absent where no GPU was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_clock_us: Option<u64>,
    /// The other servers of the same run that were on this machine meanwhile; mostly none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub neighbours: Vec<String>,
}

impl End {
    /// What a reader of the figures should know of the server's neighbours, where it had some.
    pub fn neighbours_remark(&self) -> Option<Finding> {
        let (count, names) = (self.neighbours.len(), self.neighbours.join(", "));
        let what = match count {
            0 => return None,
            1 => "1 other server was".to_owned(),
            _ => format!("{count} other servers were"),
        };
        let message = format!(
            "{what} on this machine meanwhile, which may have slowed this one down: {names}"
        );
        Some(Finding::new(FindingCode::Neighbours, message))
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !*value
}
