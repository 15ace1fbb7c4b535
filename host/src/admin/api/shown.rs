//! Answers without the secrets of plugins.
//!
//! Logs and reasons are stored without them. What a plugin's work needs is stored as
//! it is (a request's method and host, a counter's name), and may hold one.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;

use crate::admin::Admin;
use crate::types::Redactor;

/// A JSON answer whose texts are shown without secrets.
pub(super) struct Shown<T> {
    value: T,
    redactor: Redactor,
}

impl<T> Shown<T> {
    pub(super) fn new(admin: &Admin, value: T) -> Self {
        let redactor = admin.redactor.clone();
        Self { value, redactor }
    }
}

impl<T: Serialize> IntoResponse for Shown<T> {
    fn into_response(self) -> Response {
        if self.redactor.is_empty() {
            return Json(self.value).into_response();
        }
        // As text in JSON a number or a quote could be part of a secret.
        match serde_json::to_value(self.value) {
            Ok(mut value) => {
                clean(&self.redactor, &mut value);
                Json(value).into_response()
            }
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
        }
    }
}

/// Takes secrets out of the texts in a value. The names of its members are ours.
fn clean(redactor: &Redactor, value: &mut Value) {
    match value {
        Value::String(text) => *text = redactor.owned(std::mem::take(text)),
        Value::Array(values) => values.iter_mut().for_each(|value| clean(redactor, value)),
        Value::Object(members) => members
            .values_mut()
            .for_each(|value| clean(redactor, value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::types::redact::Forms;

    #[test]
    fn texts_are_cleaned_at_any_depth_and_nothing_else_is_touched() {
        let forms = Forms::of("12345678").expect("few forms");
        let redactor = Redactor::new([Arc::new(forms)]);
        let mut value =
            json!({"id": 12345678, "of": ["x12345678", {"a": "b 12345678"}], "n": null});
        clean(&redactor, &mut value);
        let expected = json!({"id": 12345678, "of": ["x[secret]", {"a": "b [secret]"}], "n": null});
        assert_eq!(value, expected);
    }
}
