//! What only some servers say, or say under certain flags: [`server_times`], and the [`Count`] of a
//! list.
//!
//! Nothing here makes a response malformed: another server may mean something else by the same
//! name.

use std::time::Duration;

use perf_model::record::sample::ServerTimes;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny};
use serde_json::Value;

/// What vLLM says of its own time for a request; `None` for anything else under that name.
pub(crate) fn server_times(metrics: &Value) -> Option<ServerTimes> {
    let us = |name: &str| {
        Some(Duration::try_from_secs_f64(metrics.get(name)?.as_f64()? / 1_000.0).ok()?.as_micros())
    };
    let us = |name: &str| u64::try_from(us(name)?).ok();
    let times = ServerTimes {
        queue_us: us("queue_time_ms"),
        prefill_us: us("time_to_first_token_ms"),
        decode_us: us("generation_time_ms"),
    };
    (times != ServerTimes::default()).then_some(times)
}

/// How long a list is, of whatever; `None` for what is no list.
pub(crate) struct Count(pub(crate) Option<u32>);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Seen {
            List(Vec<IgnoredAny>),
            Other(IgnoredAny),
        }
        Ok(match Seen::deserialize(deserializer)? {
            Seen::List(items) => Self(u32::try_from(items.len()).ok()),
            Seen::Other(_) => Self(None),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(metrics: &str) -> Option<ServerTimes> {
        server_times(&serde_json::from_str(metrics).unwrap())
    }

    #[test]
    fn the_times_that_vllm_gives_are_read() {
        // As vLLM 0.32.0 wrote it.
        let metrics = "{\"time_to_first_token_ms\":23.46132499997111,\"generation_time_ms\":16.414072000316082,\
                       \"queue_time_ms\":0.033617000099184224,\"mean_itl_ms\":5.471357333438694,\
                       \"tokens_per_second\":100.3124809007216,\"speculative_decoding\":null}";
        let times =
            ServerTimes { queue_us: Some(33), prefill_us: Some(23_461), decode_us: Some(16_414) };
        assert_eq!(said(metrics), Some(times));
        assert_eq!(
            said("{\"queue_time_ms\":1}"),
            Some(ServerTimes { queue_us: Some(1_000), ..ServerTimes::default() })
        );
    }

    #[test]
    fn what_is_no_time_is_nothing() {
        for other in [
            "null",
            "{}",
            "[1]",
            "\"fast\"",
            "{\"queue_time_ms\":null}",
            "{\"queue_time_ms\":-1.0}",
        ] {
            assert_eq!(said(other), None, "{other}");
        }
    }

    #[test]
    fn only_a_list_has_a_length() {
        let length = |text: &str| serde_json::from_str::<Count>(text).unwrap().0;
        assert_eq!(
            [length("[]"), length("[1,\"a\",[2,3]]"), length("null"), length("{}")],
            [Some(0), Some(3), None, None]
        );
    }
}
