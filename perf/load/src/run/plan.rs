//! What a run sends: [`Plan`], which is made anew where the server refuses a field of it.

use perf_clock::Clock;
use perf_model::record::left_out::LeftOut;
use perf_model::record::sample::FailureKind;
use perf_model::spec::load::{Api, Load, OutputLength};
use perf_model::spec::request_field::RequestField;

use crate::http::endpoint::Endpoint;
use crate::openai::call::{Call, Limits};
use crate::openai::refusal::refused;
use crate::openai::request::{Part, calls, optional_fields};
use crate::server::fields::Trial;
use crate::workload::draw::PlannedRequests;
use crate::workload::prompt::{PlannedRequest, Turn};

/// The most output tokens of a request that is only tried.
const TRIED: u32 = 16;

/// What a run sends, until it is certain that the server takes it.
pub(crate) struct Plan<'a> {
    load: &'a Load,
    model: &'a str,
    salt: u64,
    asks: Option<PlannedRequests>,
    pub(crate) left_out: Vec<LeftOut>,
}

impl<'a> Plan<'a> {
    pub(crate) fn new(
        load: &'a Load,
        model: &'a str,
        salt: u64,
        asks: PlannedRequests,
        unknown: &[RequestField],
    ) -> Self {
        let left_out = |field: &RequestField| LeftOut { field: *field, refusal: None };
        let left_out = load.leave_out.iter().chain(unknown).map(left_out).collect();
        Self { load, model, salt, asks: Some(asks), left_out }
    }

    /// What is asked, as long as it is kept.
    pub(crate) fn asks(&self, part: Part) -> &[PlannedRequest] {
        match (&self.asks, part) {
            (Some(asks), Part::Measured) => &asks.measured,
            (Some(asks), Part::WarmUp) => &asks.warm_up,
            (None, _) => &[],
        }
    }

    /// The requests of a part of the run.
    pub(crate) fn calls(&self, part: Part) -> Vec<Call> {
        self.calls_without(part, self.asks(part), &self.fields_left_out())
    }

    /// Drops the prompts: the requests are final.
    pub(crate) fn settle(&mut self) {
        self.asks = None;
    }

    /// Whether the plan may still change.
    pub(crate) fn is_open(&self) -> bool {
        self.asks.is_some()
    }

    /// Tries whether the server takes a request with fewer fields, and leaves those out from now on.
    /// Gives whether anything was changed.
    pub(crate) async fn give_way(&mut self, endpoint: &Endpoint, clock: Clock) -> bool {
        let first = self.asks.iter().flat_map(|asks| asks.warm_up.iter().chain(&asks.measured));
        let Some(ask) = first.take(1).next().map(short) else {
            return false;
        };
        let path = match self.load.workload.api {
            Api::Completions => "/v1/completions",
            Api::Chat => "/v1/chat/completions",
            Api::Responses => "/v1/responses",
        };
        let asks = std::slice::from_ref(&ask);
        let body = |left_out: &[RequestField]| {
            let mut calls = self.calls_without(Part::WarmUp, asks, left_out);
            calls.pop().map(|call| call.body).unwrap_or_default()
        };
        let optional = optional_fields(asks, &self.load.workload);
        let trial = Trial { endpoint, clock, path, body: &body, optional };
        let found = trial.run(&self.left_out).await;
        let changed = found.is_some();
        if let Some(left_out) = found {
            self.left_out = left_out;
        }
        changed
    }

    fn fields_left_out(&self) -> Vec<RequestField> {
        self.left_out.iter().map(|there| there.field).collect()
    }

    fn calls_without(
        &self,
        part: Part,
        asks: &[PlannedRequest],
        left_out: &[RequestField],
    ) -> Vec<Call> {
        let limits = Limits { stall: self.load.stall_limit, request: self.load.request_limit };
        calls(part, asks, self.load, self.model, self.salt, limits, left_out)
    }
}

/// Whether a request may have failed because the server does not know a field of it: its words name
/// one, or it only says that something in the request is wrong.
pub(crate) fn may_be_a_field(kind: FailureKind, detail: &str, must_name: bool) -> bool {
    let is_possible =
        matches!(kind, FailureKind::Refused | FailureKind::ServerError | FailureKind::ErrorInBand);
    let is_vague = || !must_name && (detail.starts_with("400 ") || detail.starts_with("422 "));
    is_possible && (is_vague() || !refused(detail.as_bytes(), &RequestField::ALL).is_empty())
}

/// The same request, alone and with a short answer.
fn short(ask: &PlannedRequest) -> PlannedRequest {
    let tokens = ask.output.limit().min(TRIED);
    let output = if ask.output.is_exact() {
        OutputLength::Exactly(tokens)
    } else {
        OutputLength::AtMost(tokens)
    };
    PlannedRequest { output, turn: Turn::Alone, ..ask.clone() }
}
