//! The command line: [`Cli`], and the [`Load`] that it declares.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Error, Result};
use clap::{Parser, ValueEnum};
use perf_model::spec::access::Access;
use perf_model::spec::extra_body::ExtraBody;
use perf_model::spec::load::{
    Api, Arrivals, Length, Load, Objective, OutputLength, Prompts, Workload,
};
use perf_model::spec::load_search::LoadSearch;
use perf_model::spec::model_mix::ModelMix;
use perf_model::spec::request_field::RequestField;
use perf_model::spec::units::{millis, percent};
use perf_store::config_file;

use crate::parse::{self, Sweep};

const EXAMPLES: &str = "\
Examples:
  cargo xtask perf load --url http://gpu:8000 --prompts random:512 \\
      --output exactly:128 --arrivals concurrent:8
  cargo xtask perf load --url http://gpu:8000 --arrivals poisson:10 \\
      --requests 600 --objective ttft=200
  cargo xtask perf load --url http://gpu:8000 --chat --output at-most:256 \\
      --prompts conversation:5,40 --arrivals concurrent:16 --requests 160
  cargo xtask perf load --url http://gpu:8000 --requests 200 \\
      --sweep concurrency=1,2,4,8,16
  cargo xtask perf load --url http://gpu:8000 --requests 1000 \\
      --objective ttft=200 --share 99 --max-rate 1..256
  cargo xtask perf load --url http://gpu:8000 --format vllm-bench \\
      --save result.json";

const WORDS: &str = "\
Prompts:
  random:512          so many random token ids, others for each request
  random:256..1024    any length from one to another;
                      lognormal:MEDIAN,SIGMA,MAX works here too
  prefix:K,512,64     token ids: one of K shared beginnings of 512 tokens,
                      with 64 of its own
  verse:4,8           text: 4 lines for all, 8 at random
  verse:4,8,FILE      the same, of a file
  prose:256           text: so many random words, others for each request;
                      prose:64..512 and prose:lognormal:256,0.8,4096 work too
                      (words, not tokens: about four tokens for three words)
  text:WORDS          text: the same for all
  repeat:100,WORDS    the same, so many times
  file:FILE.jsonl     JSON lines with `prompt`, and `output_tokens` if known
  sharegpt:FILE.json  first questions, and the lengths of the answers to them
  conversation:5,40   chats of 5 turns of 40 random words, with their history
  trace:FILE.jsonl    JSON lines with `timestamp` (ms), `input_length`,
                      `output_length`

Output:
  exactly:128  exactly:64..256  exactly:lognormal:128,0.7,1024
  at-most:256  at-most:64..256  at-most:lognormal:128,0.7,1024

Arrivals:
  one-at-a-time  concurrent:8  waves:32
  constant:10  poisson:10  gamma:10,0.5 (rate, shape)  ramp:1,20 (from, to)
  recorded  recorded:2 (of a trace; speed)

Exit codes:
  0    measured
  2    the command line is wrong, or a file cannot be read or written
  4    INVALID: the server does not answer, requests failed, the client was
       the limit, or counts disagree
  130  interrupted; what was measured is kept";

/// Put a load on an OpenAI-compatible server.
#[derive(Parser)]
#[command(
    name = "perf-load",
    bin_name = "cargo xtask perf load",
    version,
    after_help = EXAMPLES,
    after_long_help = format!("{EXAMPLES}\n\n{WORDS}"),
)]
#[expect(clippy::struct_excessive_bools, reason = "the command line's own switches")]
pub(crate) struct Cli {
    /// The server, without `/v1`
    #[arg(long, value_name = "URL")]
    pub(crate) url: String,

    /// The metrics of one of several servers behind the URL, such as `http://10.0.0.1:8000/metrics`;
    /// may be repeated. Their counters are added up
    #[arg(long, value_name = "URL")]
    pub(crate) metrics_url: Vec<String>,

    /// A header of every request, its value from an environment variable: 'Authorization: env:KEY'; may
    /// be repeated. Without one, the API key in `VLLM_API_KEY` or `OPENAI_API_KEY` is sent
    #[arg(long, value_name = "NAME: env:VARIABLE")]
    pub(crate) header: Vec<String>,

    /// For https, the certificates to trust (PEM), in place of the system's
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,

    /// For https, do not check the server's certificate
    #[arg(long)]
    pub(crate) insecure: bool,

    /// The folder of perf.toml, whose `[remote]` is read
    #[arg(long, hide = true)]
    pub(crate) root: Option<PathBuf>,

    /// The model's name; without it, the first that the server lists
    #[arg(long)]
    pub(crate) model: Option<String>,

    /// Where the prompts come from; --help shows all kinds [default: random:64, with --chat
    /// or --responses verse:0,8]
    #[arg(long, value_name = "PROMPTS", value_parser = parse::prompts)]
    pub(crate) prompts: Option<Prompts>,

    /// How long the answers are
    #[arg(long, value_name = "OUTPUT", value_parser = parse::output, default_value = "exactly:64")]
    pub(crate) output: OutputLength,

    /// When the requests are sent; --help shows all kinds
    #[arg(long, value_name = "ARRIVALS", value_parser = parse::arrivals, default_value = "one-at-a-time")]
    pub(crate) arrivals: Arrivals,

    /// In conversations, the milliseconds from each answer to the next message: 800, 200..900 or
    /// lognormal:800,0.8,20000
    #[arg(long, value_name = "MS", value_parser = parse::pause)]
    pub(crate) pause: Option<Length>,

    /// How many measured requests
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) requests: u32,

    /// How many requests before them; without it, as many as are under way at once
    #[arg(long, value_name = "N")]
    pub(crate) warmup: Option<u32>,

    /// Ask /v1/chat/completions
    #[arg(long)]
    pub(crate) chat: bool,

    /// Ask /v1/responses
    #[arg(long, conflicts_with = "chat")]
    pub(crate) responses: bool,

    /// Ask for whole responses; TTFT, TPOT and ITL do not exist then
    #[arg(long)]
    pub(crate) not_streamed: bool,

    /// The sampling temperature; 0 is greedy
    #[arg(long, value_name = "NUMBER", default_value_t = 0.0)]
    pub(crate) temperature: f64,

    /// A field that is not sent, for a server that does not know it, such as `cache_salt`; may be
    /// repeated. Without this, a field that the server refuses is left out with a remark
    #[arg(long, value_name = "FIELD")]
    pub(crate) leave_out: Vec<RequestField>,

    /// Fields to add to the body of every request, as a JSON object, such as `{"top_p": 0.9}` or
    /// `{"chat_template_kwargs": {"enable_thinking": false}}`; may be repeated
    #[arg(long, value_name = "JSON")]
    pub(crate) body: Vec<ExtraBody>,

    /// Several models, such as a base model and its `LoRA` adapters, each with the weight by which it
    /// gets requests: `base=3,adapter-a=1`
    #[arg(long, value_name = "NAME=WEIGHT,…", conflicts_with = "model")]
    pub(crate) model_mix: Option<ModelMix>,

    /// A bound in milliseconds that a request must meet to count for goodput: ttft, tpot, e2e,
    /// `first_answer` or `tool_call`; may be repeated
    #[arg(long, value_name = "QUANTITY=MS", value_parser = parse::objective)]
    pub(crate) objective: Vec<Objective>,

    /// Decides prompts and random arrivals; without it, another in each run, so that none finds
    /// another's prompts cached
    #[arg(long)]
    pub(crate) seed: Option<u64>,

    /// How long a request may stay without an event before it counts as failed
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    pub(crate) stall_limit: u64,

    /// How long a request may take in all before it counts as failed
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    pub(crate) request_limit: u64,

    /// How late the sends of an open loop may be at P99, and half of how late the client's event
    /// loop may wake in any load, before the client was the limit
    #[arg(long, value_name = "MS", default_value_t = 5.0, value_parser = parse::milliseconds)]
    pub(crate) lateness_limit: f64,

    /// The share of requests that may fail before the run is invalid, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0, value_parser = parse::share)]
    pub(crate) failures_allowed: f64,

    /// The same load at several points, a row each: concurrency=1,2,4 or rate=5,10,20
    #[arg(long, value_name = "WHAT=POINTS", value_parser = parse::sweep)]
    pub(crate) sweep: Option<Sweep>,

    /// Search for the highest rate at which enough requests meet every --objective, in a range such
    /// as 1..256; --requests are those of a probe, --arrivals may be constant:1 or gamma:1,4
    #[arg(long, value_name = "FROM..TO", value_parser = parse::rates, conflicts_with_all = ["sweep", "max_concurrency"])]
    pub(crate) max_rate: Option<LoadSearch>,

    /// Search for the most requests at once of which enough meet every --objective: 1..256
    #[arg(long, value_name = "FROM..TO", value_parser = parse::concurrencies, conflicts_with = "sweep")]
    pub(crate) max_concurrency: Option<LoadSearch>,

    /// The share of requests that must meet every objective in a search, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 99.0, value_parser = parse::share)]
    pub(crate) share: f64,

    /// What to print, or to save with --save
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,

    /// Save the result in --format here, and print the table
    #[arg(long, value_name = "FILE")]
    pub(crate) save: Option<PathBuf>,

    /// The load's name in the record
    #[arg(long, default_value = "load", value_parser = parse::name)]
    pub(crate) name: String,

    /// The folder for the records; `cargo xtask perf load` gives the next run's
    #[arg(long, value_name = "FOLDER")]
    pub(crate) records: Option<PathBuf>,
}

/// How the result is written.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Table,
    /// Every figure, with what was asked
    Json,
    /// What `vllm bench serve --save-result --save-detailed` writes
    VllmBench,
}

impl Cli {
    /// How the server is reached, over what `perf.toml` says.
    pub(crate) fn access(&self) -> Result<Access> {
        let (ca, urls) = (self.ca.clone(), &self.metrics_url);
        let access = Access::from_options(&self.header, ca, self.insecure, urls);
        let access = access.map_err(Error::msg)?;
        let root = self.root.as_deref().unwrap_or(Path::new("."));
        Ok(access.over(&config_file::read(root)?.remote))
    }

    /// The load that was asked for.
    pub(crate) fn load(&self) -> Load {
        let api = match (self.chat, self.responses) {
            (true, _) => Api::Chat,
            (_, true) => Api::Responses,
            _ => Api::Completions,
        };
        let default = if api == Api::Completions { parse::COMPLETIONS } else { parse::CHAT };
        let mut load = Load {
            name: self.name.clone(),
            workload: Workload {
                prompts: self.prompts.clone().unwrap_or(default),
                output: self.output,
                api,
                stream: !self.not_streamed,
                temperature: self.temperature,
            },
            arrivals: self.arrivals,
            requests: self.requests,
            warmup: 0,
            objectives: self.objective.clone(),
            stall_limit: Duration::from_secs(self.stall_limit),
            lateness_limit: millis(self.lateness_limit),
            failures_allowed: percent(self.failures_allowed),
            request_limit: Duration::from_secs(self.request_limit),
            contents: None,
            pause_ms: self.pause,
            samples_kv_cache: false,
            leave_out: self.leave_out.clone(),
            body: self.body(),
            model_mix: self.model_mix.clone().unwrap_or_default(),
            search: self.search(),
        };
        if let (Some(search), Arrivals::OneAtATime) = (load.search, load.arrivals) {
            load.arrivals = search.usual_arrivals();
        }
        self.warm(&mut load);
        load
    }

    /// The fields that are added to every body.
    fn body(&self) -> ExtraBody {
        let mut body = ExtraBody::default();
        self.body.iter().for_each(|more| body.merge(more.clone()));
        body
    }

    /// The search that was asked for.
    fn search(&self) -> Option<LoadSearch> {
        self.max_rate.or(self.max_concurrency).map(|search| search.share(percent(self.share)))
    }

    /// Gives a load the warm-up that was asked for, or one as wide as its arrivals.
    pub(crate) fn warm(&self, load: &mut Load) {
        load.warmup = self.warmup.unwrap_or_else(|| load.usual_warmup());
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use perf_model::judge::exit_code;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
        // The codes that this program ends with are those of the whole.
        // No terminal wraps what stands in columns.
        for line in WORDS.lines().chain(EXAMPLES.lines()) {
            assert!(line.len() < 80, "{line}");
        }
        for code in [exit_code::HELD, exit_code::USAGE, exit_code::INVALID, exit_code::INTERRUPTED]
        {
            assert!(WORDS.contains(&format!("\n  {code:<3}  ")), "{code}");
        }
    }

    #[test]
    fn a_command_line_declares_a_search() {
        let line = "perf-load --url http://h:1 --objective ttft=200 --requests 1000 --share 95 --max-rate 0.5..64";
        let load = Cli::parse_from(line.split_whitespace()).load();
        assert_eq!(
            load.describe_arrivals(),
            "highest rate from 0.5 to 64 requests/s at which 95 % of requests meet the objectives, to 5 % in at most 10 \
             probes, each of 1000 requests or more, poisson, after 1 to warm up"
        );
        let wrong = ["perf-load", "--url", "http://h:1", "--max-concurrency", "8"];
        let error = Cli::try_parse_from(wrong).err().unwrap().to_string();
        assert!(error.contains("a range such as 1..256"), "{error}");
    }

    #[test]
    fn a_command_line_declares_a_load() {
        let line = "perf-load --url http://h:1 --prompts random:512 --output exactly:128 --arrivals concurrent:8 \
                    --requests 200 --objective ttft=200 --not-streamed";
        let load = Cli::parse_from(line.split_whitespace()).load();
        assert_eq!(
            load.describe(),
            "512 random tokens, exactly 128 output tokens, completions, not streamed, temperature 0"
        );
        assert_eq!(load.describe_arrivals(), "8 concurrent, 200 requests after 8 to warm up");
        assert_eq!(load.describe_objectives().as_deref(), Some("TTFT ≤ 200 ms"));
        let chat =
            Cli::parse_from(["perf-load", "--url", "http://h:1", "--chat", "--warmup", "3"]).load();
        assert!(chat.describe().starts_with("8 random lines behind 0 shared lines of verse"));
        assert_eq!(chat.warmup, 3);
        let body = "perf-load --url http://h:1 --body {\"top_p\":0.9} --body {\"top_k\":5}";
        assert!(
            Cli::parse_from(body.split_whitespace())
                .load()
                .describe()
                .ends_with("temperature 0, with top_k = 5 and top_p = 0.9")
        );
        let reserved = ["perf-load", "--url", "http://h:1", "--body", "{\"stream\":false}"];
        let error = Cli::try_parse_from(reserved).err().unwrap().to_string();
        assert!(error.contains("its body cannot set `stream`"), "{error}");
        let agents = "perf-load --url http://h:1 --chat --prompts conversation:5,40 --pause 200..900 --arrivals concurrent:8";
        assert_eq!(
            Cli::parse_from(agents.split_whitespace()).load().describe_arrivals(),
            "8 concurrent, each turn 200 to 900 ms after the answer before it, 20 requests after 8 to warm up"
        );
    }
}
