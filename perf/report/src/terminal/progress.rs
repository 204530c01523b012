//! What a run does at this moment, on one line: [`progress`].

use std::time::Duration;

use super::wrap::columns;

/// What a run does at this moment. What is not known is absent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Moment {
    /// Which scenario it is, from 1, and of how many.
    pub scenario: (usize, usize),
    /// What is measured: a suite, or several side by side.
    pub suite: String,
    /// What it does: it pulls an image, loads weights, or runs a load.
    pub phase: String,
    /// The requests of the load that ended, and all of them.
    pub requests: Option<(u64, u64)>,
    /// Output tokens per second of the requests that ended in the last seconds.
    pub tokens_per_s: Option<f64>,
    /// How long the run takes so far.
    pub elapsed: Duration,
    /// How long it may still take, as it was estimated.
    pub left: Option<Duration>,
    /// The GPU time that its budget has left, in seconds.
    pub gpu_left_s: Option<f64>,
}

/// The line, in at most so many columns. Where they are few, it lacks what matters least; what it does
/// is cut last.
pub fn progress(moment: &Moment, width: usize) -> String {
    let (number, all) = moment.scenario;
    let place = if all > 1 { format!("[{number}/{all}] ") } else { String::new() };
    let optional = |part: Option<String>| part.unwrap_or_default();
    // What matters less has a higher number, and goes first.
    let parts = [
        (0, format!("{place}{}", moment.suite)),
        (1, moment.phase.clone()),
        (2, optional(moment.requests.map(|(done, all)| format!("{done}/{all} requests")))),
        (4, optional(moment.tokens_per_s.map(|rate| format!("{rate:.0} tok/s")))),
        (3, span(moment.elapsed)),
        (5, optional(moment.left.map(|left| format!("about {} left", span(left))))),
        (6, optional(moment.gpu_left_s.map(|left| format!("{:.0} GPU-min left", left / 60.0)))),
    ];
    let joined = |most: u8| {
        let shown = parts.iter().filter(|(rank, part)| *rank <= most && !part.is_empty());
        shown.map(|(_, part)| part.as_str()).collect::<Vec<_>>().join(" · ")
    };
    let fits = (1..=6).rev().map(joined).find(|line| columns(line) <= width);
    fits.unwrap_or_else(|| cut(&joined(1), width))
}

/// A time as a clock shows it: `0:07`, `12:30`, `1:02:03`.
pub fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

fn cut(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    for letter in text.chars() {
        if columns(&kept) + columns(letter.encode_utf8(&mut [0; 4])) + 1 > width {
            break;
        }
        kept.push(letter);
    }
    kept + "…"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment() -> Moment {
        Moment {
            scenario: (3, 12),
            suite: "chat".into(),
            phase: "start 2, steady".into(),
            requests: Some((120, 480)),
            tokens_per_s: Some(1_234.4),
            elapsed: Duration::from_secs(192),
            left: Some(Duration::from_secs(4_000)),
            gpu_left_s: Some(2_460.0),
        }
    }

    #[test]
    fn a_load_and_a_start_on_one_line_each() {
        let start = Moment {
            phase: "loading weights".into(),
            requests: None,
            tokens_per_s: None,
            left: None,
            gpu_left_s: None,
            ..moment()
        };
        let alone = Moment { scenario: (1, 1), ..start.clone() };
        let lines = [moment(), start, alone].map(|moment| progress(&moment, 120)).join("\n");
        insta::assert_snapshot!(lines);
    }

    #[test]
    fn a_narrow_terminal_shows_what_matters_most() {
        let lines: Vec<String> =
            [100, 80, 60, 40, 20].map(|width| progress(&moment(), width)).to_vec();
        insta::assert_snapshot!(lines.join("\n"));
        for width in 1..120 {
            assert!(columns(&progress(&moment(), width)) <= width, "{width}");
        }
    }

    #[test]
    fn a_time_reads_as_on_a_clock() {
        let spans = [7, 750, 3_723].map(|seconds| span(Duration::from_secs(seconds)));
        assert_eq!(spans, ["0:07", "12:30", "1:02:03"]);
    }
}
