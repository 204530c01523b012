//! Who has a lock: [`Holder`].

use std::fmt;

use crate::host::{describe_process, user_name};

/// Who has a lock, as its file says: for a message. What counts is the lock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holder {
    pid: u32,
    user: String,
    run: String,
    suite: String,
}

impl Holder {
    /// This process, for nothing in particular.
    pub fn this_process() -> Self {
        let user = user_name(rustix::process::geteuid().as_raw());
        Self { pid: std::process::id(), user, ..Self::default() }
    }

    /// The same for a suite of a run.
    #[must_use]
    pub fn measuring(self, run: &str, suite: &str) -> Self {
        Self { run: run.to_owned(), suite: suite.to_owned(), ..self }
    }

    /// The same for a suite of the same run.
    #[must_use]
    pub fn for_suite(self, suite: &str) -> Self {
        Self { suite: suite.to_owned(), ..self }
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// As it was written into the file.
    pub(crate) fn from_lines(text: &str) -> Option<Self> {
        let mut lines = text.lines().map(str::to_owned);
        let pid = lines.next()?.trim().parse().ok()?;
        let mut next = || lines.next().unwrap_or_default();
        Some(Self { pid, user: next(), run: next(), suite: next() })
    }

    /// `run 0007 (suite chat) of alice, pid 4242`, without control characters. What the file does not say
    /// is left out.
    pub fn run(&self) -> String {
        let run = plain(&self.run);
        let run = if run.is_empty() { "a run".to_owned() } else { format!("run {run}") };
        format!("{run}{}", self.rest())
    }

    /// What of it follows the run.
    fn rest(&self) -> String {
        let part = |before: &str, text: &str, after: &str| match plain(text) {
            text if text.is_empty() => text,
            text => format!("{before}{text}{after}"),
        };
        let (suite, user) = (part(" (suite ", &self.suite, ")"), part(" of ", &self.user, ""));
        format!("{suite}{user}, pid {}", self.pid)
    }

    /// As it is written into the file.
    pub(crate) fn to_lines(&self) -> String {
        let Self { pid, user, run, suite } = self;
        format!("{pid}\n{user}\n{run}\n{suite}\n")
    }
}

/// `vllm-perf run 0007 (suite chat) of alice, pid 4242`.
impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if plain(&self.user).is_empty() {
            return f.write_str(&describe_process(self.pid));
        }
        match plain(&self.run) {
            run if run.is_empty() => write!(f, "vllm-perf{}", self.rest()),
            run => write!(f, "vllm-perf run {run}{}", self.rest()),
        }
    }
}

/// What is printable of a text: the file may be of an older version, or of somebody else.
fn plain(text: &str) -> String {
    text.chars().filter(|it| !it.is_control()).collect()
}
