//! The endpoint that a load asks.

use perf_model::spec::load::Api;

use crate::load::Load;

impl Load {
    /// Asks `/v1/chat/completions`, each prompt as one user message.
    #[must_use]
    pub fn chat(mut self) -> Self {
        self.declared.workload.api = Api::Chat;
        self
    }

    /// Asks `/v1/responses`, each prompt as its input. Its stream has no running token counts, so that
    /// figures may be estimates.
    #[must_use]
    pub fn responses(mut self) -> Self {
        self.declared.workload.api = Api::Responses;
        self
    }
}
