//! Whether the model, the KV cache and the CUDA graphs fit into the GPU: [`plan`].

use crate::args::ServeArgs;
use crate::profile::Profile;

const GIB: f64 = 1_073_741_824.0;

/// The KV cache of a server that fits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct KvCache {
    pub(crate) block_size: usize,
    pub(crate) blocks: usize,
    /// Memory per GPU.
    pub(crate) gib: f64,
}

impl KvCache {
    pub(crate) fn tokens(&self) -> usize {
        self.blocks * self.block_size
    }
}

/// What does not fit.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Misfit {
    /// The requested context is longer than the model supports.
    ContextOverModel { asked: usize, model: usize },
    /// Weights and activations exceed the share of the memory that vLLM may use.
    Weights { needed_gib: f64, allowed_gib: f64, total_gib: f64 },
    /// One request of full length exceeds the KV cache.
    ContextOverCache { asked: usize, needed_gib: f64, available_gib: f64, longest: usize },
    /// CUDA graphs exceed the memory that the share leaves free.
    GraphCapture { needed_gib: f64, free_gib: f64, total_gib: f64 },
}

/// Finds room for the KV cache, or the first thing that does not fit, in the order in which a
/// start checks it.
pub(crate) fn plan(profile: &Profile, args: &ServeArgs) -> Result<KvCache, Misfit> {
    let model = &profile.model;
    let context = args.context_len(profile);
    if context > model.max_model_len {
        return Err(Misfit::ContextOverModel { asked: context, model: model.max_model_len });
    }
    let split = f64::from(args.tensor_parallel_size);
    let total_gib = profile.machine.memory_gib;
    let allowed_gib = total_gib * args.gpu_memory_utilization;
    let needed_gib = model.weights_gib / split + model.activation_gib;
    if needed_gib > allowed_gib {
        return Err(Misfit::Weights { needed_gib, allowed_gib, total_gib });
    }
    let gib_per_token = model.kv_bytes_per_token as f64 / split / GIB;
    let available_gib = match (args.kv_cache_memory_bytes, model.kv_cache_tokens) {
        (Some(bytes), _) => bytes as f64 / GIB,
        (None, Some(tokens)) => tokens as f64 * gib_per_token,
        (None, None) => allowed_gib - needed_gib,
    };
    let blocks = args
        .num_gpu_blocks_override
        .unwrap_or_else(|| whole(available_gib / gib_per_token / args.block_size as f64));
    let cache = KvCache { block_size: args.block_size, blocks, gib: available_gib };
    if cache.tokens() < context {
        let needed_gib = context as f64 * gib_per_token;
        return Err(Misfit::ContextOverCache {
            asked: context,
            needed_gib,
            available_gib,
            longest: cache.tokens(),
        });
    }
    let free_gib = total_gib - allowed_gib;
    let graphs_gib = (context as f64 / 1024.0).mul_add(model.graph_gib_per_1k_len, model.graph_gib);
    if profile.machine.gpus > 0 && !args.enforce_eager && graphs_gib > free_gib {
        return Err(Misfit::GraphCapture { needed_gib: graphs_gib, free_gib, total_gib });
    }
    Ok(cache)
}

/// The whole part of a number that is not negative.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count of blocks: positive and far below 2^53"
)]
fn whole(number: f64) -> usize {
    number.max(0.0) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::profile;

    fn planned(name: &str, line: &str) -> Result<KvCache, Misfit> {
        let args = ServeArgs::parse(&line.split_whitespace().map(String::from).collect::<Vec<_>>())
            .unwrap();
        plan(&profile(name).unwrap(), &args)
    }

    #[test]
    fn the_awq_32b_does_not_fit_on_one_card() {
        for line in ["", "--gpu-memory-utilization 0.85", "-tp 1 --max-model-len 4096"] {
            let misfit = planned("qwen2.5-32b-awq-marlin-2x4090", line);
            assert!(matches!(misfit, Err(Misfit::Weights { .. })), "{line}: {misfit:?}");
        }
    }

    #[test]
    fn the_awq_32b_captures_graphs_for_4096_tokens_and_not_for_8192() {
        let base = "--tensor-parallel-size 2 --gpu-memory-utilization 0.85 --max-model-len";
        let long = planned("qwen2.5-32b-awq-marlin-2x4090", &format!("{base} 8192"));
        assert!(matches!(long, Err(Misfit::GraphCapture { .. })), "{long:?}");
        assert!(planned("qwen2.5-32b-awq-marlin-2x4090", &format!("{base} 4096")).is_ok());
    }

    #[test]
    fn the_other_published_configurations_fit() {
        for (name, line) in [
            ("qwen2.5-14b-fp16-2x4090", "-tp 2 --gpu-memory-utilization 0.90 --max-model-len 8192"),
            (
                "qwen2.5-14b-fp16-tuned-2x4090",
                "-tp 2 --gpu-memory-utilization 0.91 --max-num-seqs 128",
            ),
            ("qwen2.5-14b-awq-marlin-1x4090", "--gpu-memory-utilization 0.90 --max-model-len 8192"),
            ("qwen2.5-32b-fp16-4x4090", "-tp 4 --max-model-len 4096"),
        ] {
            let cache = planned(name, line).unwrap();
            assert!(cache.tokens() > 32 * 1456, "{name}: {} tokens would preempt", cache.tokens());
        }
    }

    #[test]
    fn a_context_over_the_cache_names_the_longest_that_fits() {
        let misfit = planned("tiny-cpu", "--max-model-len 2048 --kv-cache-memory-bytes 500000");
        assert!(matches!(misfit, Err(Misfit::ContextOverCache { longest: 976, .. })), "{misfit:?}");
    }
}
