//! The limit of open files, which every connection counts against: [`allow`] raises it before a
//! load needs more.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files that the process has open beside its connections: standard streams, records, timers.
const BESIDE: u64 = 64;

/// Makes room for this number of connections at once: raises the soft limit of open files up to the
/// hard one.
///
/// # Errors
/// With what to do, where the hard limit is too low as well.
pub(crate) fn allow(connections: u32) -> Result<(), String> {
    let limit = getrlimit(Resource::Nofile);
    let needed = u64::from(connections) + BESIDE;
    // No limit at all is absent.
    if limit.current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    let most = limit.maximum;
    if most.is_none_or(|most| most >= needed) {
        let raised = Rlimit { current: most.or(Some(needed)), maximum: most };
        if setrlimit(Resource::Nofile, raised).is_ok() {
            return Ok(());
        }
    }
    let most = most.unwrap_or_default();
    Err(format!(
        "it needs {connections} connections at once, and this process may open {most} files; raise the limit (`ulimit -Hn {needed}`, as \
         root) or lower the concurrency"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_connections_are_allowed_and_more_than_the_hard_limit_are_refused() {
        assert_eq!(allow(8), Ok(()));
        let Some(most) =
            getrlimit(Resource::Nofile).maximum.and_then(|most| u32::try_from(most).ok())
        else {
            return;
        };
        let error = allow(most).unwrap_err();
        assert!(error.contains(&format!("may open {most} files; raise the limit")), "{error}");
    }
}
