//! Which probe of a search a record is of: [`SearchProbe`].

use serde::{Deserialize, Serialize};

use crate::spec::load_search::LoadSearch;

/// Which probe of which search a run is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SearchProbe {
    /// Its number in the search, from 1.
    pub number: u32,
    /// The load: requests per second, or requests at once.
    pub at: f64,
    /// The search.
    pub of: LoadSearch,
}
