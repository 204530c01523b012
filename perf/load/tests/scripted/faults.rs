//! What can go wrong with a ground-truth stream: [`Fault`], one at most in each.

use perf_model::record::sample::FailureKind;
use perf_model::spec::load::OutputLength;
use rand::RngExt;
use rand::rngs::ChaCha8Rng;
use rand::seq::IndexedRandom;

use crate::events::{Event, Says, Style};
use crate::server::Ending;
use crate::truth::{Claims, Counting, World, micros};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Fault {
    None,
    /// An error in place of a chunk; the server may announce the end all the same.
    InBand,
    /// The body breaks off with an error.
    Breaks,
    /// The body ends well and too early.
    Ends,
    /// Nothing more comes, and the connection stays.
    Stalls,
    SlowHeaders,
    WrongLength,
    WrongReason,
    NoUsage,
    Empty,
    Malformed,
    /// The server's running count goes back.
    FallingTotal,
    WrongPrompt,
    /// A status other than 200.
    Refused,
    /// No stream where one was asked for.
    WrongType,
}

const ALL: [Fault; 14] = [
    Fault::InBand,
    Fault::Breaks,
    Fault::Ends,
    Fault::Stalls,
    Fault::SlowHeaders,
    Fault::WrongLength,
    Fault::WrongReason,
    Fault::NoUsage,
    Fault::Empty,
    Fault::Malformed,
    Fault::FallingTotal,
    Fault::WrongPrompt,
    Fault::Refused,
    Fault::WrongType,
];

pub(crate) const ERRORS: [&str; 4] = [
    r#"{"error":{"message":"EngineCore encountered an issue","type":"InternalServerError","code":500}}"#,
    r#"{"error":"out of memory"}"#,
    r#"{"choices":[],"error":{"message":"late"}}"#,
    r#"{"object":"error","message":"as older servers said it","code":400}"#,
];

const GARBAGE: [&str; 8] = [
    "nonsense",
    "{\"choices\":[{\"text\":\"x\"}",
    "{\"choices\": 7}",
    "{\"type\":\"pong\"}",
    "7",
    "[DONE",
    "{\"choices\":[{\"text\":\"x\"}],\"usage\":{\"completion_tokens\":-1}}",
    "{\"object\":\"text_completion\"}",
];

impl Fault {
    pub(crate) fn draw(rng: &mut ChaCha8Rng, world: &World) -> Self {
        let fault = if rng.random_bool(0.4) { Self::None } else { *ALL.choose(rng).unwrap() };
        let impossible = match fault {
            Self::WrongPrompt => world.prompt_ids.is_none(),
            Self::FallingTotal => !world.streamed || world.output.limit() < 2,
            Self::WrongType => !world.streamed,
            _ => false,
        };
        if impossible { Self::None } else { fault }
    }

    /// The failure that a client must see.
    pub(crate) fn kind(self) -> Option<FailureKind> {
        match self {
            Self::None => None,
            Self::InBand => Some(FailureKind::ErrorInBand),
            Self::Breaks => Some(FailureKind::Reset),
            Self::Ends => Some(FailureKind::CutShort),
            Self::Stalls | Self::SlowHeaders => Some(FailureKind::Stalled),
            Self::WrongLength => Some(FailureKind::WrongLength),
            Self::WrongReason => Some(FailureKind::WrongFinishReason),
            Self::NoUsage => Some(FailureKind::MissingUsage),
            Self::Empty => Some(FailureKind::Empty),
            Self::FallingTotal => Some(FailureKind::Contradiction),
            Self::Malformed | Self::WrongType => Some(FailureKind::Malformed),
            Self::WrongPrompt => Some(FailureKind::WrongPromptLength),
            Self::Refused => Some(FailureKind::Refused),
        }
    }

    /// Whether the bytes stop before the end is announced.
    pub(crate) fn stops(self) -> bool {
        matches!(self, Self::Breaks | Self::Ends | Self::Stalls)
    }

    /// When the status comes, in microseconds after the request.
    pub(crate) fn delay(self, rng: &mut ChaCha8Rng, world: &World) -> u64 {
        let limit = micros(world.stall_limit);
        match self {
            Self::SlowHeaders => rng.random_range(limit + 1..3 * limit),
            _ if rng.random_bool(0.1) => rng.random_range(limit / 2..limit),
            _ => rng.random_range(0..20_000),
        }
    }

    pub(crate) fn ending(self, rng: &mut ChaCha8Rng, is_over: bool) -> Ending {
        match self {
            Self::Breaks => Ending::Breaks,
            Self::Ends => Ending::Closes,
            Self::Stalls => Ending::Hangs,
            // A break after the announced end is none of ours, and a connection left open neither.
            _ if is_over => [Ending::Closes, Ending::Closes, Ending::Hangs, Ending::Breaks]
                .choose(rng)
                .unwrap()
                .clone(),
            _ => Ending::Closes,
        }
    }

    /// What the server says it read and wrote.
    pub(crate) fn claims(self, rng: &mut ChaCha8Rng, world: &World) -> Claims {
        let limit = world.output.limit();
        let few = rng.random_range(1..4);
        let fitting = match world.output {
            OutputLength::AtMost(_) if rng.random_bool(0.5) => {
                (rng.random_range(1..=limit), Some("stop"))
            }
            _ => (limit, Some("length")),
        };
        let (output_tokens, reason) = match (self, world.output) {
            // What is to be counted down must have been counted up.
            (Self::FallingTotal, _) => (limit, Some("length")),
            (Self::WrongLength, OutputLength::Exactly(_)) if limit > 1 && rng.random_bool(0.5) => (
                limit.saturating_sub(few).max(1),
                [Some("stop"), Some("length"), None].choose(rng).copied().unwrap(),
            ),
            (Self::WrongLength, OutputLength::AtMost(_)) if limit > 1 && rng.random_bool(0.5) => {
                (limit.saturating_sub(few).max(1), Some("length"))
            }
            (Self::WrongLength, _) => (limit + few, fitting.1),
            (Self::WrongReason, OutputLength::Exactly(_)) => (
                limit,
                [Some("stop"), Some("abort"), Some("content_filter"), None]
                    .choose(rng)
                    .copied()
                    .unwrap(),
            ),
            (Self::WrongReason, OutputLength::AtMost(_)) => (
                fitting.0,
                [Some("abort"), Some("cancelled"), Some("error"), None]
                    .choose(rng)
                    .copied()
                    .unwrap(),
            ),
            _ => fitting,
        };
        let counting = match self {
            Self::FallingTotal => Counting::Running,
            Self::NoUsage => *[Counting::Never, Counting::Lapses].choose(rng).unwrap(),
            _ => *[Counting::Running, Counting::Running, Counting::AtTheEnd].choose(rng).unwrap(),
        };
        let prompt_tokens = world.prompt_ids.unwrap_or_else(|| rng.random_range(1..2_000));
        let prompt_tokens = match self {
            Self::WrongPrompt if rng.random_bool(0.2) => prompt_tokens + few,
            Self::WrongPrompt => rng.random_range(0..prompt_tokens),
            _ => prompt_tokens,
        };
        Claims { counting, prompt_tokens, output_tokens, reason }
    }

    /// A response that ends well and has no token.
    pub(crate) fn nothing(rng: &mut ChaCha8Rng, style: &Style, claims: &Claims) -> Vec<Event> {
        let usage = |total| claims.usage(total);
        let zero = Says { total: Some(0), ..Says::default() };
        let mut events = match rng.random_range(0..4) {
            0 => Vec::new(),
            1 => vec![style.totals(rng, &usage(0), zero)],
            2 => vec![style.chunk(rng, Some(&usage(0)), Says { reason: Some("stop"), ..zero })],
            // Tokens that were counted and never sent.
            _ => {
                let says = Says { total: Some(claims.output_tokens), ..Says::default() };
                vec![style.totals(rng, &usage(claims.output_tokens), says)]
            }
        };
        events.push(style.done(rng));
        events
    }

    /// Puts what goes wrong among the events, and what follows their end; gives the event that
    /// fails the request.
    pub(crate) fn insert(
        self,
        rng: &mut ChaCha8Rng,
        style: &Style,
        claims: &Claims,
        events: &mut Vec<Event>,
    ) -> Option<(usize, FailureKind)> {
        let is_announced = events.last().is_some_and(|event| event.says.is_done);
        let done = events.len() - usize::from(is_announced);
        let wrong = match self {
            Self::InBand => {
                Some((rng.random_range(0..=done), (*ERRORS.choose(rng).unwrap()).to_owned()))
            }
            Self::Malformed => {
                Some((rng.random_range(0..=done), (*GARBAGE.choose(rng).unwrap()).to_owned()))
            }
            Self::FallingTotal => {
                let total = rng.random_range(0..claims.output_tokens);
                Some((
                    done,
                    format!(
                        "{{\"choices\":[{{\"text\":\"x\"}}],\"usage\":{}}}",
                        claims.usage(total)
                    ),
                ))
            }
            _ => None,
        };
        let failing = wrong.map(|(place, data)| {
            events.insert(place, style.event(rng, &data, Says::default()));
            if rng.random_bool(0.5) {
                // The rest need not come.
                events.truncate(place + 1);
            }
            (place, self.kind().unwrap())
        });
        // What a server says after the end counts for nothing.
        if failing.is_none() && is_announced && rng.random_bool(0.1) {
            let late =
                ["{\"error\":\"late\"}", "nonsense", "[DONE]", "{\"choices\":[{\"text\":\"x\"}]}"];
            let data = late.choose(rng).unwrap();
            events.push(style.event(rng, data, Says::default()));
        }
        failing
    }
}
