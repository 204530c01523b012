//! A server that is up already, looked at with the keys and certificates that it needs: [`look`].

use perf_clock::Clock;
use perf_engine::{Look, Seen};
use perf_load::Endpoint;
use perf_model::spec::access::Access;

/// Looks at a server that is reached as `access` says.
pub(crate) fn look(access: &Access) -> Look {
    let access = access.clone();
    Look::new(move |url| {
        let access = access.clone();
        Box::pin(async move {
            let endpoint = Endpoint::connect(&url, &access).map_err(|error| error.to_string())?;
            let clock = Clock::real();
            let health = perf_load::health(&endpoint, clock).await;
            let models = perf_load::models(&endpoint, clock).await;
            let models = match (&health, models) {
                // What is not well need not list its models.
                (Ok(status), Err(_)) if *status >= 500 => Vec::new(),
                (_, models) => models.map_err(|error| error.to_string())?,
            };
            let version = perf_load::version(&endpoint, clock).await;
            let effective = perf_load::configuration(&endpoint, clock).await;
            Ok(Seen { health: health?, models, version, effective })
        })
    })
}
