//! The formats in which a run is shown: [`Format`].

use clap::ValueEnum;

/// How a run is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Tables
    Terminal,
    /// One page without scripts, with charts
    Html,
    /// For a job's summary or a comment: result, next command, what did not hold
    Markdown,
    /// XML for CI systems: a test case for each guard
    Junit,
    /// One document; its schema is docs/schemas/run.schema.json
    Json,
    /// A row for each figure
    Csv,
    /// Bencher Metric Format
    Bmf,
    /// github-action-benchmark: figures of which more is better
    GithubBigger,
    /// github-action-benchmark: figures of which less is better
    GithubSmaller,
    /// Records of pytorch's benchmark database
    Pytorch,
    /// A line of names and a line of values for Apache Otava
    Otava,
}
