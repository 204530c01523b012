//! Several models of one server in one load: [`ModelMix`], such as a base model and its `LoRA`
//! adapters, which vLLM serves by name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The most models of one load: samples name theirs by its place, and a report lists them all.
const MOST: usize = 1_000;

/// How a mix is written, for messages.
const FORM: &str = "give it as `NAME=WEIGHT,NAME=WEIGHT`, such as `base=3,adapter-a=1`";

/// A model of a mix.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WeightedModel {
    /// Its name in the server's API.
    pub name: String,
    /// Its weight: three requests go to a model of weight 3 for each one to a model of weight 1.
    pub weight: f64,
}

/// The models that the requests of a load name, each with its weight; empty for a load that asks
/// only the model under test.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ModelMix(Vec<WeightedModel>);

impl ModelMix {
    /// A mix of these models with these weights.
    pub fn new(models: impl IntoIterator<Item = (impl Into<String>, f64)>) -> Self {
        let models = models.into_iter();
        Self(models.map(|(name, weight)| WeightedModel { name: name.into(), weight }).collect())
    }

    /// Whether the load asks only the model under test.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many models there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The models in their order.
    pub fn models(&self) -> &[WeightedModel] {
        &self.0
    }

    /// The name of the model at this place.
    pub fn name(&self, place: u16) -> Option<&str> {
        self.0.get(usize::from(place)).map(|model| model.name.as_str())
    }

    /// The name of the model at a request's place; the other one where it has no place in a mix.
    pub fn name_or<'a>(&'a self, place: Option<u16>, other: &'a str) -> &'a str {
        place.and_then(|place| self.name(place)).unwrap_or(other)
    }

    /// The model of each of `count` requests, by its place and in the order of the places.
    ///
    /// They are taken at even steps through the weights, as lengths are: every run has the same
    /// number of each, and differs only in their order.
    pub fn places(&self, count: u32) -> Vec<u16> {
        let total: f64 = self.0.iter().map(|model| model.weight).sum();
        let mut place = 0_u16;
        let mut passed = self.0.first().map_or(0.0, |model| model.weight);
        let steps = (0..count).map(|step| {
            let at = (f64::from(step) + 0.5) / f64::from(count) * total;
            while at > passed
                && let Some(next) = self.0.get(usize::from(place) + 1)
            {
                passed += next.weight;
                place += 1;
            }
            place
        });
        steps.collect()
    }

    /// What is wrong with it, and what to do instead.
    pub fn fault(&self) -> Option<String> {
        if self.0.len() > MOST {
            return Some(format!(
                "its mix has {} models, and at most {MOST} are possible; leave some out",
                self.0.len()
            ));
        }
        for (place, WeightedModel { name, weight }) in self.0.iter().enumerate() {
            if name.trim().is_empty() {
                return Some("its mix has a model without a name; name every model".to_owned());
            }
            if !weight.is_finite() || *weight <= 0.0 {
                return Some(format!(
                    "the weight of model `{name}` is {weight}; give a number above 0, or leave the model out"
                ));
            }
            if self.0[..place].iter().any(|other| other.name == *name) {
                return Some(format!(
                    "its mix has the model `{name}` twice; name it once, with the sum of its weights"
                ));
            }
        }
        // Each may be a number, and their sum not.
        let total: f64 = self.0.iter().map(|model| model.weight).sum();
        (!total.is_finite())
            .then(|| "the weights of its models are too large to add up; make them smaller".into())
    }
}

impl fmt::Display for ModelMix {
    /// The models on one line: `models base (3) and adapter-a (1)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("models ")?;
        for (place, WeightedModel { name, weight }) in self.0.iter().enumerate() {
            f.write_str(match place {
                0 => "",
                _ if place + 1 == self.0.len() => " and ",
                _ => ", ",
            })?;
            write!(f, "{name} ({weight})")?;
        }
        Ok(())
    }
}

impl FromStr for ModelMix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let model = |part: &str| {
            // A name may hold `=`; a weight cannot.
            let (name, weight) = part.rsplit_once('=')?;
            Some((name.trim().to_owned(), weight.trim().parse().ok()?))
        };
        let models: Option<Vec<(String, f64)>> = text.split(',').map(model).collect();
        let mix = Self::new(models.ok_or_else(|| format!("`{text}` is no mix of models; {FORM}"))?);
        mix.fault().map_or(Ok(mix), |fault| Err(format!("{fault} ({FORM})")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_taken_in_the_proportion_of_their_weights() {
        let mix = ModelMix::new([("base", 3.0), ("a", 1.0)]);
        assert_eq!(mix.places(8), [0, 0, 0, 0, 0, 0, 1, 1]);
        assert_eq!(mix.places(1), [0]);
        let thirds = ModelMix::new([("a", 0.1), ("b", 0.1), ("c", 0.1)]);
        let places = thirds.places(3_000);
        let count = |wanted| places.iter().filter(|place| **place == wanted).count();
        assert_eq!([count(0), count(1), count(2)], [1_000; 3]);
    }

    #[test]
    fn a_mix_is_read_as_it_is_written_on_the_command_line() {
        let mix: ModelMix = "org/base=3, adapter=v2=0.5".parse().unwrap();
        assert_eq!(mix, ModelMix::new([("org/base", 3.0), ("adapter=v2", 0.5)]));
        assert_eq!(mix.to_string(), "models org/base (3) and adapter=v2 (0.5)");
        let json = serde_json::to_string(&mix).unwrap();
        assert_eq!(serde_json::from_str::<ModelMix>(&json).unwrap(), mix);
    }

    #[test]
    fn a_mix_that_cannot_be_is_refused_with_the_way_out() {
        for (text, why) in [
            ("", "is no mix of models"),
            ("base", "is no mix of models"),
            ("base=x", "is no mix of models"),
            ("base=0", "the weight of model `base` is 0; give a number above 0"),
            ("base=-1", "the weight of model `base` is -1"),
            ("base=nan", "the weight of model `base` is NaN"),
            ("base=inf", "the weight of model `base` is inf"),
            ("a=1e308,b=1e308", "too large to add up"),
            ("base=1,base=2", "has the model `base` twice"),
            ("=1", "a model without a name"),
        ] {
            let error = text.parse::<ModelMix>().unwrap_err();
            assert!(error.contains(why) && error.contains("base=3,adapter-a=1"), "{error}");
        }
        let many = ModelMix::new((0..=MOST).map(|number| (format!("m{number}"), 1.0)));
        assert!(many.fault().unwrap().contains("1001 models"), "{:?}", many.fault());
    }
}
