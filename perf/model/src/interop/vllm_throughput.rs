//! `vllm bench throughput`, which measures an engine without a server: what it is asked for to do the
//! work of a load, [`OfflineLoad`], and what it printed, [`OfflineThroughput`].

use crate::spec::load::{Api, Arrivals, Length, Load, OutputLength, Prompts};
use crate::spec::server::{Argument, Server};

/// A ratio is given in steps of one in so many. It is rounded down, so that no length is 0.
const RATIO_STEPS: f64 = 1_000.0;

/// The engine argument for the most requests that are computed at once.
const MOST_AT_ONCE: &str = "--max-num-seqs";

/// A load as `vllm bench throughput` can do it: requests of the same lengths, which it submits at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfflineLoad {
    /// Its options, without the model and the engine's arguments.
    pub options: Vec<String>,
    /// `--max-num-seqs`, in place of what the server declares, where the load keeps fewer requests in
    /// flight than the engine would compute at once.
    pub max_num_seqs: Option<u32>,
}

impl OfflineLoad {
    /// The same work offline.
    ///
    /// # Errors
    /// With the reason why a load has no counterpart offline.
    pub fn of(load: &Load, server: &Server) -> Result<Self, String> {
        if !load.model_mix.is_empty() {
            return Err("offline, one model is asked and not a mix".to_owned());
        }
        let Prompts::RandomTokens { length: input } = load.workload.prompts else {
            return Err("only random tokens can be drawn offline as well".to_owned());
        };
        let (OutputLength::Exactly(_) | OutputLength::ExactlyOf(_), Api::Completions) =
            (load.workload.output, load.workload.api)
        else {
            return Err("only completions of an exact length can be had offline as well".to_owned());
        };
        let output = match load.workload.output {
            OutputLength::ExactlyOf(length) => length,
            other => Length::Fixed(other.limit()),
        };
        let in_flight = match load.arrivals {
            _ if load.search.is_some() => None,
            Arrivals::Waves(width) if width < load.requests => None,
            Arrivals::OneAtATime | Arrivals::Concurrency(_) | Arrivals::Waves(_) => {
                Some(load.arrivals.width())
            }
            _ => None,
        };
        let in_flight = in_flight.ok_or(
            "offline, all requests are submitted at once; only one wave or a fixed number in flight compares with that",
        )?;
        let (input, output) = (Range::of(input)?, Range::of(output)?);
        let mut options: Vec<String> = [
            ("--dataset-name", "random".to_owned()),
            ("--random-input-len", input.middle.to_string()),
            ("--random-output-len", output.middle.to_string()),
            ("--num-prompts", load.requests.to_string()),
        ]
        .into_iter()
        .flat_map(|(option, value)| [option.to_owned(), value])
        .collect();
        if input.ratio > 0.0 || output.ratio > 0.0 {
            // One number for both where it will do: older versions read no object.
            let ratio = if input.ratio.to_bits() == output.ratio.to_bits() {
                input.ratio.to_string()
            } else {
                format!(r#"{{"input": {}, "output": {}}}"#, input.ratio, output.ratio)
            };
            options.extend(["--random-range-ratio".to_owned(), ratio]);
        }
        if load.warmup > 0 {
            options.extend(["--num-warmups".to_owned(), load.warmup.to_string()]);
        }
        Ok(Self { options, max_num_seqs: fewer_at_once(in_flight, load.requests, server) })
    }

    /// The server as it is started for this: with fewer requests at once, where that is needed.
    #[must_use]
    pub fn server(&self, server: &Server) -> Server {
        let mut server = server.clone();
        if let Some(most) = self.max_num_seqs {
            server.set_argument(Argument {
                flag: MOST_AT_ONCE.to_owned(),
                value: Some(most.to_string()),
            });
        }
        server
    }
}

/// The most requests at once, where the load keeps fewer in flight than the server allows.
fn fewer_at_once(in_flight: u32, requests: u32, server: &Server) -> Option<u32> {
    let declared = server.arguments.iter().rfind(|argument| argument.flag == MOST_AT_ONCE);
    let declared: Option<u32> = declared.and_then(|argument| argument.value.as_ref()?.parse().ok());
    let binds = in_flight < requests && declared.is_none_or(|most| in_flight < most);
    binds.then_some(in_flight)
}

/// A range of lengths as vLLM takes it: `middle` times one minus and one plus `ratio`.
struct Range {
    middle: u32,
    ratio: f64,
}

impl Range {
    fn of(length: Length) -> Result<Self, String> {
        match length {
            Length::Fixed(tokens) => Ok(Self { middle: tokens, ratio: 0.0 }),
            Length::Uniform { .. } => {
                let (min, max) = (length.min(), length.max());
                let ratio = f64::from(max - min) / (f64::from(max) + f64::from(min));
                let ratio = (ratio * RATIO_STEPS).floor() / RATIO_STEPS;
                Ok(Self { middle: min.midpoint(max), ratio })
            }
            Length::Lognormal { .. } => {
                Err("offline, lengths are fixed or uniform, and not log-normal".to_owned())
            }
        }
    }
}

/// What `vllm bench throughput` printed at its end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OfflineThroughput {
    /// Requests per second.
    pub requests_per_s: f64,
    /// Output tokens per second.
    pub output_tokens_per_s: f64,
    /// Tokens of all prompts.
    pub prompt_tokens: f64,
    /// Tokens of all answers.
    pub output_tokens: f64,
}

impl OfflineThroughput {
    /// Reads it from lines of the log; none if they do not hold it. These are the lines of vLLM 0.31
    /// and 0.32:
    ///
    /// ```text
    /// Throughput: 18.08 requests/s, 2346.25 total tokens/s, 1175.88 output tokens/s
    /// Total num prompt tokens:  8286
    /// Total num output tokens:  8325
    /// ```
    pub fn read(lines: &[String]) -> Option<Self> {
        let after = |start: &str| lines.iter().rev().find_map(|line| line.strip_prefix(start));
        let rates = after("Throughput:")?;
        let rate = |unit: &str| -> Option<f64> {
            let found = rates.split(',').find_map(|rate| rate.trim().strip_suffix(unit))?;
            found.trim().parse().ok().filter(|rate: &f64| rate.is_finite() && *rate > 0.0)
        };
        let total =
            |start: &str| after(start)?.trim().parse::<u64>().ok().map(|total| total as f64);
        Some(Self {
            requests_per_s: rate("requests/s")?,
            output_tokens_per_s: rate("output tokens/s")?,
            prompt_tokens: total("Total num prompt tokens:")?,
            output_tokens: total("Total num output tokens:")?,
        })
    }

    /// On one line, beside the output throughput that the load reached through the server, in tokens
    /// per second.
    pub fn beside(&self, served: f64, requests: u32, max_num_seqs: Option<u32>) -> String {
        let each = |tokens: f64| tokens / f64::from(requests.max(1));
        let limit =
            max_num_seqs.map_or(String::new(), |most| format!(", with {MOST_AT_ONCE} {most}"));
        format!(
            "`vllm bench throughput` gave {:.0} output tok/s offline ({:.2} requests/s of {:.0} tokens in and {:.0} out{limit}); \
             through the server it was {served:.0} tok/s, {:.1} % of that",
            self.output_tokens_per_s,
            self.requests_per_s,
            each(self.prompt_tokens),
            each(self.output_tokens),
            served / self.output_tokens_per_s * 100.0
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;
    use crate::spec::model_mix::ModelMix;
    use crate::spec::server::parse_arguments;

    fn load(arrivals: Arrivals, requests: u32) -> Load {
        Load { arrivals, requests, warmup: 0, ..fixtures::load() }
    }

    fn words(load: &Load) -> String {
        OfflineLoad::of(load, &Server::default()).unwrap().options.join(" ")
    }

    fn refused(load: &Load) -> String {
        OfflineLoad::of(load, &Server::default()).unwrap_err()
    }

    #[test]
    fn one_wave_of_random_tokens_is_the_same_work_offline() {
        assert_eq!(
            words(&Load { warmup: 8, ..load(Arrivals::Waves(256), 256) }),
            "--dataset-name random --random-input-len 64 --random-output-len 64 --num-prompts 256 --num-warmups 8"
        );
    }

    #[test]
    fn uniform_lengths_are_a_middle_and_a_ratio_that_never_reaches_length_zero() {
        let mut mixed = load(Arrivals::Waves(256), 256);
        mixed.workload.prompts =
            Prompts::RandomTokens { length: Length::Uniform { min: 1, max: 1_024 } };
        mixed.workload.output = OutputLength::ExactlyOf(Length::Uniform { min: 100, max: 1_024 });
        assert_eq!(
            words(&mixed),
            "--dataset-name random --random-input-len 512 --random-output-len 562 --num-prompts 256 \
             --random-range-ratio {\"input\": 0.998, \"output\": 0.822}"
        );
        assert!((512.0 * (1.0 - 0.998_f64)).floor() >= 1.0);
        mixed.workload.output = OutputLength::ExactlyOf(Length::Uniform { min: 1, max: 1_024 });
        assert!(words(&mixed).ends_with("--random-range-ratio 0.998"), "{}", words(&mixed));
    }

    #[test]
    fn a_closed_loop_limits_the_requests_at_once_unless_the_server_does() {
        let at_once = |in_flight, arguments: &[&str]| {
            let server =
                Server { arguments: parse_arguments(arguments).unwrap(), ..Server::default() };
            let offline = OfflineLoad::of(&load(Arrivals::Concurrency(in_flight), 400), &server);
            let offline = offline.unwrap();
            let words = offline.server(&server).argument_words().join(" ");
            (offline.max_num_seqs, words)
        };
        assert_eq!(at_once(8, &["--max-num-seqs=64"]), (Some(8), "--max-num-seqs 8".to_owned()));
        assert_eq!(at_once(64, &["--max-num-seqs=64"]), (None, "--max-num-seqs 64".to_owned()));
        assert_eq!(at_once(8, &[]), (Some(8), "--max-num-seqs 8".to_owned()));
        assert_eq!(at_once(400, &[]), (None, String::new()));
    }

    #[test]
    fn what_has_no_counterpart_offline_is_refused_with_the_reason() {
        let mut chat = load(Arrivals::Concurrency(8), 64);
        chat.workload.api = Api::Chat;
        assert!(refused(&chat).contains("completions"));
        let mut mixed = load(Arrivals::Concurrency(8), 64);
        mixed.model_mix = ModelMix::new([("base", 3.0), ("adapter", 1.0)]);
        assert!(refused(&mixed).contains("not a mix"));
        let mut text = load(Arrivals::Concurrency(8), 64);
        text.workload.prompts = Prompts::Text("Hello".to_owned());
        assert!(refused(&text).contains("random tokens"));
        let mut long = load(Arrivals::Concurrency(8), 64);
        long.workload.prompts = Prompts::RandomTokens {
            length: Length::Lognormal { median: 400, sigma: 0.7, max: 4_000 },
        };
        assert!(refused(&long).contains("log-normal"));
        for arrivals in [Arrivals::Waves(32), fixtures::load().arrivals] {
            assert!(refused(&load(arrivals, 64)).contains("submitted at once"), "{arrivals}");
        }
    }

    #[test]
    fn the_last_lines_of_a_real_run_are_read_and_stand_beside_the_servers_figure() {
        let log = "INFO 11-29 04:17:25 [hf.py:648] Detected the chat template content format\n\
            Throughput: 18.08 requests/s, 2346.25 total tokens/s, 1175.88 output tokens/s\n\
            Total num prompt tokens:  8286\nTotal num output tokens:  8325";
        let lines: Vec<String> = log.lines().map(str::to_owned).collect();
        let read = OfflineThroughput::read(&lines).unwrap();
        assert_eq!(
            read.beside(1_100.0, 128, Some(8)),
            "`vllm bench throughput` gave 1176 output tok/s offline (18.08 requests/s of 65 tokens in and 65 out, with \
             --max-num-seqs 8); through the server it was 1100 tok/s, 93.5 % of that"
        );
        assert_eq!(OfflineThroughput::read(&lines[..2]), None);
        let broken: Vec<String> = lines.iter().map(|line| line.replace("1175.88", "nan")).collect();
        assert_eq!(OfflineThroughput::read(&broken), None);
    }
}
