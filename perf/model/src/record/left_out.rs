//! A field that was not sent with the requests of a run, and why: [`LeftOut`].

use serde::{Deserialize, Serialize};

use crate::record::finding::{Finding, FindingCode};
use crate::spec::request_field::RequestField;

/// A field that was not sent with the requests of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// The field.
    pub field: RequestField,
    /// What the server said when it was sent; absent where it was left out on request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
}

impl LeftOut {
    /// What a reader of the figures should know.
    pub fn remark(&self) -> Finding {
        let Self { field, refusal } = self;
        let why = match refusal {
            Some(words) => {
                format!("the server refused the field `{field}` ({words}), so it was left out")
            }
            None => format!("the field `{field}` was left out, as asked for"),
        };
        Finding::new(FindingCode::FieldsLeftOut, format!("{why}: {}", field.without()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remark_names_the_field_and_what_its_lack_changes() {
        let refused =
            LeftOut { field: RequestField::CacheSalt, refusal: Some("400 Bad Request: no".into()) };
        assert_eq!(
            refused.remark().message,
            "the server refused the field `cache_salt` (400 Bad Request: no), so it was left out: prompts of an earlier run \
             may be in the server's prefix cache, which shortens TTFT"
        );
        let asked = LeftOut { field: RequestField::IgnoreEos, refusal: None };
        assert!(
            asked
                .remark()
                .message
                .starts_with("the field `ignore_eos` was left out, as asked for: ")
        );
    }
}
