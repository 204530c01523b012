//! The server's prefix cache is emptied before a load, where the server offers that: [`reset`].
//!
//! vLLM offers it in development mode (`VLLM_SERVER_DEV_MODE=1`). It refuses while requests hold
//! blocks of the cache, and those of the warm-up may hold theirs a moment longer than their answers
//! take.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use perf_clock::Clock;
use perf_model::record::file::CacheReset;
use serde::Deserialize;

use crate::http::endpoint::Endpoint;
use crate::openai::error_message::server_message;

const PATH: &str = "/reset_prefix_cache";

/// There is nothing to say, but a gateway may not let a POST without a length pass.
const NOTHING: &[u8] = b"{}";

/// Longer than any cache takes to forget.
const LIMIT: Duration = Duration::from_secs(10);

/// How often it is asked again while blocks are held, and how long it is waited in between.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(50);

/// The longest message of a server that is read.
const MESSAGE: usize = 64 * 1024;

/// What the server answers.
enum Answer {
    Final(CacheReset),
    /// Not now.
    Held,
}

/// Asks the server to empty its prefix cache, and says what it answered. Where the metrics of
/// several servers are listed, each of them is asked: at the address of the load one would answer.
pub(crate) async fn reset(endpoint: &Endpoint, clock: Clock) -> CacheReset {
    let mut answers = Vec::new();
    for (server, metrics) in endpoint.metrics() {
        // Beside its metrics, for a server below a path.
        let place = metrics.strip_suffix("/metrics").unwrap_or_default();
        let path = format!("{place}{PATH}");
        let answer = reset_one(server, &path, clock).await;
        answers.push((server.shown(place), answer));
    }
    if answers.iter().all(|(_, answer)| *answer == CacheReset::NotOffered) {
        // None are listed, or only exporters of their metrics.
        let answer = reset_one(endpoint, PATH, clock).await;
        return match (answer, answers.len()) {
            (CacheReset::Done, servers @ 2..) => CacheReset::Refused(format!(
                "one of {servers} servers did, and none offers it at the address of its metrics"
            )),
            (answer, _) => answer,
        };
    }
    let servers = answers.len();
    let failed = answers.into_iter().filter_map(|(server, answer)| match answer {
        CacheReset::Done => None,
        CacheReset::NotOffered => Some(format!("{server} does not offer it")),
        CacheReset::Refused(why) => Some(format!("{server} said {why}")),
    });
    let failed: Vec<String> = failed.collect();
    if failed.is_empty() {
        return CacheReset::Done;
    }
    CacheReset::Refused(format!("{} of {servers} did not: {}", failed.len(), failed.join("; ")))
}

async fn reset_one(endpoint: &Endpoint, path: &str, clock: Clock) -> CacheReset {
    for _ in 0..ATTEMPTS {
        match clock.timeout(LIMIT, ask(endpoint, path)).await {
            Ok(Answer::Final(what)) => return what,
            Ok(Answer::Held) => clock.sleep(PAUSE).await,
            Err(_) => return CacheReset::Refused(format!("no answer for {} s", LIMIT.as_secs())),
        }
    }
    CacheReset::Refused("requests held blocks of it".to_owned())
}

async fn ask(endpoint: &Endpoint, path: &str) -> Answer {
    let mut incoming = match endpoint.send(Method::POST, path, Bytes::from_static(NOTHING)).await {
        Ok(incoming) => incoming,
        Err(broke) => {
            return Answer::Final(CacheReset::Refused(endpoint.masked(broke.what)));
        }
    };
    let mut body = Vec::new();
    while body.len() < MESSAGE && matches!(incoming.piece(&mut body).await, Some(Ok(()))) {}
    match judge(incoming.status, &body) {
        Answer::Final(CacheReset::Refused(why)) => {
            Answer::Final(CacheReset::Refused(endpoint.masked(why)))
        }
        other => other,
    }
}

fn judge(status: StatusCode, body: &[u8]) -> Answer {
    #[derive(Deserialize)]
    struct Said {
        success: bool,
    }
    match status {
        // Older versions say nothing, and have done it.
        StatusCode::OK if serde_json::from_slice(body).is_ok_and(|said: Said| !said.success) => {
            Answer::Held
        }
        StatusCode::OK => Answer::Final(CacheReset::Done),
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => {
            Answer::Final(CacheReset::NotOffered)
        }
        other => Answer::Final(CacheReset::Refused(format!("{other}: {}", server_message(body)))),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use axum::Router;
    use axum::routing::{get, post};

    use super::*;

    /// What is made of a server that answers the n-th question so.
    fn asked(
        answer: impl Fn(u32) -> (u16, &'static str) + Clone + Send + Sync + 'static,
    ) -> (CacheReset, u32) {
        let count = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&count);
        let handler = move || {
            let (status, body) = answer(counted.fetch_add(1, Ordering::SeqCst));
            async move { (StatusCode::from_u16(status).unwrap(), body) }
        };
        let endpoint = Endpoint::in_process(Router::new().route(PATH, post(handler)));
        let what = perf_clock::run_virtual(|clock| async move { reset(&endpoint, clock).await });
        (what, count.load(Ordering::SeqCst))
    }

    #[test]
    fn a_server_that_resets_its_cache_is_asked_once() {
        assert_eq!(asked(|_| (200, "{\"success\":true}")), (CacheReset::Done, 1));
        assert_eq!(asked(|_| (200, "")), (CacheReset::Done, 1));
    }

    #[test]
    fn a_server_without_the_route_offers_no_reset() {
        let endpoint = Endpoint::in_process(Router::new().route(PATH, get(|| async {})));
        let what = |endpoint: Endpoint| {
            perf_clock::run_virtual(|clock| async move { reset(&endpoint, clock).await })
        };
        assert_eq!(what(endpoint), CacheReset::NotOffered);
        assert_eq!(what(Endpoint::in_process(Router::new())), CacheReset::NotOffered);
    }

    #[test]
    fn a_cache_that_is_held_is_asked_for_again() {
        let later =
            |turn| (200, if turn < 3 { "{\"success\":false}" } else { "{\"success\":true}" });
        assert_eq!(asked(later), (CacheReset::Done, 4));
        let never = asked(|_| (200, "{\"success\":false}"));
        assert_eq!(never, (CacheReset::Refused("requests held blocks of it".to_owned()), ATTEMPTS));
    }

    #[test]
    fn a_refusal_is_kept_in_the_servers_words() {
        let refused = asked(|_| (500, "{\"error\":{\"message\":\"the engine is busy\"}}")).0;
        assert_eq!(
            refused,
            CacheReset::Refused("500 Internal Server Error: the engine is busy".to_owned())
        );
    }
}
