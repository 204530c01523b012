//! Metrics of the leased GPUs as a test names them. Only a server that was started on GPUs whose driver
//! gives them has any.

use perf_model::judge::results::Published;
use perf_model::spec::guard::Guard;
use perf_model::spec::metric::{Metric, Quantity};
use perf_model::spec::units::Percent;

/// What the GPUs used for the whole load, in joules.
pub fn energy() -> GpuCost {
    GpuCost(Quantity::Energy)
}

/// What the GPUs used for each output token, in joules.
pub fn energy_per_output_token() -> GpuCost {
    GpuCost(Quantity::EnergyPerOutputToken)
}

/// What the GPUs drew on average, all together, in watts.
pub fn mean_power() -> GpuCost {
    GpuCost(Quantity::MeanPower)
}

/// The most memory that was in use, summed over the GPUs, in MiB.
pub fn peak_gpu_memory() -> GpuCost {
    GpuCost(Quantity::PeakGpuMemory)
}

/// What the GPUs sent over PCIe, all together, in MB/s.
pub fn pcie_tx() -> GpuCost {
    GpuCost(Quantity::PcieTx)
}

/// What the GPUs received over PCIe, all together, in MB/s.
pub fn pcie_rx() -> GpuCost {
    GpuCost(Quantity::PcieRx)
}

/// What the GPUs sent over NVLink, all together, in MB/s.
pub fn nvlink_tx() -> GpuCost {
    GpuCost(Quantity::NvlinkTx)
}

/// What the GPUs received over NVLink, all together, in MB/s.
pub fn nvlink_rx() -> GpuCost {
    GpuCost(Quantity::NvlinkRx)
}

/// Output tokens for each joule.
pub fn tokens_per_joule() -> GpuYield {
    GpuYield(Quantity::TokensPerJoule)
}

/// What GPUs use: less is better.
#[derive(Clone, Copy, Debug)]
pub struct GpuCost(Quantity);

impl GpuCost {
    /// Guards it: a rise of more than `slack` above the baseline is a regression.
    pub fn may_rise(self, slack: Percent) -> Guard {
        Guard::new(whole(self.0), slack)
    }

    /// What somebody else published for it, in its unit.
    pub fn was(self, value: f64) -> Published {
        Published { metric: whole(self.0), value }
    }
}

/// What GPUs give: more is better.
#[derive(Clone, Copy, Debug)]
pub struct GpuYield(Quantity);

impl GpuYield {
    /// Guards it: a fall of more than `slack` below the baseline is a regression.
    pub fn may_drop(self, slack: Percent) -> Guard {
        Guard::new(whole(self.0), slack)
    }

    /// What somebody else published for it, in its unit.
    pub fn was(self, value: f64) -> Published {
        Published { metric: whole(self.0), value }
    }
}

fn whole(quantity: Quantity) -> Metric {
    Metric::whole_server(quantity).expect("only made of quantities that are one number a run")
}

#[cfg(test)]
mod tests {
    use perf_model::spec::units::percent;

    use super::*;

    #[test]
    fn a_guard_of_the_gpus_names_what_it_guards() {
        let guard = energy_per_output_token().may_rise(percent(5.0));
        assert_eq!(guard.metric.to_string(), "energy_per_output_token_j_per_tok");
        let guard = pcie_rx().may_rise(percent(5.0));
        assert_eq!(guard.metric.to_string(), "pcie_rx_mb_per_s");
        let guard = tokens_per_joule().may_drop(percent(5.0));
        assert_eq!(guard.metric.to_string(), "tokens_per_joule_tok_per_j");
    }
}
