//! The points of a sweep: [`points`] makes a load for each.

use std::collections::HashSet;

use anyhow::{Result, bail, ensure};
use perf_model::spec::load::{Arrivals, Load, Prompts};

use crate::cli::Cli;
use crate::parse::Sweep;

/// The loads to put on the server, one after the other: one, or one for each point.
pub(crate) fn points(asked: &Cli) -> Result<Vec<Load>> {
    let load = asked.load();
    let Some(sweep) = &asked.sweep else {
        reachable(&load)?;
        return Ok(vec![load]);
    };
    let arrivals: Result<Vec<(String, Arrivals)>> = match sweep {
        Sweep::Concurrency(widths) => widths
            .iter()
            .map(|width| Ok((format!("concurrency-{width}"), at_width(load.arrivals, *width)?)))
            .collect(),
        Sweep::Rate(rates) => rates
            .iter()
            .map(|rate| {
                let arrivals = match load.arrivals {
                    Arrivals::ConstantRate(_) => Arrivals::ConstantRate(*rate),
                    Arrivals::Gamma { shape, .. } => Arrivals::Gamma { rate: *rate, shape },
                    Arrivals::OneAtATime | Arrivals::Poisson(_) => Arrivals::Poisson(*rate),
                    others => bail!(
                        "a sweep of rates needs arrivals that have a rate, not {others}: poisson:1"
                    ),
                };
                Ok((format!("rate-{}", rate.value()), arrivals))
            })
            .collect(),
    };
    let mut seen = HashSet::new();
    let mut loads = Vec::new();
    for (name, arrivals) in arrivals? {
        // A point that stands there twice would write over its own record.
        ensure!(
            seen.insert(name.clone()),
            "the sweep has the point {} twice; name each once",
            name.replacen('-', "=", 1)
        );
        let mut point = Load { name: format!("{}-{name}", load.name), arrivals, ..load.clone() };
        asked.warm(&mut point);
        reachable(&point)?;
        loads.push(point);
    }
    Ok(loads)
}

/// Refuses a load that could never be as wide as it is meant to be.
fn reachable(load: &Load) -> Result<()> {
    let (width, turns) = match load.workload.prompts {
        // So many conversations are open at once, not requests.
        Prompts::Conversations { turns, .. } => (load.arrivals.width(), turns.max(1)),
        _ => (load.arrivals.width(), 1),
    };
    let least = width.saturating_sub(1).saturating_mul(turns).saturating_add(1);
    ensure!(
        load.requests >= least,
        "{} requests can never be {}; ask for at least {} with --requests, better for several times as many",
        load.requests,
        load.arrivals,
        width.saturating_mul(turns)
    );
    Ok(())
}

fn at_width(arrivals: Arrivals, width: u32) -> Result<Arrivals> {
    match arrivals {
        Arrivals::OneAtATime | Arrivals::Concurrency(_) => Ok(Arrivals::Concurrency(width)),
        Arrivals::Waves(_) => Ok(Arrivals::Waves(width)),
        others => bail!(
            "a sweep of concurrency needs a closed loop, not {others}: concurrent:1 or waves:1"
        ),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn of(line: &str) -> Result<Vec<Load>> {
        points(&Cli::parse_from(format!("perf-load --url http://h:1 {line}").split(' ')))
    }

    #[test]
    fn every_point_is_a_load_of_its_own() {
        let shown: Vec<(String, String)> = of("--sweep concurrency=1,4 --arrivals waves:2")
            .unwrap()
            .into_iter()
            .map(|load| (load.describe_arrivals(), load.name))
            .collect();
        assert_eq!(
            shown[1],
            ("waves of 4, 20 requests after 4 to warm up".into(), "load-concurrency-4".into())
        );
        let rates = of("--sweep rate=0.5,8 --arrivals gamma:1,4").unwrap();
        assert_eq!(rates[0].name, "load-rate-0.5");
        assert_eq!(rates[1].arrivals.to_string(), "gamma 8 requests/s of shape 4");
    }

    #[test]
    fn a_point_that_stands_there_twice_is_refused() {
        let refused = |line: &str| of(line).unwrap_err().to_string();
        assert_eq!(
            refused("--sweep concurrency=1,4,4"),
            "the sweep has the point concurrency=4 twice; name each once"
        );
        assert!(refused("--sweep rate=1,2,1.0").contains("rate=1 twice"));
    }

    #[test]
    fn more_at_once_than_there_are_requests_is_refused() {
        let refused = |line: &str| of(line).unwrap_err().to_string();
        let error = refused("--sweep concurrency=1,32");
        assert!(
            error.starts_with("20 requests can never be 32 concurrent; ask for at least 32"),
            "{error}"
        );
        assert!(refused("--arrivals waves:21").contains("20 requests can never be waves of 21"));
        let chats = "--chat --prompts conversation:5,8 --arrivals";
        assert!(refused(&format!("{chats} concurrent:5")).contains("at least 25"));
        assert!(of(&format!("{chats} concurrent:4")).is_ok() && of("--arrivals poisson:3").is_ok());
    }

    #[test]
    fn a_sweep_that_does_not_fit_the_arrivals_says_what_would() {
        let error = of("--sweep concurrency=1,4 --arrivals poisson:2").unwrap_err().to_string();
        assert!(error.ends_with("not poisson 2 requests/s: concurrent:1 or waves:1"), "{error}");
        assert!(
            of("--sweep rate=1 --arrivals waves:2").unwrap_err().to_string().contains("poisson:1")
        );
    }
}
