//! Which model each request asks, in a load of several: [`assign`].

use std::collections::VecDeque;

use perf_model::spec::model_mix::ModelMix;
use rand::seq::SliceRandom;

use crate::workload::draw::PlannedRequests;
use crate::workload::prompt::{PlannedRequest, Turn};
use crate::workload::seed::RandomStream;

/// Gives each measured request its model by weight, in an order from the seed. The warm-up asks one
/// model after the other, so that it reaches each: an adapter is loaded by its first request.
pub(crate) fn assign(mix: &ModelMix, asks: &mut PlannedRequests, seed: u64) {
    if mix.is_empty() {
        return;
    }
    let mut places = mix.places(units(&asks.measured));
    places.shuffle(&mut RandomStream::Models.generator(seed));
    give(&mut asks.measured, places.into());
    let models = u16::try_from(mix.len()).unwrap_or(u16::MAX);
    let in_turn = (0..models).cycle().take(units(&asks.warm_up) as usize);
    give(&mut asks.warm_up, in_turn.collect());
}

/// How many requests and conversations there are.
fn units(asks: &[PlannedRequest]) -> u32 {
    let count = asks.iter().filter(|ask| begins(ask)).count();
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// A conversation stays with the model that it began with.
fn begins(ask: &PlannedRequest) -> bool {
    !matches!(ask.turn, Turn::Follows { .. })
}

fn give(asks: &mut [PlannedRequest], mut places: VecDeque<u16>) {
    let mut place = None;
    for ask in asks {
        if begins(ask) {
            place = places.pop_front();
        }
        ask.model = place;
    }
}

#[cfg(test)]
mod tests {
    use perf_model::fixtures;
    use perf_model::spec::load::{Length, Prompts, Workload};

    use super::*;
    use crate::workload::draw::draw;

    fn models(prompts: Prompts, seed: u64) -> (Vec<u16>, Vec<u16>) {
        let workload = Workload { prompts, ..fixtures::load().workload };
        let mut asks = draw(&workload, 100, 5, seed).unwrap();
        assign(&ModelMix::new([("base", 3.0), ("a", 1.0), ("b", 1.0)]), &mut asks, seed);
        let of = |asks: &[PlannedRequest]| asks.iter().filter_map(|ask| ask.model).collect();
        (of(&asks.measured), of(&asks.warm_up))
    }

    #[test]
    fn every_run_sends_each_model_its_share_in_an_order_from_the_seed() {
        let text = || Prompts::Text("hi".to_owned());
        let (measured, warm_up) = models(text(), 7);
        let count = |wanted| measured.iter().filter(|place| **place == wanted).count();
        assert_eq!([count(0), count(1), count(2)], [60, 20, 20]);
        assert_eq!(warm_up, [0, 1, 2, 0, 1]);
        assert_eq!(models(text(), 7).0, measured);
        let (other, _) = models(text(), 8);
        assert_ne!(other, measured);
        let sorted = |mut places: Vec<u16>| {
            places.sort_unstable();
            places
        };
        assert_eq!(sorted(other), sorted(measured));
    }

    #[test]
    fn the_turns_of_a_conversation_stay_with_one_model() {
        let talks = Prompts::Conversations { turns: 5, words: Length::Fixed(3) };
        let (measured, _) = models(talks, 7);
        assert!(measured.chunks(5).all(|turns| turns.iter().all(|place| *place == turns[0])));
        let count = |wanted| measured.iter().filter(|place| **place == wanted).count();
        assert_eq!([count(0), count(1), count(2)], [60, 20, 20]);
    }
}
