//! What a GPU costs, from `perf.toml`, and what its tokens cost then: [`Price`].

use serde::{Deserialize, Deserializer};

/// Tokens in a million.
const MILLION: f64 = 1e6;

/// Seconds in an hour.
const HOUR_S: f64 = 3_600.0;

/// What one GPU costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Price {
    /// What a card costs to buy, in US dollars.
    #[serde(deserialize_with = "positive")]
    pub card_usd: Option<f64>,
    /// What an hour of one GPU costs, in US dollars.
    #[serde(deserialize_with = "positive")]
    pub usd_per_gpu_hour: Option<f64>,
}

fn positive<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    let usd = f64::deserialize(deserializer)?;
    if usd.is_finite() && usd > 0.0 {
        return Ok(Some(usd));
    }
    Err(serde::de::Error::custom(format!("a price must be above 0, and it is {usd}")))
}

impl Price {
    /// The cost of a whole server on so many GPUs that writes `output_throughput` tokens per
    /// second, in words; `None` without a price or a token.
    ///
    /// Per token per second: cards × price / throughput. Per million tokens: GPUs × price of an
    /// hour / 3,600 s / throughput × 10⁶.
    pub fn describe(self, gpus: u32, output_throughput: f64) -> Option<String> {
        let per_rate = f64::from(gpus) / output_throughput;
        let cards = self
            .card_usd
            .map(|usd| format!("${:.2} of cards for each output token per second", usd * per_rate));
        let hours = self.usd_per_gpu_hour.map(|usd| {
            format!("${:.3} for a million output tokens", usd * per_rate / HOUR_S * MILLION)
        });
        let parts: Vec<String> = cards.into_iter().chain(hours).collect();
        (output_throughput > 0.0 && !parts.is_empty())
            .then(|| format!("cost of the whole server: {}", parts.join(", ")))
    }
}

/// How many GPUs a hardware's name has, and whether `part` names them: `RTX 5060 Ti` names `2 ×
/// NVIDIA GeForce RTX 5060 Ti` and the simulated `qwen2.5-7b-awq-2x5060ti`.
pub fn gpus_named(hardware: &str, part: &str) -> Option<u32> {
    let plain = |text: &str| text.to_lowercase().replace(' ', "").replace('×', "x");
    // A simulated profile has the model of the card without its maker and line.
    let model = plain(part.trim_start_matches("NVIDIA ").trim_start_matches("GeForce "));
    let hardware = plain(hardware);
    let short = model.trim_start_matches("rtx");
    let at = hardware.find(short).filter(|_| !short.is_empty())?;
    // `1xnvidiageforcertx` or `simulated:qwen2.57bawq1x`: the last number before an `x`.
    let before = &hardware[..at];
    let mut ends = before.match_indices('x').map(|(end, _)| &before[..end]).rev();
    ends.find_map(|text| {
        let begin = text.trim_end_matches(|letter: char| letter.is_ascii_digit()).len();
        text[begin..].parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_of_the_card_and_of_an_hour_become_costs_of_tokens() {
        let price = Price { card_usd: Some(400.0), usd_per_gpu_hour: Some(0.36) };
        assert_eq!(
            price.describe(2, 100.0).as_deref(),
            Some(
                "cost of the whole server: $8.00 of cards for each output token per second, \
                 $2.000 for a million output tokens"
            )
        );
        assert_eq!(Price::default().describe(1, 100.0), None);
        assert_eq!(price.describe(1, 0.0), None);
    }

    #[test]
    fn a_card_is_found_by_its_name_on_real_and_simulated_hardware() {
        assert_eq!(gpus_named("2 × NVIDIA GeForce RTX 5060 Ti", "RTX 5060 Ti"), Some(2));
        assert_eq!(gpus_named("1 × NVIDIA H200", "NVIDIA H200"), Some(1));
        assert_eq!(gpus_named("simulated: qwen2.5-7b-awq-1x5060ti", "RTX 5060 Ti"), Some(1));
        assert_eq!(gpus_named("simulated: qwen2.5-32b-fp16-4x4090", "RTX 4090"), Some(4));
        assert_eq!(gpus_named("1 × NVIDIA H200", "RTX 5060 Ti"), None);
        assert_eq!(gpus_named("CPU: AMD EPYC, 2 cores", "RTX 5060 Ti"), None);
    }

    #[test]
    fn a_price_that_is_not_positive_is_refused() {
        let error = toml::from_str::<Price>("card_usd = 0").unwrap_err().to_string();
        assert!(error.contains("a price must be above 0"), "{error}");
    }
}
