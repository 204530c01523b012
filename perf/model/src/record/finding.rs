//! What a reader of a run should know beside its figures: a [`Finding`], with a stable code by which
//! every output format can group them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a reader of a run should know beside its figures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written")]
pub struct Finding {
    /// What kind it is.
    pub code: FindingCode,
    /// The engine start and the repetition that it is about; absent where it is about the load.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// What happened, to what, and what to do next.
    pub message: String,
}

/// How serious a finding is; the most serious first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The figures must not be judged.
    Fault,
    /// The figures are weaker than they look, or something should be changed.
    Warning,
    /// For information.
    Information,
}

/// Declares the codes with their severity and documentation.
macro_rules! codes {
    ($($severity:ident { $($(#[$doc:meta])* $code:ident,)+ })+) => {
        /// The kinds of findings. Their names in JSON (`requests_failed`) are stable.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum FindingCode {
            $($($(#[$doc])* $code,)+)+
        }

        impl FindingCode {
            /// How serious findings of this kind are.
            pub fn severity(self) -> Severity {
                match self {
                    $($(Self::$code)|+ => Severity::$severity,)+
                }
            }
        }
    };
}

codes! {
    Fault {
        /// Fewer requests were sent than declared.
        RequestsMissing,
        /// More requests failed than the load allows.
        RequestsFailed,
        /// The sends of an open loop were late.
        SendsLate,
        /// The load generator used all of its processors, or its event loop was late.
        ClientBottleneck,
        /// The load asked more of the load generator than it can do on this machine.
        ClientTooSlow,
        /// The server's counters vanished or went backwards.
        ServerRestarted,
        /// Client and server counted different numbers of tokens or requests.
        CountsDisagree,
        /// The client measured a latency that is shorter than the engine's own.
        TimesImpossible,
        /// Distinct prompts were found in the prefix cache.
        PrefixCacheWarm,
        /// Heat or a power brake slowed a GPU down.
        GpuThrottled,
        /// The driver reported an XID error of a GPU.
        GpuError,
        /// A GPU no longer answered.
        GpuLost,
        /// The clock of a GPU fell while it computed.
        GpuClockFell,
        /// Another program computed on a leased GPU.
        GpuShared,
        /// A start ran with another configuration than the first.
        ConfigurationChanged,
        /// A search found no highest load.
        SearchUnresolved,
        /// The file of the baseline or its anchor cannot be used.
        BaselineUnusable,
    }
    Warning {
        /// Requests failed, and the load allows it.
        FailuresAllowed,
        /// The mean latencies of client and server differ.
        LatenciesDisagree,
        /// An open loop whose number of requests in flight kept growing or falling.
        NeverSteady,
        /// Latencies rest on an estimate of the tokens in each chunk.
        TimesEstimated,
        /// The load has fewer requests than it keeps in flight.
        TooFewRequests,
        /// The server did something beside the protocol.
        ServerOddity,
        /// Fields that the server does not know, or that were to be left out, were not sent.
        FieldsLeftOut,
        /// The certificate of the server was not checked.
        CertificateUnchecked,
        /// Entries of an input file could not be used.
        EntriesSkipped,
        /// A trace is so short that its time stamps may be of another unit.
        TraceShort,
        /// Several servers answer at one address, so that their counters were left out.
        SeveralServers,
        /// What should be checked could not be.
        Unchecked,
        /// The server refused to reset its prefix cache.
        CacheNotReset,
        /// A search found no highest load in one start, and one in others.
        StartUnresolved,
        /// The energy could not be measured.
        EnergyUnknown,
        /// Other servers of the run were on the machine.
        Neighbours,
        /// A GPU holds memory after the server was stopped.
        GpuMemoryHeld,
        /// Requests were sent a second time on a new connection.
        RequestsResent,
        /// The server preempted requests.
        Preempted,
        /// The server does not list the model that was asked for.
        ModelNotListed,
        /// The engine reports other settings in one start than in another.
        EngineSettingsDiffer,
        /// The SM clock of the GPUs differs from the baseline's.
        ClockDiffers,
        /// A remote server is not restarted between the starts.
        NotRestarted,
        /// The anchor is of something else.
        AnchorIncomparable,
        /// A measured baseline has no anchor.
        AnchorMissing,
        /// Two guards say the same.
        GuardsRedundant,
        /// A duet was not possible, or ended early.
        NotConfirmed,
        /// Better than the baseline for too long.
        ImprovementOld,
        /// A note of an older version, which had no codes.
        Unknown,
    }
    Information {
        /// How late the sends of an open loop were.
        SendLateness,
        /// How many requests each model of a mix got.
        RequestsByModel,
        /// How the load was spread over the data-parallel ranks.
        LoadByRank,
        /// How many tokens the prompts had.
        PromptLength,
        /// How many tokens the answers had.
        OutputLength,
        /// What the engine did offline, without a server.
        OfflineThroughput,
        /// The throughput of the steady part.
        SteadyState,
        /// How much the prefix cache served.
        PrefixCache,
        /// How much of the KV cache was in use at most.
        KvCacheUse,
        /// How many drafts were accepted up to each position.
        DraftsAccepted,
        /// How many requests met every objective.
        ObjectivesMet,
        /// The requests of a cold server are in the figures.
        NotWarmedUp,
        /// How long the server took to start, and the size of its KV cache.
        StartUp,
        /// What the GPUs used and how they were set up.
        GpuUse,
        /// What the tokens cost.
        Cost,
        /// What the load generator used of its machine.
        ClientUse,
        /// Where the server's log is.
        ServerLog,
        /// A commit that moved the baseline.
        BaselineStep,
    }
}

impl Finding {
    /// A finding about a whole load.
    pub fn new(code: FindingCode, message: impl Into<String>) -> Self {
        Self { code, at: None, message: message.into() }
    }

    /// The same finding about one start or repetition: `start 2`.
    #[must_use]
    pub fn at(&self, place: &str) -> Self {
        Self { at: Some(place.to_owned()), ..self.clone() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.at {
            Some(place) => write!(f, "{place}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// The forms in which findings stand in report files: reports of older versions have sentences.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Sentence(String),
    Finding { code: FindingCode, at: Option<String>, message: String },
}

impl From<Written> for Finding {
    fn from(written: Written) -> Self {
        match written {
            Written::Sentence(message) => Self::new(FindingCode::Unknown, message),
            Written::Finding { code, at, message } => Self { code, at, message },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_written_with_its_code_and_read_back() {
        let finding = Finding::new(FindingCode::RequestsFailed, "1 of 64 requests failed: stalled");
        let json = serde_json::to_string(&finding.at("start 2")).unwrap();
        insta::assert_snapshot!(json, @r#"{"code":"requests_failed","at":"start 2","message":"1 of 64 requests failed: stalled"}"#);
        assert_eq!(serde_json::from_str::<Finding>(&json).unwrap(), finding.at("start 2"));
        assert_eq!(finding.at("start 2").to_string(), "start 2: 1 of 64 requests failed: stalled");
    }

    #[test]
    fn the_sentences_of_an_older_report_are_read() {
        let old: Finding = serde_json::from_str(r#""a sentence""#).unwrap();
        assert_eq!((old.code, old.to_string().as_str()), (FindingCode::Unknown, "a sentence"));
    }

    #[test]
    fn faults_come_before_warnings_and_warnings_before_information() {
        let severities =
            [FindingCode::OutputLength, FindingCode::Preempted, FindingCode::SendsLate]
                .map(FindingCode::severity);
        assert!(severities[2] < severities[1] && severities[1] < severities[0]);
    }
}
