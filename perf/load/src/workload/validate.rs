//! A load that cannot work is refused before anything is sent: [`check`].

use perf_model::spec::load::{Api, Arrivals, Length, Load, OutputLength, Prompts};

use crate::workload::error::LoadError;
use crate::workload::limits::excess;

/// Refuses a load that cannot work, as [`measure`](crate::measure) does before it sends anything.
pub fn check(load: &Load) -> Result<(), LoadError> {
    match fault(load) {
        None => Ok(()),
        Some(reason) => Err(LoadError::Declaration { load: load.name.clone(), reason }),
    }
}

/// What is wrong with a load, and what to declare instead.
fn fault(load: &Load) -> Option<String> {
    let workload = &load.workload;
    if load.requests == 0 {
        return Some("it has no requests; ask for at least one".to_owned());
    }
    if let Some(fault) = load.arrivals.fault() {
        return Some(fault.to_owned());
    }
    if workload.output.limit() == 0 {
        return Some("it asks for 0 output tokens; ask for at least one".to_owned());
    }
    if let OutputLength::ExactlyOf(length) | OutputLength::AtMostOf(length) = workload.output
        && let Some(fault) = length.fault()
    {
        return Some(fault);
    }
    if let Some(fault) = load.pause_ms.and_then(pause_fault) {
        return Some(fault);
    }
    if !workload.temperature.is_finite() || workload.temperature < 0.0 {
        return Some("its temperature must be a number of at least 0".to_owned());
    }
    if load.stall_limit.is_zero() || load.request_limit.is_zero() {
        return Some(
            "its stall limit or request limit is zero, so that every request would fail".to_owned(),
        );
    }
    load.body
        .fault()
        .or_else(|| load.model_mix.fault())
        .or_else(|| empty(&workload.prompts))
        .or_else(|| unfit(load).map(str::to_owned))
        .or_else(|| excess(load))
        .or_else(|| unsearchable(load))
}

/// A search that cannot be made, or whose highest load is too much.
fn unsearchable(load: &Load) -> Option<String> {
    let search = load.search?;
    search.fault(load).or_else(|| {
        let arrivals = search.arrivals(load.arrivals, search.plan().to)?;
        fault(&Load { arrivals, search: None, ..load.clone() })
    })
}

/// What is wrong with a pause, whose lengths are in milliseconds. Only a fixed one may be 0.
fn pause_fault(pause: Length) -> Option<String> {
    let fault = if pause == Length::Fixed(0) { None } else { pause.fault() }?;
    Some(format!("its pauses: {}", fault.replace("0 tokens; ask for at least one", "0 ms")))
}

/// Prompts that are empty.
fn empty(prompts: &Prompts) -> Option<String> {
    let empty = "its prompts are empty; ask for at least one token".to_owned();
    match prompts {
        Prompts::RandomTokens { length: Length::Fixed(0) }
        | Prompts::RepeatedSentence { times: 0, .. }
        | Prompts::Verse { shared: 0, own: 0, .. } => Some(empty),
        Prompts::RandomTokens { length } => length.fault(),
        Prompts::SharedPrefix { prefixes: 0, .. } => {
            Some("it has 0 shared prefixes; ask for at least one".to_owned())
        }
        Prompts::SharedPrefix { prefix_length, suffix_length, .. } => {
            prefix_length.fault().or(suffix_length.fault())
        }
        Prompts::Conversations { turns: 0, .. } => {
            Some("its conversations have 0 turns; ask for at least one".to_owned())
        }
        Prompts::Conversations { words, .. } | Prompts::Prose { words } => {
            words.fault().map(|fault| fault.replace("0 tokens", "0 words"))
        }
        _ => None,
    }
}

/// Parts that do not go together.
fn unfit(load: &Load) -> Option<&'static str> {
    let prompts = &load.workload.prompts;
    match (prompts, load.workload.api, load.arrivals) {
        (_, Api::Responses, _) if prompts.are_token_ids() => Some(
            "`/v1/responses` does not accept token ids, and its prompts are random tokens; use completions or prompts of text",
        ),
        (Prompts::Conversations { .. }, Api::Responses, _) => Some(
            "conversations need the chat API, and it uses `/v1/responses`; declare it as a chat",
        ),
        (_, Api::Chat, _) if prompts.are_token_ids() => Some(
            "chat does not accept token ids, and its prompts are random tokens; use completions or prompts of text",
        ),
        _ if load.pause_ms.is_some() && !matches!(prompts, Prompts::Conversations { .. }) => Some(
            "it pauses between the turns of conversations, and its prompts are not conversations; take out the pause, or ask `conversations(…)`",
        ),
        (Prompts::Conversations { .. }, Api::Completions, _) => {
            Some("conversations need the chat API, and it uses completions; declare it as a chat")
        }
        (Prompts::Conversations { .. }, _, arrivals)
            if !matches!(arrivals, Arrivals::OneAtATime | Arrivals::Concurrency(_)) =>
        {
            Some(
                "a request of a conversation waits for the response before it; let the requests arrive one at a time or concurrently",
            )
        }
        (prompts, _, Arrivals::Recorded { .. }) if !matches!(prompts, Prompts::Trace(_)) => Some(
            "its arrivals are those of a trace, and its prompts are not; take the prompts from the trace",
        ),
        _ => None,
    }
}
