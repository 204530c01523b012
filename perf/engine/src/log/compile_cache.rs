//! Reads from a server's log what its start found in the compile cache: [`CompileCacheLog`].
//!
//! | line | since | the start |
//! |---|---|---|
//! | `Cache the graph for dynamic shape for later use`, `Cache the graph of compile range (1, 8192) for later use` | 0.8, 0.13 | compiled it |
//! | `saved AOT compiled function to …` | 0.13 | compiled it |
//! | `Directly load the compiled graph(s) for dynamic shape from the cache, took 4.9 s` | 0.8 | loaded it |
//! | `Directly load AOT compilation from path …` | 0.13 | loaded it |

use perf_model::record::compile_cache::CompileCache;

/// What a log has shown so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CompileCacheLog(Option<CompileCache>);

impl CompileCacheLog {
    /// Takes in a line. One graph that had to be compiled makes the start a cold one.
    pub(crate) fn see(&mut self, line: &str) {
        let compiled = (line.contains("Cache the graph") && line.contains("for later use"))
            || line.contains("saved AOT compiled function to");
        let loaded = (line.contains("Directly load the compiled graph")
            && line.contains("from the cache"))
            || line.contains("Directly load AOT compilation from path");
        if compiled {
            self.0 = Some(CompileCache::Cold);
        } else if loaded {
            self.0.get_or_insert(CompileCache::Warm);
        }
    }

    /// What was found; `None` for a server that compiles nothing, or does not say so.
    pub(crate) fn finish(self) -> Option<CompileCache> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Option<CompileCache> {
        let mut log = CompileCacheLog::default();
        for line in lines {
            log.see(line);
        }
        log.finish()
    }

    #[test]
    fn a_start_that_compiled_one_graph_was_cold() {
        let compiled = [
            "INFO 11-29 [backends.py:383] Cache the graph of compile range (1, 8192) for later use",
            "INFO 06-01 [backends.py:154] Cache the graph for dynamic shape for later use",
            "INFO 11-29 [decorators.py:744] saved AOT compiled function to /c/torch_aot_compile/a/rank_0_0/model",
        ];
        let loaded = [
            "INFO 11-29 [backends.py:296] Directly load the compiled graph(s) for compile range (1, 8192) from the cache, took 1.2 s",
            "INFO 06-01 [backends.py:127] Directly load the compiled graph(s) for dynamic shape from the cache, took 4.9 s",
            "INFO 11-29 [decorators.py:320] Directly load AOT compilation from path /c/torch_aot_compile/a/rank_0_0/model",
        ];
        for line in compiled {
            assert_eq!(read(&[line]), Some(CompileCache::Cold), "{line}");
            assert_eq!(read(&[loaded[0], line, loaded[1]]), Some(CompileCache::Cold), "{line}");
        }
        for line in loaded {
            assert_eq!(read(&[line]), Some(CompileCache::Warm), "{line}");
        }
        assert_eq!(read(&["INFO torch.compile takes 7.8 s in total"]), None);
    }
}
