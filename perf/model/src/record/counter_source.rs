//! Where the counters of a run come from, where that is not the one server: [`CounterSource`].

use serde::{Deserialize, Serialize};

use crate::record::finding::{Finding, FindingCode};

/// Where the counters of a run come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CounterSource {
    /// Several servers answer at the address, so that the counters are left out.
    Several {
        /// How many were seen; there may be more.
        seen: u32,
    },
    /// They are the sum over a list of servers.
    Listed {
        /// How many servers the list has.
        servers: u32,
    },
}

impl CounterSource {
    /// What a reader of the figures should know.
    pub fn remark(self) -> Option<Finding> {
        let Self::Several { seen } = self else { return None };
        Some(Finding::new(
            FindingCode::SeveralServers,
            format!(
                "several servers answer at this address ({seen} or more were seen at /metrics), so their counters \
                 were left out and the client's counts were not checked; name the /metrics of each with --metrics-url or \
                 in `[remote]` of perf.toml"
            ),
        ))
    }
}
