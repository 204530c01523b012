//! What a baseline can tell apart: [`power`].

use std::fmt::Write;

use perf_model::judge::baseline::Baseline;
use perf_model::judge::gate::Gate;
use perf_model::spec::guard::Guard;

use super::table::{align_right, plain, trimmed};

/// What the baseline supports of a probability: "58-99 %", or one figure where the ends are as good as
/// equal.
fn range((low, high): (f64, f64)) -> String {
    let [low, high] = [low, high].map(|share| format!("{:.0}", share * 100.0));
    if low == high { format!("{low} %") } else { format!("{low}-{high} %") }
}

/// A row for each guard of a baseline's load: the noise, the band, the loss that is caught, and the
/// engine starts that a verdict takes when nothing changed, and when that much was lost.
pub fn power(name: &str, baseline: &Baseline, guards: &[Guard], gate: &Gate) -> String {
    let (starts, sessions) = baseline.rests_on();
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    let cost = baseline.gpu_s_per_start;
    let mut text = format!(
        "{name}   {starts} starts in {sessions} session{}, {cost:.0} GPU-s per start, at most {} starts, {} guards\n",
        plural(sessions),
        gate.most_starts(),
        gate.guards()
    );
    if guards.is_empty() {
        text.push_str("  no guard\n");
        return text;
    }
    let head = [
        "",
        "noise",
        "drift",
        "slack",
        "band",
        "detects",
        "pass if\nunchanged",
        "starts",
        "fail at\nthat loss",
        "starts",
        "GPU-min",
    ];
    if let Some(few) = gate.too_few(starts) {
        let _ = writeln!(text, "  {few}");
        return text;
    }
    let mut table = plain(&head);
    let mut remarks = Vec::new();
    for guard in guards {
        let sessions = baseline.sessions(guard.metric);
        let label = guard.metric.label();
        let found = gate.resolution(guard, sessions).and_then(|found| {
            let lost = guard.metric.direction().worse(found.detects);
            Ok((found, gate.power(guard, sessions, 0.0)?, gate.power(guard, sessions, lost)?))
        });
        let (found, same, lost) = match found {
            Ok(found) => found,
            Err(why) => {
                remarks.push(format!("{label}: {why}"));
                continue;
            }
        };
        let percent = |share: f64| format!("{:.1} %", share * 100.0);
        table.add_row([
            label.clone(),
            percent(found.noise.start_sd),
            if sessions.len() < 3 {
                "not measured".to_owned()
            } else {
                percent(found.noise.session_sd)
            },
            guard.slack.to_string(),
            percent(found.band),
            percent(found.detects),
            range(same.held_range),
            format!("{:.1}", same.starts),
            range(lost.regressed_range),
            format!("{:.1}", lost.starts),
            format!("{:.0}", same.starts * cost / 60.0),
        ]);
        if found.is_blind {
            remarks.push(format!(
                "{label}: with this baseline a loss under {} cannot be seen; it will be inconclusive instead of held",
                percent(found.unseen)
            ));
        }
        if found.noise_limited {
            remarks.push(match found.starts_for_slack {
                Some(needed) => format!("{label}: {needed} starts per side would reach the slack of {}", guard.slack),
                None => {
                    format!("{label}: sessions differ too much for the slack of {}; only more sessions help", guard.slack)
                }
            });
        }
    }
    if sessions < 3 {
        remarks.push("day-to-day drift not measured: fewer than three sessions".to_owned());
    }
    align_right(&mut table, 1..head.len());
    let _ = writeln!(text, "{}", trimmed(&table));
    for remark in remarks {
        let _ = writeln!(text, "  {remark}");
    }
    text
}
