//! What can be measured, before any statistic of it: [`Quantity`].

use perf_gate::Direction;
use serde::{Deserialize, Serialize};

use crate::spec::draft_position::DraftPosition;

/// A quantity that a load measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Quantity {
    /// Output tokens of the whole server, per second of the run.
    OutputThroughput,
    /// Prompt and output tokens of the whole server, per second of the run.
    TotalThroughput,
    /// Requests that succeeded, per second of the run.
    RequestThroughput,
    /// Requests that succeeded and met every objective, per second of the run.
    Goodput,
    /// The highest rate of arrivals at which a share of the requests meets every objective.
    MaxRate,
    /// The most requests at once, of which a share meets every objective.
    MaxConcurrency,
    /// Output tokens of one request over its own E2E: what one user sees.
    RequestOutputRate,
    /// Time to first token.
    Ttft,
    /// Time per output token after the first, one value a request.
    Tpot,
    /// Inter-token latency: the gaps between tokens, pooled over all requests.
    Itl,
    /// End to end: from the send (open loop: the intended send) to the last token.
    E2e,
    /// From the command that starts the server until it answers.
    StartUp,
    /// The part of it until the server's first line: the container or process starts, and Python
    /// imports.
    StartLaunch,
    /// Configuration, and the start of the engine's process.
    StartEngineProcess,
    /// The engine initialises its devices and workers.
    StartEngineInit,
    /// Weights are loaded.
    StartWeights,
    /// Memory is profiled, the KV cache made, the model warmed up.
    StartProfiling,
    /// `torch.compile`.
    StartCompilation,
    /// CUDA graphs are captured.
    StartGraphCapture,
    /// From the engine's readiness to that of the API.
    StartApi,
    /// The part of a start that no line of the log explains.
    StartRemainder,
    /// Tokens that fit into the KV cache.
    KvCacheTokens,
    /// Requests of the longest context that fit into the KV cache.
    KvCacheRequests,
    /// To the first output that is not reasoning. It and the four below exist only for answers with
    /// reasoning or tool calls.
    FirstAnswer,
    /// To the end of the last tool call.
    ToolCall,
    /// The longest time between two chunks of one answer.
    LongestSilence,
    /// Output tokens of one request that were reasoning.
    ReasoningTokens,
    /// Output tokens of one request that were not.
    AnswerTokens,
    /// Tokens that a step of speculative decoding gave on average, over the whole server. It and the
    /// three below exist only where the server says what it drafted.
    AcceptanceLength,
    /// The share of drafted tokens that were accepted, over the whole server.
    AcceptanceRate,
    /// The share of drafts whose token at this position was accepted, over the whole server.
    AcceptanceAt(DraftPosition),
    /// The acceptance length of one request.
    RequestAcceptanceLength,
    /// The tokens of the busiest data-parallel rank, in percent of the mean of all ranks. Only a server with
    /// several engines has it.
    BusiestRank,
    /// What the leased GPUs used from the first send to the last response. It and the eight below exist
    /// only where the GPUs could be read.
    Energy,
    /// Energy over output tokens.
    EnergyPerOutputToken,
    /// Output tokens over energy.
    TokensPerJoule,
    /// What the GPUs drew on average, all together.
    MeanPower,
    /// The most memory that was in use, summed over the GPUs.
    PeakGpuMemory,
    /// The temperature of the hottest GPU.
    MaxGpuTemperature,
    /// The clock of the multiprocessors, over time and GPUs.
    MeanSmClock,
    /// For how long heat or a power brake slowed a GPU down; the longest of any GPU.
    ThrottledTime,
    /// The share of the time in which the power cap held a clock down; the largest of any GPU.
    PowerCapTime,
    /// What the GPUs sent over PCIe, all together. It and the three below need a GPU that counts it.
    PcieTx,
    /// What they received over PCIe.
    PcieRx,
    /// What they sent over NVLink.
    NvlinkTx,
    /// What they received over NVLink.
    NvlinkRx,
}

/// All quantities, in the order of reports.
pub const QUANTITIES: [Quantity; 45 + DraftPosition::MOST] = {
    // The acceptance at the first position stands for that at each.
    let mut all = [Quantity::OutputThroughput; 45 + DraftPosition::MOST];
    let (mut from, mut to) = (0, 0);
    while from < KINDS.len() {
        all[to] = KINDS[from];
        to += 1;
        let mut position = 1;
        while let (Quantity::AcceptanceAt(_), Some(next)) =
            (KINDS[from], DraftPosition::new(position))
        {
            all[to] = Quantity::AcceptanceAt(next);
            to += 1;
            position += 1;
        }
        from += 1;
    }
    all
};

/// The kinds of quantities, in the order of reports.
const KINDS: [Quantity; 46] = [
    Quantity::OutputThroughput,
    Quantity::TotalThroughput,
    Quantity::RequestThroughput,
    Quantity::Goodput,
    Quantity::MaxRate,
    Quantity::MaxConcurrency,
    Quantity::RequestOutputRate,
    Quantity::Ttft,
    Quantity::Tpot,
    Quantity::Itl,
    Quantity::E2e,
    Quantity::StartUp,
    Quantity::StartLaunch,
    Quantity::StartEngineProcess,
    Quantity::StartEngineInit,
    Quantity::StartWeights,
    Quantity::StartProfiling,
    Quantity::StartCompilation,
    Quantity::StartGraphCapture,
    Quantity::StartApi,
    Quantity::StartRemainder,
    Quantity::KvCacheTokens,
    Quantity::KvCacheRequests,
    Quantity::FirstAnswer,
    Quantity::ToolCall,
    Quantity::LongestSilence,
    Quantity::ReasoningTokens,
    Quantity::AnswerTokens,
    Quantity::AcceptanceLength,
    Quantity::AcceptanceRate,
    Quantity::AcceptanceAt(DraftPosition::FIRST),
    Quantity::RequestAcceptanceLength,
    Quantity::BusiestRank,
    Quantity::Energy,
    Quantity::EnergyPerOutputToken,
    Quantity::TokensPerJoule,
    Quantity::MeanPower,
    Quantity::PeakGpuMemory,
    Quantity::MaxGpuTemperature,
    Quantity::MeanSmClock,
    Quantity::ThrottledTime,
    Quantity::PowerCapTime,
    Quantity::PcieTx,
    Quantity::PcieRx,
    Quantity::NvlinkTx,
    Quantity::NvlinkRx,
];

impl Quantity {
    /// The name in baselines and records.
    pub fn name(self) -> &'static str {
        match self {
            Self::OutputThroughput => "output_throughput",
            Self::TotalThroughput => "total_throughput",
            Self::RequestThroughput => "request_throughput",
            Self::Goodput => "goodput",
            Self::MaxRate => "max_rate",
            Self::MaxConcurrency => "max_concurrency",
            Self::RequestOutputRate => "request_output_rate",
            Self::Ttft => "ttft",
            Self::Tpot => "tpot",
            Self::Itl => "itl",
            Self::E2e => "e2e",
            Self::StartUp => "start_up",
            Self::StartLaunch => "start_launch",
            Self::StartEngineProcess => "start_engine_process",
            Self::StartEngineInit => "start_engine_init",
            Self::StartWeights => "start_weights",
            Self::StartProfiling => "start_profiling",
            Self::StartCompilation => "start_compilation",
            Self::StartGraphCapture => "start_graph_capture",
            Self::StartApi => "start_api",
            Self::StartRemainder => "start_remainder",
            Self::KvCacheTokens => "kv_cache",
            Self::KvCacheRequests => "kv_cache_longest",
            Self::FirstAnswer => "first_answer",
            Self::ToolCall => "tool_call",
            Self::LongestSilence => "longest_silence",
            Self::ReasoningTokens => "reasoning_tokens",
            Self::AnswerTokens => "answer_tokens",
            Self::AcceptanceLength => "acceptance_length",
            Self::AcceptanceRate => "acceptance_rate",
            Self::AcceptanceAt(position) => position.name(),
            Self::RequestAcceptanceLength => "request_acceptance_length",
            Self::BusiestRank => "busiest_rank",
            Self::Energy => "energy",
            Self::EnergyPerOutputToken => "energy_per_output_token",
            Self::TokensPerJoule => "tokens_per_joule",
            Self::MeanPower => "mean_power",
            Self::PeakGpuMemory => "peak_gpu_memory",
            Self::MaxGpuTemperature => "max_gpu_temperature",
            Self::MeanSmClock => "mean_sm_clock",
            Self::ThrottledTime => "throttled_time",
            Self::PowerCapTime => "power_cap_share",
            Self::PcieTx => "pcie_tx",
            Self::PcieRx => "pcie_rx",
            Self::NvlinkTx => "nvlink_tx",
            Self::NvlinkRx => "nvlink_rx",
        }
    }

    /// The name in tables.
    pub fn label(self) -> &'static str {
        match self {
            Self::OutputThroughput => "output throughput",
            Self::TotalThroughput => "total throughput",
            Self::RequestThroughput => "request throughput",
            Self::Goodput => "goodput",
            Self::MaxRate => "max rate",
            Self::MaxConcurrency => "max concurrency",
            Self::RequestOutputRate => "output rate per request",
            Self::Ttft => "TTFT",
            Self::Tpot => "TPOT",
            Self::Itl => "ITL",
            Self::E2e => "E2E",
            Self::StartUp => "start-up",
            Self::StartLaunch => "start: launch",
            Self::StartEngineProcess => "start: engine process",
            Self::StartEngineInit => "start: engine init",
            Self::StartWeights => "start: weights",
            Self::StartProfiling => "start: profiling",
            Self::StartCompilation => "start: compilation",
            Self::StartGraphCapture => "start: graph capture",
            Self::StartApi => "start: API",
            Self::StartRemainder => "start: not explained",
            Self::KvCacheTokens => "KV cache",
            Self::KvCacheRequests => "KV cache, longest",
            Self::FirstAnswer => "time to first answer token",
            Self::ToolCall => "time to tool call complete",
            Self::LongestSilence => "longest silence",
            Self::ReasoningTokens => "reasoning tokens",
            Self::AnswerTokens => "answer tokens",
            Self::AcceptanceLength => "acceptance length",
            Self::AcceptanceRate => "acceptance rate",
            Self::AcceptanceAt(position) => position.label(),
            Self::RequestAcceptanceLength => "acceptance length per request",
            Self::BusiestRank => "busiest rank",
            Self::Energy => "energy",
            Self::EnergyPerOutputToken => "energy per output token",
            Self::TokensPerJoule => "tokens per joule",
            Self::MeanPower => "mean power",
            Self::PeakGpuMemory => "peak GPU memory",
            Self::MaxGpuTemperature => "max GPU temperature",
            Self::MeanSmClock => "mean SM clock",
            Self::ThrottledTime => "throttled time",
            Self::PowerCapTime => "time at power cap",
            Self::PcieTx => "PCIe TX",
            Self::PcieRx => "PCIe RX",
            Self::NvlinkTx => "NVLink TX",
            Self::NvlinkRx => "NVLink RX",
        }
    }

    /// The unit in tables.
    pub fn unit(self) -> &'static str {
        match self {
            Self::OutputThroughput | Self::TotalThroughput | Self::RequestOutputRate => "tok/s",
            Self::RequestThroughput | Self::Goodput | Self::MaxRate => "req/s",
            Self::MaxConcurrency | Self::KvCacheRequests => "requests",
            Self::KvCacheTokens => "tokens",
            Self::ReasoningTokens
            | Self::AnswerTokens
            | Self::AcceptanceLength
            | Self::RequestAcceptanceLength => "tok",
            Self::AcceptanceRate
            | Self::AcceptanceAt(_)
            | Self::BusiestRank
            | Self::PowerCapTime => "%",
            Self::Energy => "J",
            Self::EnergyPerOutputToken => "J/tok",
            Self::TokensPerJoule => "tok/J",
            Self::MeanPower => "W",
            Self::PeakGpuMemory => "MiB",
            Self::MaxGpuTemperature => "°C",
            Self::MeanSmClock => "MHz",
            Self::PcieTx | Self::PcieRx | Self::NvlinkTx | Self::NvlinkRx => "MB/s",
            Self::Ttft
            | Self::Tpot
            | Self::Itl
            | Self::E2e
            | Self::FirstAnswer
            | Self::ToolCall
            | Self::LongestSilence => "ms",
            Self::StartUp
            | Self::StartLaunch
            | Self::StartEngineProcess
            | Self::StartEngineInit
            | Self::StartWeights
            | Self::StartProfiling
            | Self::StartCompilation
            | Self::StartGraphCapture
            | Self::StartApi
            | Self::StartRemainder
            | Self::ThrottledTime => "s",
        }
    }

    /// Whether it is one number a run (whole server) rather than a distribution.
    pub fn is_whole_server(self) -> bool {
        !matches!(
            self,
            Self::RequestOutputRate
                | Self::Ttft
                | Self::Tpot
                | Self::Itl
                | Self::E2e
                | Self::FirstAnswer
                | Self::ToolCall
                | Self::LongestSilence
                | Self::ReasoningTokens
                | Self::AnswerTokens
                | Self::RequestAcceptanceLength
        )
    }

    /// The direction that is better.
    pub fn direction(self) -> Direction {
        match self.unit() {
            _ if matches!(
                self,
                Self::ReasoningTokens | Self::AnswerTokens | Self::BusiestRank | Self::PowerCapTime
            ) =>
            {
                Direction::LowerIsBetter
            }
            "ms" | "s" | "J" | "J/tok" | "W" | "MiB" | "MB/s" | "°C" => Direction::LowerIsBetter,
            _ => Direction::HigherIsBetter,
        }
    }

    /// The unit at the end of keys.
    pub(crate) fn key_unit(self) -> &'static str {
        match self.unit() {
            "tok/s" => "tok_per_s",
            "req/s" => "req_per_s",
            "requests" => "requests",
            "tokens" => "tokens",
            "s" => "s",
            "tok" => "tok",
            "%" => "percent",
            "J" => "j",
            "J/tok" => "j_per_tok",
            "tok/J" => "tok_per_j",
            "W" => "w",
            "MiB" => "mib",
            "°C" => "c",
            "MHz" => "mhz",
            "MB/s" => "mb_per_s",
            _ => "ms",
        }
    }
}

impl Serialize for Quantity {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let found = QUANTITIES.into_iter().find(|quantity| quantity.name() == name);
        found.ok_or_else(|| serde::de::Error::custom(format!("no quantity is called `{name}`")))
    }
}
