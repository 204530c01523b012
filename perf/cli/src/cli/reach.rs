//! How a server that is up already is reached: [`Reach`].

use std::path::PathBuf;

use anyhow::{Error, Result};
use clap::Args;
use perf_model::spec::access::Access;

/// How a server that is up already is reached.
#[derive(Args, Clone, Default)]
pub(crate) struct Reach {
    /// With `--engine remote`, a header of every request, its value from an environment variable:
    /// 'Authorization: env:KEY'. Without one, the API key in `VLLM_API_KEY` or `OPENAI_API_KEY` is sent
    #[arg(long, value_name = "NAME: env:VARIABLE")]
    pub(crate) header: Vec<String>,

    /// With `--engine remote` and https, the certificates to trust (PEM), in place of the system's
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,

    /// With `--engine remote` and https, do not check the server's certificate
    #[arg(long)]
    pub(crate) insecure: bool,

    /// With `--engine remote`, the metrics of one of several servers behind the address; may be
    /// repeated
    #[arg(long, value_name = "URL")]
    pub(crate) metrics_url: Vec<String>,
}

impl Reach {
    /// Whether anything was asked for.
    pub(crate) fn is_given(&self) -> bool {
        !self.header.is_empty()
            || self.ca.is_some()
            || self.insecure
            || !self.metrics_url.is_empty()
    }

    /// The same for the settings. The error never repeats a value.
    pub(crate) fn access(&self) -> Result<Access> {
        let ca = self.ca.as_ref().map(std::path::absolute).transpose()?;
        Access::from_options(&self.header, ca, self.insecure, &self.metrics_url).map_err(Error::msg)
    }
}
