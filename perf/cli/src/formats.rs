//! A run in every format but the terminal's: [`render`], and the files that each run gets:
//! [`write_reports`].

use std::path::Path;

use anyhow::{Result, bail};
use perf_model::record::day::Day;
use perf_report::export::{self, Better};
use perf_report::{csv, json, junit, markdown};
use perf_store::atomic;

use crate::error::unmeasurable;
use crate::format::Format;
use crate::run_data::RunData;
use crate::stdout::say;

/// The page of a run, in its folder.
const HTML: &str = "report.html";
/// Its summary.
const MARKDOWN: &str = "report.md";

/// The run in a format; the terminal's is not made here.
pub(crate) fn render(format: Format, data: &mut RunData, run: &Path) -> Result<String> {
    if data.reports.is_empty() && (data.sweeps.is_empty() || format != Format::Html) {
        bail!(
            "{} holds no report of a suite that was asked for; `cargo xtask perf show` without --format shows its records",
            run.display()
        );
    }
    let pretty = |value: serde_json::Value| format!("{value:#}\n");
    Ok(match format {
        Format::Terminal => bail!("the terminal's format is shown, not rendered"),
        Format::Html => data.html(run)?,
        Format::Markdown => markdown::markdown(&data.overview()),
        Format::Junit => junit::junit(&data.overview())?,
        Format::Json => json::json(&data.overview())? + "\n",
        Format::Csv => csv::csv(&data.overview()),
        Format::Bmf => pretty(export::bmf(&data.overview())),
        Format::GithubBigger => pretty(export::github(&data.overview(), Better::Bigger)),
        Format::GithubSmaller => pretty(export::github(&data.overview(), Better::Smaller)),
        Format::Pytorch => pretty(export::pytorch(&data.overview())),
        Format::Otava => export::otava(&data.overview(), &time(data.at_unix_s)),
    })
}

/// Writes the page and the summary of a run into its folder, and says where the page is.
pub(crate) fn write_reports(run: &Path) -> Result<()> {
    let mut data = RunData::read(run, &[])?;
    if data.reports.is_empty() {
        return Ok(());
    }
    for (name, format) in [(HTML, Format::Html), (MARKDOWN, Format::Markdown)] {
        let text = render(format, &mut data, run)?;
        atomic::write(&run.join(name), &text).map_err(unmeasurable)?;
    }
    say(format!("report {}", run.join(HTML).display()));
    Ok(())
}

/// Seconds since 1970 as `2026-11-28T17:20:00Z`.
fn time(unix_s: u64) -> String {
    let of_day = unix_s % 86_400;
    let (hours, minutes, seconds) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{}T{hours:02}:{minutes:02}:{seconds:02}Z", Day::of_unix_s(unix_s))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_rfc_3339_says() {
        assert_eq!(time(1_795_311_188), "2026-11-22T01:33:08Z");
    }
}
