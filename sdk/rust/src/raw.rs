//! Reads parts of a body without knowing the rest.

use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Both envelopes call the content `data`.
#[derive(Deserialize)]
struct Body<T> {
    data: T,
}

/// The `data` of a whole body.
pub(crate) fn data_of<T: DeserializeOwned>(body: &str) -> Result<T, serde_json::Error> {
    serde_json::from_str::<Body<T>>(body).map(|body| body.data)
}

#[cfg(test)]
mod tests {
    use super::data_of;

    #[test]
    fn data_is_found_among_other_fields() {
        let found: serde_json::Value =
            data_of(r#"{"id":"evt_1","data":{"n":7},"created":1}"#).expect("data");
        assert_eq!(found["n"], 7);
    }

    #[test]
    fn a_body_without_data_names_the_field() {
        let error = data_of::<serde_json::Value>(r#"{"id":"evt_1"}"#).expect_err("no data");
        assert!(error.to_string().contains("data"), "{error}");
    }
}
