//! What a reader of a verdict should know beside the figures: [`notes`].

use crate::analysis::statistics::median;
use crate::analysis::steady_state::Steady;
use crate::analysis::summary::Summary;
use crate::judge::results::{LoadResults, RepetitionResult, names};
use crate::record::finding::{Finding, FindingCode};
use crate::spec::draft_position::DraftPosition;
use crate::spec::engine_kind::EngineKind;
use crate::spec::load::Prompts;

/// What stands below the table of a load, one line each.
pub(crate) fn notes(results: &LoadResults<'_>) -> Vec<Finding> {
    let starts = results.starts;
    let mut notes = Vec::new();
    if starts.first().is_some_and(|start| start.fingerprint.engine == EngineKind::Remote) {
        notes.push(Finding::new(
            FindingCode::NotRestarted,
            "the remote server was not restarted, so variation between server starts is not measured",
        ));
    }
    notes.extend(other_settings(starts));
    // What is declared in words has its true length only here.
    if matches!(
        results.load.workload.prompts,
        Prompts::Prose { .. } | Prompts::Conversations { .. }
    ) && let Some(mean) = mean_prompt(starts)
    {
        notes.push(Finding::new(
            FindingCode::PromptLength,
            format!("prompt tokens per request: mean {mean:.1}, as the server counted them"),
        ));
    }
    let lengths: Vec<_> = starts.iter().filter_map(|start| start.summary.output_length).collect();
    if let (Some(min), Some(max)) =
        (lengths.iter().map(|l| l.min).min(), lengths.iter().map(|l| l.max).max())
    {
        let means: Vec<f64> = lengths.iter().map(|lengths| lengths.mean).collect();
        let mean = median(&means).unwrap_or_default();
        notes.push(Finding::new(
            FindingCode::OutputLength,
            format!("output tokens per request: {min} to {max}, mean {mean:.1}"),
        ));
    }
    let steady: Vec<&Steady> = starts.iter().filter_map(|start| start.steady.as_ref()).collect();
    let throughputs: Vec<f64> =
        steady.iter().filter_map(|steady| steady.output_throughput).collect();
    let lasted: Vec<f64> = steady.iter().map(|steady| steady.to_s - steady.from_s).collect();
    if let (Some(throughput), Some(lasted)) = (median(&throughputs), median(&lasted)) {
        notes.push(Finding::new(
            FindingCode::SteadyState,
            format!("steady state: {throughput:.1} output tok/s over {lasted:.1} s"),
        ));
    }
    let rates: Vec<f64> =
        starts.iter().filter_map(|start| start.server.as_ref()?.prefix_hit_rate()).collect();
    if let Some(rate) = median(&rates) {
        notes.push(Finding::new(
            FindingCode::PrefixCache,
            format!("prefix cache: {:.1} % of prompt tokens were hits", rate * 100.0),
        ));
    }
    let used: Vec<f64> =
        starts.iter().filter_map(|start| start.server.as_ref()?.kv_use_max()).collect();
    if let Some(share) = median(&used) {
        notes.push(Finding::new(
            FindingCode::KvCacheUse,
            format!("KV cache: at most {:.1} % in use", share * 100.0),
        ));
    }
    notes.extend(drafts_accepted(starts));
    let met: Option<Vec<usize>> = starts.iter().map(|start| start.summary.met).collect();
    if let Some(met) = met.filter(|met| !met.is_empty()) {
        let met: usize = met.iter().sum();
        let all: usize = starts.iter().map(|start| start.summary.requests).sum();
        let share = met as f64 / all.max(1) as f64 * 100.0;
        notes.push(Finding::new(
            FindingCode::ObjectivesMet,
            format!("objectives met by {met} of {all} requests, {share:.1} %"),
        ));
    }
    if results.load.warmup == 0 {
        let cold =
            "no warm-up: the first requests, which a fresh server answers cold, are in the figures";
        notes.push(Finding::new(FindingCode::NotWarmedUp, cold));
    }
    // Of several starts the one whose client was the busiest.
    if let Some(client) =
        starts.iter().filter_map(|start| start.client).max_by_key(|client| client.lag_p99_us)
    {
        notes.push(Finding::new(FindingCode::ClientUse, format!("client: {client}")));
    }
    for (name, start) in names(starts).iter().zip(starts) {
        let Summary { resent, requests, .. } = start.summary;
        if resent > 0 {
            let resent = format!(
                "{resent} of {requests} requests were sent twice, because the server closed the kept connection"
            );
            notes.push(Finding::new(FindingCode::RequestsResent, resent).at(name));
        }
        notes.extend(start.remarks.iter().map(|remark| remark.at(name)));
    }
    let preempted: u64 = starts.iter().filter_map(|start| start.server.as_ref()?.preemptions).sum();
    if preempted > 0 {
        notes.push(Finding::new(
            FindingCode::Preempted,
            format!(
                "the server preempted requests {preempted} times because its KV cache was full"
            ),
        ));
    }
    notes
}

/// The share of drafts that were accepted up to each position, in the middle of the repetitions; absent
/// without speculative decoding.
fn drafts_accepted(starts: &[RepetitionResult]) -> Option<Finding> {
    let share = |position: DraftPosition| {
        let of = |start: &RepetitionResult| start.server.as_ref()?.acceptance_at(position);
        median(&starts.iter().filter_map(of).collect::<Vec<f64>>())
    };
    let shares = (0..DraftPosition::MOST).map_while(|at| share(DraftPosition::new(at)?));
    let shares: Vec<String> = shares.map(|share| format!("{:.1}", share * 100.0)).collect();
    (!shares.is_empty()).then(|| {
        let shares = shares.join(", ");
        let message = format!("drafts accepted up to each position, from 0: {shares} %");
        Finding::new(FindingCode::DraftsAccepted, message)
    })
}

/// The mean prompt in tokens, in the middle of the repetitions; absent where no prompt was counted.
fn mean_prompt(starts: &[RepetitionResult]) -> Option<f64> {
    let means: Vec<f64> = starts
        .iter()
        .map(|start| &start.summary)
        .filter(|summary| summary.prompt_tokens > 0)
        .map(|summary| {
            let succeeded = summary.requests.saturating_sub(summary.failed()).max(1);
            summary.prompt_tokens as f64 / succeeded as f64
        })
        .collect();
    median(&means)
}

/// A start in which the engine reports other settings than in the first: nothing that was declared
/// explains it.
fn other_settings(starts: &[RepetitionResult]) -> Option<Finding> {
    let (first, rest) = starts.split_first()?;
    let before = &first.fingerprint.effective;
    rest.iter().zip(names(starts).iter().skip(1)).find_map(|(start, name)| {
        let differences = before.differences(&start.fingerprint.effective);
        let shown: Vec<String> = differences.iter().map(ToString::to_string).collect();
        (!shown.is_empty()).then(|| {
            let message = format!("other settings than in start 1: {}", shown.join("; "));
            Finding::new(FindingCode::EngineSettingsDiffer, message).at(name)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;
    use crate::spec::load::{Length, Load};

    fn of(load: &Load, starts: &[RepetitionResult]) -> Vec<String> {
        fixtures::sentences(&notes(&LoadResults {
            suite: "s",
            load,
            guards: &[],
            published: &[],
            starts,
        }))
    }

    #[test]
    fn prompts_that_are_declared_in_words_have_their_tokens_in_the_report() {
        let mut starts = [fixtures::repetition(1)];
        (starts[0].summary.requests, starts[0].summary.prompt_tokens) = (10, 3_305);
        let mut load = fixtures::load();
        let of_prompts =
            |notes: Vec<String>| notes.iter().any(|note| note.contains("prompt tokens per"));
        assert!(!of_prompts(of(&load, &starts)));
        load.workload.prompts = Prompts::Prose { words: Length::Fixed(250) };
        let note = "prompt tokens per request: mean 330.5, as the server counted them";
        assert!(of(&load, &starts).contains(&note.to_owned()));
        starts[0].summary.prompt_tokens = 0;
        assert!(!of_prompts(of(&load, &starts)));
    }

    #[test]
    fn a_start_in_which_the_engine_reports_other_settings_is_named() {
        let mut starts = [1, 2, 3].map(fixtures::repetition);
        for start in &mut starts {
            start.fingerprint.effective.insert("attention_backend", "FLASH_ATTN");
        }
        assert!(!of(&fixtures::load(), &starts).iter().any(|note| note.contains("settings")));
        starts[1].fingerprint.effective.insert("attention_backend", "TRITON_ATTN");
        let note = "start 2: other settings than in start 1: engine: attention_backend: FLASH_ATTN → TRITON_ATTN";
        assert!(of(&fixtures::load(), &starts).contains(&note.to_owned()));
    }

    #[test]
    fn a_note_names_the_engine_start_and_the_repetition() {
        let mut repetitions: Vec<RepetitionResult> =
            [1, 1, 2, 2, 3].map(fixtures::repetition).into_iter().collect();
        repetitions[2].remarks.push(Finding::new(FindingCode::NeverSteady, "a remark"));
        repetitions[4].summary.resent = 1;
        let notes = of(&fixtures::load(), &repetitions);
        assert!(notes.contains(&"start 2, repetition 1: a remark".to_owned()), "{notes:?}");
        assert!(notes.iter().any(|note| note.starts_with("start 3: 1 of ")), "{notes:?}");
    }
}
