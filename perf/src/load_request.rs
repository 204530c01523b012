//! What is sent with each request of a load beside its prompt, as a test declares it:
//! [`Load::leave_out`].

use perf_model::spec::request_field::RequestField;

use crate::load::Load;

impl Load {
    /// Leaves a field out of every request, for a server that does not know it. Without this, a
    /// field that the server refuses is left out with a remark.
    #[must_use]
    pub fn leave_out(mut self, field: RequestField) -> Self {
        self.declared.leave_out.push(field);
        self
    }
}
