//! What is sent with each request of a load beside its prompt, as a test declares it:
//! [`Load::leave_out`] and [`Load::body`].

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
}
