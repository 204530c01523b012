//! What is sent with each request of a load beside its prompt, as a test declares it:
//! [`Load::leave_out`], [`Load::body`] and [`Load::model_mix`].

use perf_model::spec::model_mix::ModelMix;
use perf_model::spec::request_field::RequestField;
use serde_json::Value;

use crate::load::Load;

impl Load {
    /// Leaves a field out of every request, for a server that does not know it. Without this, a
    /// field that the server refuses is left out with a remark.
    #[must_use]
    pub fn leave_out(mut self, field: RequestField) -> Self {
        self.declared.leave_out.push(field);
        self
    }

    /// Adds a field to the body of every request: sampling, `tools`, `response_format`,
    /// `chat_template_kwargs`. A field that the load's other words declare, such as `max_tokens`,
    /// is refused before anything starts.
    ///
    /// ```
    /// use perf::prelude::*;
    ///
    /// Load::new("no_thinking").chat().body("chat_template_kwargs", json!({"enable_thinking": false}));
    /// ```
    #[must_use]
    pub fn body(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.declared.body.set(name, value);
        self
    }

    /// Sends the requests to several models of the server by weight, such as a base model and its
    /// `LoRA` adapters. Every run sends each model the same number of requests, in an order from its
    /// seed; the turns of a conversation stay with one model. The report says how many each got. A
    /// name that the server does not have is refused by it.
    ///
    /// ```
    /// use perf::prelude::*;
    ///
    /// Load::new("adapters").model_mix([("base", 3.0), ("adapter-a", 1.0)]);
    /// ```
    #[must_use]
    pub fn model_mix(mut self, models: impl IntoIterator<Item = (impl Into<String>, f64)>) -> Self {
        self.declared.model_mix = ModelMix::new(models);
        self
    }
}
