//! A server that answers by script: [`Server`], its [`Reply`]s, and [`run`], which puts a load on
//! it.

use std::convert::Infallible;
use std::io::ErrorKind;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody};
use perf_clock::{Clock, run_virtual};
use perf_load::{Endpoint, LoadError, Measured, measure};
use perf_model::record::sample::{FailureKind, Outcome, Sample};
use perf_model::spec::load::{Arrivals, Load, OutputLength, Prompts, Workload};
use serde_json::Value;

/// What happens to the connection after the last piece.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Ending {
    Closes,
    Breaks,
    Hangs,
}

/// An answer: after `delay` the status, then each piece after its pause, then the ending.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) delay: Duration,
    pub(crate) status: StatusCode,
    pub(crate) content_type: Option<String>,
    pub(crate) pieces: Vec<(Duration, Bytes)>,
    pub(crate) ending: Ending,
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// When, in microseconds of the clock.
    pub(crate) at_us: u64,
    pub(crate) body: Value,
}

#[derive(Default)]
pub(crate) struct Log {
    pub(crate) asked: Vec<Asked>,
    pub(crate) under_way: usize,
    pub(crate) peak: usize,
}

/// Refuses a body, or leaves it to the script.
type Refuse = dyn Fn(&Value) -> Option<Reply> + Send + Sync;

/// A server that answers the n-th POST by `script(n)` and a GET of `/metrics` by `metrics`. Its
/// cache cannot be reset.
#[derive(Clone)]
pub(crate) struct Server {
    clock: Clock,
    pub(crate) log: Arc<Mutex<Log>>,
    script: Arc<dyn Fn(usize) -> Reply + Send + Sync>,
    metrics: Arc<dyn Fn(u64) -> Option<String> + Send + Sync>,
    tokenizer: Option<u32>,
    refuses: Arc<Refuse>,
}

/// One more request under way for as long as this exists.
struct UnderWay(Arc<Mutex<Log>>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.lock().unwrap().under_way -= 1;
    }
}

pub(crate) fn us(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

/// A chunk of a completion with the running total, as vLLM sends it.
pub(crate) fn chunk(total: u32, finish_reason: Option<&str>) -> String {
    let reason = finish_reason.map_or("null".to_owned(), |reason| format!("\"{reason}\""));
    format!(
        "data: {{\"choices\":[{{\"index\":0,\"text\":\"x\",\"finish_reason\":{reason}}}],\
         \"usage\":{{\"prompt_tokens\":3,\"total_tokens\":{},\"completion_tokens\":{total}}}}}\n\n",
        total + 3
    )
}

/// The usage chunk that closes a stream.
pub(crate) fn usage(total: u32) -> String {
    format!(
        "data: {{\"choices\":[],\"usage\":{{\"prompt_tokens\":3,\"completion_tokens\":{total}}}}}\n\n"
    )
}

pub(crate) const DONE: &str = "data: [DONE]\n\n";

impl Reply {
    /// A stream of these pieces, each after its pause in microseconds.
    pub(crate) fn stream<P: Into<Bytes>>(pieces: impl IntoIterator<Item = (u64, P)>) -> Self {
        Self {
            delay: Duration::ZERO,
            status: StatusCode::OK,
            content_type: Some("text/event-stream; charset=utf-8".to_owned()),
            pieces: pieces.into_iter().map(|(pause, piece)| (us(pause), piece.into())).collect(),
            ending: Ending::Closes,
        }
    }

    /// A whole stream, given as pause in microseconds and tokens of each chunk, that ends for its
    /// length.
    pub(crate) fn tokens(chunks: &[(u64, u32)]) -> Self {
        let mut total = 0;
        let mut pieces: Vec<(u64, String)> = Vec::new();
        for (index, (pause, tokens)) in chunks.iter().enumerate() {
            total += tokens;
            let reason = (index + 1 == chunks.len()).then_some("length");
            pieces.push((*pause, chunk(total, reason)));
        }
        pieces.push((0, usage(total) + DONE));
        Self::stream(pieces)
    }

    /// A body that comes at once.
    pub(crate) fn json(status: u16, body: &str) -> Self {
        Self {
            status: StatusCode::from_u16(status).unwrap(),
            content_type: Some("application/json".to_owned()),
            ..Self::stream([(0, body.to_owned())])
        }
    }

    pub(crate) fn ending(self, ending: Ending) -> Self {
        Self { ending, ..self }
    }
}

impl Server {
    pub(crate) fn new(
        clock: Clock,
        script: impl Fn(usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self {
            clock,
            log: Arc::default(),
            script: Arc::new(script),
            metrics: Arc::new(|_| None),
            tokenizer: None,
            refuses: Arc::new(|_| None),
        }
    }

    /// With counters: the text of `/metrics` at a moment in microseconds.
    pub(crate) fn with_metrics(
        self,
        metrics: impl Fn(u64) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        Self { metrics: Arc::new(metrics), ..self }
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        let server = self.clone();
        Endpoint::in_process(tower::service_fn(move |request| {
            let server = server.clone();
            async move { Ok::<_, Infallible>(server.answer(request).await) }
        }))
    }

    /// With a tokenizer that counts `count` tokens in every text.
    pub(crate) fn with_tokenizer(self, count: u32) -> Self {
        Self { tokenizer: Some(count), ..self }
    }

    /// With bodies that it refuses before its script is asked.
    pub(crate) fn refusing(
        self,
        refuses: impl Fn(&Value) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        Self { refuses: Arc::new(refuses), ..self }
    }

    fn now_us(&self) -> u64 {
        u64::try_from(self.clock.now().as_micros()).unwrap()
    }

    async fn answer(
        self,
        request: Request<Full<Bytes>>,
    ) -> Response<http_body_util::combinators::UnsyncBoxBody<Bytes, std::io::Error>> {
        if request.uri().path() == "/tokenize"
            && let Some(count) = self.tokenizer
        {
            let body = Full::new(Bytes::from(format!("{{\"count\":{count}}}")))
                .map_err(|never| match never {});
            return Response::new(body.boxed_unsync());
        }
        if request.method() == http::Method::GET || !request.uri().path().starts_with("/v1/") {
            let text = (self.metrics)(self.now_us()).filter(|_| request.uri().path() == "/metrics");
            let status = if text.is_some() { StatusCode::OK } else { StatusCode::NOT_FOUND };
            let body =
                Full::new(Bytes::from(text.unwrap_or_default())).map_err(|never| match never {});
            return Response::builder().status(status).body(body.boxed_unsync()).unwrap();
        }
        let at_us = self.now_us();
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let (reply, under_way) = {
            let mut log = self.log.lock().unwrap();
            let body: Value = serde_json::from_slice(&body).unwrap();
            let reply = (self.refuses)(&body).unwrap_or_else(|| (self.script)(log.asked.len()));
            log.asked.push(Asked { at_us, body });
            log.under_way += 1;
            log.peak = log.peak.max(log.under_way);
            (reply, UnderWay(Arc::clone(&self.log)))
        };
        let clock = self.clock;
        clock.sleep(reply.delay).await;
        let ending = reply.ending;
        let body = stream::unfold(
            (reply.pieces.into_iter(), under_way),
            move |(mut pieces, under_way)| {
                let ending = ending.clone();
                async move {
                    let next = match (pieces.next(), ending) {
                        (Some((pause, piece)), _) => {
                            clock.sleep(pause).await;
                            Ok(http_body::Frame::data(piece))
                        }
                        (None, Ending::Closes) => return None,
                        (None, Ending::Breaks) => {
                            Err(std::io::Error::new(ErrorKind::ConnectionReset, "connection reset"))
                        }
                        (None, Ending::Hangs) => std::future::pending().await,
                    };
                    Some((next, (pieces, under_way)))
                }
            },
        );
        let mut response = Response::builder().status(reply.status);
        if let Some(content_type) = reply.content_type {
            response = response.header("content-type", content_type);
        }
        response.body(StreamBody::new(body).boxed_unsync()).unwrap()
    }
}

/// A load of one text, streamed completions of exactly 4 tokens.
pub(crate) fn load(arrivals: Arrivals, requests: u32) -> Load {
    Load {
        name: "scripted".to_owned(),
        workload: Workload {
            prompts: Prompts::Text("hi".to_owned()),
            output: OutputLength::Exactly(4),
            ..perf_model::fixtures::load().workload
        },
        arrivals,
        requests,
        warmup: 0,
        objectives: Vec::new(),
        stall_limit: Duration::from_secs(2),
        ..perf_model::fixtures::load()
    }
}

/// What a load came to.
pub(crate) struct Ran {
    pub(crate) result: Result<Measured, LoadError>,
    /// In the order they ended.
    pub(crate) samples: Vec<Sample>,
    pub(crate) log: Log,
}

/// Puts `load` on the server that `serve` makes, in virtual time.
pub(crate) fn run(load: &Load, serve: impl FnOnce(Clock) -> Server) -> Ran {
    run_virtual(|clock| async move {
        let server = serve(clock);
        let mut samples = Vec::new();
        let mut keep = |sample| samples.push(sample);
        let result = measure(load, &server.endpoint(), "tiny", 7, clock, &mut keep).await;
        let log = std::mem::take(&mut *server.log.lock().unwrap());
        Ran { result, samples, log }
    })
}

/// The single sample of a load of one request that is answered by `reply`.
pub(crate) fn answered(load: &Load, reply: Reply) -> Sample {
    let ran = run(load, |clock| Server::new(clock, move |_| reply.clone()));
    assert_eq!(ran.samples.len(), 1);
    ran.samples.into_iter().next().unwrap()
}

/// The kind and the words of a sample's failure.
pub(crate) fn failure(sample: &Sample) -> (FailureKind, &str) {
    match &sample.outcome {
        Outcome::Failed { kind, detail } => (*kind, detail),
        Outcome::Succeeded => panic!("{sample:?} succeeded"),
    }
}

/// The chunks of a sample as pairs of microseconds and tokens.
pub(crate) fn chunks(sample: &Sample) -> Vec<(u64, u32)> {
    sample.chunks.iter().map(Into::into).collect()
}
