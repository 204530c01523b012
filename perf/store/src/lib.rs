//! Everything that is read from a disk or written to it: the runs and their records and reports,
//! baselines and their anchors, and `perf.toml`.
//!
//! Two rules hold for all of it. Files that another program or person may have written are opened
//! in one place ([`input_file`]): only regular files, of a bounded size. Files that must be whole
//! are written in one place ([`atomic`]): the reader finds the old text or the new one.

pub mod anchors;
pub mod atomic;
pub mod baselines;
pub mod config_file;
pub mod input_file;
pub mod lock;
pub mod logs;
mod pair;
pub mod record_file;
pub mod red_runs_file;
pub mod report_file;
pub mod root;
pub mod runs;
pub mod split_file;
pub mod sweep_file;

#[cfg(test)]
mod tests {
    use perf_model::judge::{baseline, red_run};
    use perf_model::record::file;
    use perf_model::spec::split;
    use perf_model::sweep::journal;

    #[test]
    fn the_versions_in_the_code_are_those_of_the_table_in_formats_md() {
        let page = include_str!("../../../docs/FORMATS.md");
        for (name, version) in [
            ("record", file::SCHEMA),
            ("baseline", baseline::SCHEMA),
            ("anchor", baseline::SCHEMA),
            ("sweep's journal", journal::SCHEMA),
            ("split of a run", split::SCHEMA),
            ("red runs", red_run::SCHEMA),
        ] {
            let row = page.lines().find(|line| line.starts_with(&format!("| {name}, `")));
            let cell = row.and_then(|row| row.split('|').nth(3)).map(str::trim);
            assert_eq!(cell, Some(version.to_string().as_str()), "{name}");
        }
    }
}
