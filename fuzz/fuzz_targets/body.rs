//! A webhook's body: whoever reaches the listener chooses each byte.
//!
//! Held true: what a stored event is decoded to later is what was decoded when it
//! came in; and a body that another JSON reader understands as an event is one
//! here too, of the same type: what is refused is lost for good.
#![no_main]

use hookbox::types::envelope::{decode_payload, parse};
use hookbox_fuzz::{files, write_seeds};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(
    init: write_seeds(|| files(&["tests/samples"], "json")),
    |body: &[u8]| {
        let parsed = parse(body);
        if let Ok(parsed) = &parsed {
            assert_eq!(decode_payload(&parsed.event_type, body), parsed.payload);
            assert_eq!(parse(body).as_ref(), Ok(parsed));
            assert_ne!(parsed.delivery_id.as_deref(), Some(""));
        }
        let Ok(Value::Object(read)) = serde_json::from_slice(body) else {
            return;
        };
        let text = |key: &str| read.get(key).and_then(Value::as_str);
        let expected = text("event_type").or_else(|| text("event"));
        assert_eq!(parsed.as_ref().ok().map(|parsed| &parsed.event_type[..]), expected);
        if let Ok(parsed) = &parsed {
            let session = read.get("data").and_then(|data| data.get("session_id"));
            assert_eq!(parsed.session_id.as_deref(), session.and_then(Value::as_str));
        }
    }
);
