//! Raw values that were judged: [`judged`].

use std::fmt::Write;

use perf_gate::Output;

use perf_model::judge::verdict::Verdict;

use super::table::{align_right, number, plain, trimmed};

/// A row for each metric of each file, and below them why, where the numbers do not say it.
pub fn judged(outputs: &[(String, Output)]) -> String {
    let head =
        ["", "metric", "baseline", "candidate", "change", "95 %", "band", "starts", "verdict"];
    let mut table = plain(&head);
    let mut reasons = String::new();
    for (file, output) in outputs {
        let judged = &output.judgement;
        table.add_row([
            file.clone(),
            format!("{} [{}]", output.metric, output.unit),
            number(output.baseline),
            number(output.candidate),
            format!("{:+.1} %", judged.change * 100.0),
            format!("{:+.1} to {:+.1} %", judged.change_low * 100.0, judged.change_high * 100.0),
            format!("{:.1} %", judged.resolution.band * 100.0),
            judged.starts.to_string(),
            if judged.verdict == perf_gate::Verdict::Continue {
                "continue: measure another start".to_owned()
            } else {
                Verdict::from(judged.verdict).to_string()
            },
        ]);
        if let Some(reason) = &judged.reason {
            let _ = write!(reasons, "\n  {file}, {}: {reason}", output.metric);
        }
    }
    align_right(&mut table, 2..head.len() - 1);
    format!("{}{reasons}", trimmed(&table))
}
