//! A start that has failed though the server still runs: [`failed_start`].
//!
//! Between the line that says why and the end of its process vLLM may take a quarter of a minute, as
//! each process waits for those below it.

use super::{Evidence, ServerFailure, USAGE};

/// What vLLM logs of a process of its own that does not come up. The server never comes up after that.
const GIVEN_UP: &[&str] = &["EngineCore failed to start.", "WorkerProc failed to start."];

/// What the program says last of a command line that it does not understand: `vllm: error: …`,
/// `vllm serve: error: …`. It then takes seconds to end, as its libraries do.
const USAGE_ERROR: (&str, &str) = ("vllm", ": error: ");

/// The failure of a start, where the log proves that the server will not come up and why. `None` while
/// it may still, and where the log does not say why.
pub(crate) fn failed_start(log: &[String]) -> Option<ServerFailure> {
    let exit_code = if log.iter().any(|line| is_usage_error(line)) {
        Some(USAGE)
    } else if is_given_up(log) {
        None
    } else {
        return None;
    };
    let evidence = Evidence { exit_code, oom_killed: false, deed: None, log };
    Some(ServerFailure::classify(evidence)).filter(|failure| *failure != ServerFailure::Other)
}

fn is_usage_error(line: &str) -> bool {
    let (program, error) = USAGE_ERROR;
    // A line of a logger begins with a level or the name of a process.
    line.starts_with(program)
        && line.split_once(error).is_some_and(|(before, _)| !before.contains([':', '[']))
}

/// Whether a process of the server said that it gives up, or an exception left the main program. An
/// exception that is only logged, or that ended a thread, proves nothing.
fn is_given_up(log: &[String]) -> bool {
    let says = |line: &String| GIVEN_UP.iter().any(|words| line.contains(words));
    let leaves = |pair: &[String]| {
        pair[0].trim_end().ends_with("Traceback (most recent call last):")
            && pair[1].contains("/vllm\", line ")
            && pair[1].trim_end().ends_with(", in <module>")
    };
    log.iter().any(says) || log.windows(2).any(leaves)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<ServerFailure> {
        failed_start(&text.lines().map(str::to_owned).collect::<Vec<_>>())
    }

    macro_rules! capture {
        ($name:literal) => {
            include_str!(concat!("../../tests/captures/", $name, ".log"))
        };
    }

    #[test]
    fn a_failure_is_known_long_before_the_server_ends() {
        let until = |log: &'static str, words: &str| {
            let at = log.find(words).expect("the capture has these words");
            &log[..log[at..].find('\n').map_or(log.len(), |end| at + end)]
        };
        // The capture begins below the line of the worker that gives up.
        let weights = until(capture!("truncated-weights"), "SafetensorError: Error while");
        let given_up =
            format!("(Worker pid=1) ERROR [x.py:953] WorkerProc failed to start.\n{weights}");
        assert_eq!((of(weights), of(&given_up)), (None, Some(ServerFailure::WeightsDamaged)));
        // So does this one, below the frame of the program itself.
        let port = until(capture!("port-in-use"), "Address already in use");
        let left =
            "Traceback (most recent call last):\n  File \"/venv/bin/vllm\", line 10, in <module>\n";
        assert_eq!(of(&format!("{left}{port}")), Some(ServerFailure::PortTaken));
        let kv = until(capture!("kvcache-too-large"), "EngineCore failed to start.");
        assert_eq!(of(kv), Some(ServerFailure::KvCacheTooSmall));
    }

    #[test]
    fn a_command_line_that_is_not_understood_is_known_before_the_program_ends() {
        assert_eq!(of(capture!("bad-flag")), Some(ServerFailure::UnknownArgument));
        assert_eq!(of(capture!("bad-value")), Some(ServerFailure::BadArgument));
        let missing = "vllm serve: error: the following arguments are required: --x";
        assert_eq!(of(missing), Some(ServerFailure::BadArgument));
        for logged in [
            "INFO 11-29 [api.py:1] vllm: error: unrecognized arguments: --x",
            "vllm/plugin.py [3]: error: argument x",
            "usage: vllm serve [options]",
        ] {
            assert_eq!(of(logged), None, "{logged}");
        }
    }

    #[test]
    fn an_exception_that_is_only_logged_or_ended_a_thread_proves_nothing() {
        let full = "OSError: [Errno 28] No space left on device: '/cache/vllm'";
        for before in [
            "(APIServer pid=1) ERROR 11-29 [registry.py:1040] Error saving model info cache.\n\
             (APIServer pid=1) ERROR 11-29 [registry.py:1040] Traceback (most recent call last):\n\
             (APIServer pid=1) ERROR 11-29 [registry.py:1040]   File \"/opt/vllm/registry.py\", line 1038, in _save\n",
            "Exception in thread Thread-1:\nTraceback (most recent call last):\n  File \"threading.py\", line 1045, in run\n",
            "Traceback (most recent call last):\n  File \"<string>\", line 1, in <module>\n",
        ] {
            assert_eq!(of(&format!("{before}{full}")), None, "{before}");
        }
        let left = "Traceback (most recent call last):\n  File \"/opt/vllm/bin/vllm\", line 10, in <module>\n";
        assert_eq!(of(&format!("{left}{full}")), Some(ServerFailure::DiskFull));
        // Why is not known yet.
        assert_eq!(of(left), None);
    }
}
