//! What the tier of a run leaves out: [`leave_out`].

use perf_model::spec::tier::Tier;

use crate::load::Load;

/// Takes out the loads of a suite that are of a higher tier than the run, and names what it takes
/// out: the suite, or some of its loads.
pub(crate) fn leave_out(suite: &str, of: Tier, loads: &mut Vec<Load>, run: Tier) -> Vec<String> {
    for load in loads.iter_mut() {
        load.tier = load.tier.max(of);
    }
    let left_out: Vec<Load> = loads.extract_if(.., |load| load.tier > run).collect();
    if of > run || (loads.is_empty() && !left_out.is_empty()) {
        return vec![suite.to_owned()];
    }
    left_out.iter().map(|load| format!("{suite} / {}", load.declared.name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left_out(of: Tier, loads: &[Tier], run: Tier) -> (usize, Vec<String>) {
        let named =
            (0..).zip(loads).map(|(at, tier): (u32, _)| Load::new(&format!("l{at}")).tier(*tier));
        let mut loads: Vec<Load> = named.collect();
        let left_out = leave_out("s", of, &mut loads, run);
        (loads.len(), left_out)
    }

    #[test]
    fn a_tier_leaves_out_what_is_of_a_higher_one() {
        let (pr, nightly, full) = (Tier::PullRequest, Tier::Nightly, Tier::Full);
        assert_eq!(
            left_out(pr, &[pr, nightly, full], pr),
            (1, vec!["s / l1".into(), "s / l2".into()])
        );
        assert_eq!(left_out(pr, &[pr, nightly, full], nightly), (2, vec!["s / l2".into()]));
        assert_eq!(left_out(pr, &[pr, nightly, full], full), (3, Vec::new()));
        assert_eq!(left_out(nightly, &[pr, full], pr), (0, vec!["s".into()]));
        assert_eq!(left_out(pr, &[nightly, full], pr), (0, vec!["s".into()]));
        // A server that must fail to start has no loads.
        assert_eq!(left_out(nightly, &[], pr), (0, vec!["s".into()]));
        assert_eq!(left_out(pr, &[], pr), (0, Vec::new()));
    }
}
