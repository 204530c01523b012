//! Raw values that were judged: [`judged`].

use std::fmt::Write;

use perf_gate::Output;

use perf_model::judge::verdict::Verdict;

use super::table::{align_right, number, plain, trimmed};
use super::wrap::{folded, wrapped};

/// A row for each metric of each file, and below them why, where the numbers do not say it.
pub fn judged(outputs: &[(String, Output)]) -> String {
    let head = ["baseline", "candidate", "change", "95 %", "band", "starts", "verdict"];
    let mut table = plain(&head);
    let (mut names, mut reasons) = (Vec::new(), String::new());
    for (file, output) in outputs {
        let judged = &output.judgement;
        let name = format!("{file}, {} [{}]", output.metric, output.unit);
        table.add_row([
            number(output.baseline),
            number(output.candidate),
            format!("{:+.1} %", judged.change * 100.0),
            format!("{:+.1} to {:+.1} %", judged.change_low * 100.0, judged.change_high * 100.0),
            format!("{:.1} %", judged.resolution.band * 100.0),
            judged.starts.to_string(),
            if judged.verdict == perf_gate::Verdict::Continue {
                reasons += &wrapped(&format!("{name}: measure another start"), "  ");
                "continue".to_owned()
            } else {
                Verdict::from(judged.verdict).to_string()
            },
        ]);
        if let Some(reason) = &judged.reason {
            reasons += &wrapped(&format!("{name}: {reason}"), "  ");
        }
        names.push(name);
    }
    align_right(&mut table, 0..head.len() - 1);
    let lines = trimmed(&table);
    let (head, rows) = lines.split_once('\n').unwrap_or((&lines, ""));
    let mut text = format!("{head}\n");
    // Names stand between the rows, because they would widen the table beyond a terminal.
    for (name, row) in names.iter().zip(rows.lines()) {
        let _ = writeln!(text, "{}\n{row}", folded(name));
    }
    (text + &reasons).trim_end().to_owned()
}
