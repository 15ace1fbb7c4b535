//! Puts the current time into a body and leaves every other byte as it is.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::value::RawValue;

use crate::types::UnixMicros;

type Fields<'a> = BTreeMap<String, &'a RawValue>;

/// The body with `now` in `timestamp`, `created` and `data.timestamp`, where
/// they are numbers, and with the family's own field added where it is absent. A
/// body that isn't a JSON object stays as it is: the host will say what it thinks
/// of it.
pub(in crate::cli) fn stamp(body: Vec<u8>, now: UnixMicros) -> Vec<u8> {
    match std::str::from_utf8(&body)
        .ok()
        .and_then(|text| stamped(text, now))
    {
        Some(text) => text.into_bytes(),
        None => body,
    }
}

fn stamped(text: &str, now: UnixMicros) -> Option<String> {
    let fields: Fields<'_> = serde_json::from_str(text).ok()?;
    let seconds = now.0.div_euclid(1_000_000);
    let exact = format!("{seconds}.{:06}", now.0.rem_euclid(1_000_000));
    let whole = seconds.to_string();
    let data: Fields<'_> = fields
        .get("data")
        .and_then(|data| serde_json::from_str(data.get()).ok())
        .unwrap_or_default();

    let mut edits: Vec<(Range<usize>, String)> = [
        (fields.get("timestamp"), &exact),
        (fields.get("created"), &whole),
        (data.get("timestamp"), &exact),
    ]
    .into_iter()
    .filter_map(|(value, time)| Some((number(text, value?)?, time.clone())))
    .collect();
    edits.extend(missing(text, &fields, &exact, &whole));

    // From the end, so that earlier places stay right.
    edits.sort_by_key(|(place, _)| std::cmp::Reverse(place.start));
    let mut text = text.to_owned();
    for (place, time) in edits {
        text.replace_range(place, &time);
    }
    Some(text)
}

/// The field that the body's family has and this body lacks, put first.
fn missing(
    text: &str,
    fields: &Fields<'_>,
    exact: &str,
    whole: &str,
) -> Option<(Range<usize>, String)> {
    let (name, time) = if fields.contains_key("event_type") {
        ("timestamp", exact)
    } else if fields.contains_key("event") {
        ("created", whole)
    } else {
        return None;
    };
    if fields.contains_key(name) {
        return None;
    }
    let start = text.find('{')? + 1;
    Some((start..start, format!("\"{name}\":{time},")))
}

/// Where a number stands in the text that it was read from.
fn number(text: &str, value: &RawValue) -> Option<Range<usize>> {
    let value = value.get();
    if !value.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
        return None;
    }
    let start = value.as_ptr().addr() - text.as_ptr().addr();
    Some(start..start + value.len())
}
