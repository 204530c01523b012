//! What a baseline can tell apart: [`power`].

use std::fmt::Write;

use perf_model::judge::baseline::Baseline;
use perf_model::judge::gate::Gate;
use perf_model::spec::guard::Guard;

use super::table::{align_right, plain, trimmed};
use super::wrap::{folded, wrapped};

/// The columns: shares in percent, then engine starts, and what a pass costs.
const HEAD: [&str; 10] = [
    "noise\n[%]",
    "drift\n[%]",
    "slack\n[%]",
    "band\n[%]",
    "detects\n[%]",
    "pass if\nsame [%]",
    "\nstarts",
    "fail at\nloss [%]",
    "\nstarts",
    "GPU-\nmin",
];
const HEAD_LINES: usize = 2;

/// What the baseline supports of a probability, in percent: "58-99", or one figure where the ends are as
/// good as equal.
fn range((low, high): (f64, f64)) -> String {
    let [low, high] = [low, high].map(|share| format!("{:.0}", share * 100.0));
    if low == high { low } else { format!("{low}-{high}") }
}

/// A row for each guard of a baseline's load: the noise, the band, the loss that is caught, and the
/// engine starts that a verdict takes when nothing changed, and when that much was lost.
pub fn power(name: &str, baseline: &Baseline, guards: &[Guard], gate: &Gate) -> String {
    let (starts, sessions) = baseline.rests_on();
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    let cost = baseline.gpu_s_per_start;
    let title = format!("{name}   {starts} starts in {sessions} session{}", plural(sessions));
    let mut text = folded(&title) + "\n";
    text += &wrapped(
        &format!(
            "{cost:.0} GPU-s per start; a run has at most {} starts, and {} guards share its error rate",
            gate.most_starts(),
            gate.guards()
        ),
        "  ",
    );
    if guards.is_empty() {
        text.push_str("  no guard\n");
        return text;
    }
    if let Some(few) = gate.too_few(starts) {
        text += &wrapped(&few, "  ");
        return text;
    }
    let mut table = plain(&HEAD);
    let (mut labels, mut remarks) = (Vec::new(), Vec::new());
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
        let figure = |share: f64| format!("{:.1}", share * 100.0);
        let is_measured = sessions.len() >= 3;
        table.add_row([
            figure(found.noise.start_sd),
            if is_measured { figure(found.noise.session_sd) } else { "–".to_owned() },
            guard.slack.value().to_string(),
            figure(found.band),
            figure(found.detects),
            range(same.held_range),
            format!("{:.1}", same.starts),
            range(lost.regressed_range),
            format!("{:.1}", lost.starts),
            format!("{:.0}", same.starts * cost / 60.0),
        ]);
        labels.push(label.clone());
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
    align_right(&mut table, 0..HEAD.len());
    let lines = trimmed(&table);
    let (head, rows): (Vec<&str>, Vec<&str>) =
        (lines.lines().take(HEAD_LINES).collect(), lines.lines().skip(HEAD_LINES).collect());
    for line in head {
        let _ = writeln!(text, "{line}");
    }
    // Names stand between the rows, because they would widen the table beyond a terminal.
    for (label, row) in labels.iter().zip(rows) {
        let _ = writeln!(text, "  {label}\n{row}");
    }
    for remark in remarks {
        text += &wrapped(&remark, "  ");
    }
    text
}
