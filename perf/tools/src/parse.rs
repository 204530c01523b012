//! The small language of the options: `random:512`, `poisson:10`, `ttft=200`.

use std::str::FromStr;
use std::time::Duration;

use perf_model::spec::load::{Arrivals, Length, Objective, OutputLength, Prompts};
use perf_model::spec::load_search::{Axis, LoadSearch};
use perf_model::spec::metric::Quantity;
use perf_model::spec::units::{PerSecond, millis, per_second};

/// The prompts of completions unless others are asked for.
pub(crate) const COMPLETIONS: Prompts = Prompts::RandomTokens { length: Length::Fixed(64) };
/// The prompts of chats unless others are asked for: chat takes no token ids.
pub(crate) const CHAT: Prompts = Prompts::Verse { file: None, shared: 0, own: 8 };

/// What changes from point to point, and its values.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Sweep {
    /// The width of a closed loop.
    Concurrency(Vec<u32>),
    /// The rate of an open loop.
    Rate(Vec<PerSecond>),
}

/// `random:512` and its like.
pub(crate) fn prompts(text: &str) -> Result<Prompts, String> {
    let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
    match kind {
        "random" => Ok(Prompts::RandomTokens { length: length(rest)? }),
        "prefix" => {
            let [prefixes, prefix, suffix] = numbers(rest, "prefix:PREFIXES,LENGTH,LENGTH_BEHIND")?;
            let (prefix_length, suffix_length) = (Length::Fixed(prefix), Length::Fixed(suffix));
            Ok(Prompts::SharedPrefix { prefixes, prefix_length, suffix_length })
        }
        "verse" => {
            let form = "verse:SHARED,OWN or verse:SHARED,OWN,FILE";
            let mut parts = rest.splitn(3, ',');
            let mut count = || number(parts.next().unwrap_or_default(), form);
            let (shared, own) = (count()?, count()?);
            Ok(Prompts::Verse { file: parts.next().map(Into::into), shared, own })
        }
        "prose" => Ok(Prompts::Prose { words: length(rest)? }),
        "text" => Ok(Prompts::Text(given(rest, "text:WORDS")?.to_owned())),
        "repeat" => {
            let form = "repeat:TIMES,SENTENCE";
            let (times, sentence) =
                rest.split_once(',').ok_or_else(|| format!("write it like {form}"))?;
            Ok(Prompts::RepeatedSentence {
                sentence: format!("{sentence} "),
                times: number(times, form)?,
            })
        }
        "file" => Ok(Prompts::JsonLines(given(rest, "file:PROMPTS.jsonl")?.into())),
        "sharegpt" => Ok(Prompts::ShareGpt(given(rest, "sharegpt:FILE.json")?.into())),
        "conversation" => {
            let form = "conversation:TURNS,WORDS";
            let (turns, words) =
                rest.split_once(',').ok_or_else(|| format!("write it like {form}"))?;
            Ok(Prompts::Conversations { turns: number(turns, form)?, words: length(words)? })
        }
        "trace" => Ok(Prompts::Trace(given(rest, "trace:FILE.jsonl")?.into())),
        other => Err(format!(
            "there are no prompts called `{other}`; there are random, prefix, verse, prose, text, repeat, file, \
             sharegpt, conversation and trace"
        )),
    }
}

/// `exactly:128` and its like.
pub(crate) fn output(text: &str) -> Result<OutputLength, String> {
    match text.split_once(':') {
        Some(("exactly", rest)) => Ok(match length(rest)? {
            Length::Fixed(tokens) => OutputLength::Exactly(tokens),
            drawn => OutputLength::ExactlyOf(drawn),
        }),
        Some(("at-most", rest)) => Ok(match length(rest)? {
            Length::Fixed(tokens) => OutputLength::AtMost(tokens),
            drawn => OutputLength::AtMostOf(drawn),
        }),
        _ => Err("write it like exactly:128, exactly:64..256 or at-most:256".to_owned()),
    }
}

/// `concurrent:8` and its like.
pub(crate) fn arrivals(text: &str) -> Result<Arrivals, String> {
    let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
    let rates = |form: &str| numbers::<f64, 2>(rest, form);
    let arrivals = match kind {
        "one-at-a-time" if rest.is_empty() => Arrivals::OneAtATime,
        "concurrent" => Arrivals::Concurrency(number(rest, "concurrent:REQUESTS")?),
        "waves" => Arrivals::Waves(number(rest, "waves:REQUESTS")?),
        "constant" => Arrivals::ConstantRate(per_second(number(rest, "constant:RATE")?)),
        "poisson" => Arrivals::Poisson(per_second(number(rest, "poisson:RATE")?)),
        "gamma" => {
            let [rate, shape] = rates("gamma:RATE,SHAPE")?;
            Arrivals::Gamma { rate: per_second(rate), shape }
        }
        "ramp" => {
            let [from, to] = rates("ramp:FROM,TO")?;
            Arrivals::Ramp { from: per_second(from), to: per_second(to) }
        }
        "recorded" => {
            let speed =
                if rest.is_empty() { 1.0 } else { number(rest, "recorded or recorded:SPEED")? };
            Arrivals::Recorded { speed }
        }
        _ => {
            return Err(format!(
                "there are no arrivals called `{text}`; there are one-at-a-time, concurrent, waves, constant, poisson, \
                 gamma, ramp and recorded"
            ));
        }
    };
    arrivals.fault().map_or(Ok(arrivals), |fault| Err(fault.to_owned()))
}

/// `ttft=200`, in milliseconds.
pub(crate) fn objective(text: &str) -> Result<Objective, String> {
    let form = "write it like ttft=200, in milliseconds; ttft, tpot, e2e, first_answer and tool_call can have bounds";
    let (quantity, limit) = text.split_once('=').ok_or(form)?;
    let quantities =
        [Quantity::Ttft, Quantity::Tpot, Quantity::E2e, Quantity::FirstAnswer, Quantity::ToolCall];
    let quantity = quantities.into_iter().find(|known| known.name() == quantity).ok_or(form)?;
    let limit = millis(limit.parse().map_err(|_| form)?);
    if limit > Duration::ZERO { Ok(Objective { quantity, limit }) } else { Err(form.to_owned()) }
}

/// `0.5..64`, a range of rates to search.
pub(crate) fn rates(text: &str) -> Result<LoadSearch, String> {
    let (from, to) = range(text)?;
    Ok(LoadSearch::along(Axis::Rate { from: per_second(from), to: per_second(to) }))
}

/// `1..256`, a range of concurrencies to search.
pub(crate) fn concurrencies(text: &str) -> Result<LoadSearch, String> {
    let (from, to) = range(text)?;
    Ok(LoadSearch::along(Axis::Concurrency { from, to }))
}

fn range<T: std::str::FromStr>(text: &str) -> Result<(T, T), String> {
    let form = "write a range such as 1..256";
    let (from, to) = text.split_once("..").ok_or(form)?;
    Ok((from.parse().map_err(|_| form)?, to.parse().map_err(|_| form)?))
}

/// A limit in milliseconds.
pub(crate) fn milliseconds(text: &str) -> Result<f64, String> {
    let limit: f64 = number(text, "5 or 0.5, in milliseconds")?;
    if limit.is_finite() && millis(limit) > Duration::ZERO {
        Ok(limit)
    } else {
        Err("it must be a number of milliseconds above 0".to_owned())
    }
}

/// A share in percent.
pub(crate) fn share(text: &str) -> Result<f64, String> {
    let share: f64 = number(text, "2.5, in percent")?;
    if (0.0..=100.0).contains(&share) {
        Ok(share)
    } else {
        Err("it must be a number from 0 to 100".to_owned())
    }
}

/// `concurrency=1,2,4` or `rate=5,10`.
pub(crate) fn sweep(text: &str) -> Result<Sweep, String> {
    let form = "concurrency=1,2,4 or rate=5,10,20";
    match text.split_once('=') {
        Some(("concurrency", points)) => Ok(Sweep::Concurrency(list(points, form)?)),
        Some(("rate", points)) => {
            Ok(Sweep::Rate(list(points, form)?.into_iter().map(per_second).collect()))
        }
        _ => Err(format!("write it like {form}")),
    }
}

/// A name that can be a file's.
pub(crate) fn name(text: &str) -> Result<String, String> {
    let fits = |character: char| character.is_ascii_alphanumeric() || "_-.".contains(character);
    if !text.is_empty() && !text.starts_with('.') && text.chars().all(fits) {
        Ok(text.to_owned())
    } else {
        Err("it becomes a file's name: letters, digits, `_`, `-` and `.`".to_owned())
    }
}

/// The time between two turns of a conversation, in milliseconds: `800`, `200..900` or
/// `lognormal:800,0.8,20000`.
pub(crate) fn pause(text: &str) -> Result<Length, String> {
    if text == "0" { Ok(Length::Fixed(0)) } else { length(text) }
}

/// `512`, `256..1024` or `lognormal:512,0.7,4096`.
fn length(text: &str) -> Result<Length, String> {
    let form = "512, 256..1024 or lognormal:MEDIAN,SIGMA,MAX";
    let length = if let Some(rest) = text.strip_prefix("lognormal:") {
        let parts: Vec<&str> = rest.split(',').collect();
        let [median, sigma, max] = parts[..] else {
            return Err(format!("write the length like {form}"));
        };
        Length::Lognormal {
            median: number(median, form)?,
            sigma: number(sigma, form)?,
            max: number(max, form)?,
        }
    } else if let Some((min, max)) = text.split_once("..") {
        Length::Uniform { min: number(min, form)?, max: number(max, form)? }
    } else {
        Length::Fixed(number(text, form)?)
    };
    length.fault().map_or(Ok(length), Err)
}

fn number<T: FromStr>(text: &str, form: &str) -> Result<T, String> {
    text.trim().parse().map_err(|_| format!("`{text}` is no number here; write it like {form}"))
}

fn list<T: FromStr>(text: &str, form: &str) -> Result<Vec<T>, String> {
    text.split(',').map(|part| number(part, form)).collect()
}

fn numbers<T: FromStr, const N: usize>(text: &str, form: &str) -> Result<[T; N], String> {
    list(text, form)?.try_into().map_err(|_| format!("write it like {form}"))
}

fn given<'a>(text: &'a str, form: &str) -> Result<&'a str, String> {
    if text.is_empty() { Err(format!("write it like {form}")) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_understood() {
        let shown = |text: &str| prompts(text).unwrap().to_string();
        assert_eq!(shown("random:256..1024"), "256 to 1024 random tokens");
        assert_eq!(
            shown("random:lognormal:512,0.7,4096"),
            "lognormal (median 512, sigma 0.7, at most 4096) random tokens"
        );
        assert!(shown("prefix:4,512,64").starts_with("4 shared prefixes of 512 random tokens"));
        assert_eq!(shown("verse:4,8,a.txt"), "8 random lines behind 4 shared lines of a.txt");
        assert_eq!(
            shown("prose:lognormal:256,0.8,4096"),
            "lognormal (median 256, sigma 0.8, at most 4096) random words"
        );
        assert_eq!(pause("200..900"), Ok(Length::Uniform { min: 200, max: 900 }));
        assert_eq!(shown("repeat:3,Hi, you."), "\"Hi, you. \" × 3");
        assert!(
            shown("conversation:5,40").starts_with("conversations of 5 turns of 40 random words")
        );
        assert_eq!(
            output("exactly:64..256"),
            Ok(OutputLength::ExactlyOf(Length::Uniform { min: 64, max: 256 }))
        );
        assert_eq!(output("at-most:9"), Ok(OutputLength::AtMost(9)));
        assert_eq!(
            output("at-most:2..9"),
            Ok(OutputLength::AtMostOf(Length::Uniform { min: 2, max: 9 }))
        );
        for text in
            ["one-at-a-time", "waves:32", "constant:2.5", "gamma:10,0.5", "ramp:0,20", "recorded:2"]
        {
            assert!(arrivals(text).is_ok(), "{text}");
        }
        assert_eq!(arrivals("recorded"), Ok(Arrivals::Recorded { speed: 1.0 }));
        assert_eq!(sweep("concurrency=1,8"), Ok(Sweep::Concurrency(vec![1, 8])));
        assert_eq!(objective("e2e=1.5").unwrap().limit, Duration::from_micros(1_500));
    }

    #[test]
    fn what_is_not_understood_says_what_to_write() {
        for (error, why) in [
            (prompts("sonnet:3").unwrap_err(), "there are random, prefix, verse"),
            (prompts("random:9..3").unwrap_err(), "above its most"),
            (prompts("prefix:1,2").unwrap_err(), "prefix:PREFIXES,LENGTH,LENGTH_BEHIND"),
            (prompts("trace").unwrap_err(), "trace:FILE.jsonl"),
            (output("64").unwrap_err(), "exactly:128"),
            (arrivals("poisson:fast").unwrap_err(), "poisson:RATE"),
            (arrivals("poisson:0").unwrap_err(), "positive"),
            (arrivals("concurrency:3").unwrap_err(), "there are one-at-a-time, concurrent"),
            (objective("itl=3").unwrap_err(), "ttft, tpot, e2e, first_answer and tool_call"),
            (objective("ttft=nan").unwrap_err(), "ttft=200, in milliseconds"),
            (arrivals("poisson:nan").unwrap_err(), "must be a positive number"),
            (arrivals("ramp:1,inf").unwrap_err(), "no numbers from 0 up"),
            (milliseconds("nan").unwrap_err(), "above 0"),
            (milliseconds("0").unwrap_err(), "above 0"),
            (milliseconds("-1").unwrap_err(), "above 0"),
            (milliseconds("inf").unwrap_err(), "above 0"),
            (share("nan").unwrap_err(), "from 0 to 100"),
            (share("101").unwrap_err(), "from 0 to 100"),
            (sweep("width=3").unwrap_err(), "concurrency=1,2,4 or rate=5,10,20"),
            (name("a/b").unwrap_err(), "letters, digits"),
        ] {
            assert!(error.contains(why), "{error}");
        }
    }
}
