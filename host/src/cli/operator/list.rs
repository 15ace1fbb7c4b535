//! Lists of any length, page by page.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Api, OperatorError, Query};

/// The most that the host gives at once.
pub(crate) const PAGE: usize = 1000;

/// The newest `limit` entries of `path`, whose answers hold them under `name`;
/// the next page begins before the last one's `place`.
pub(crate) fn read(
    api: &impl Api,
    path: &str,
    name: &str,
    place: &str,
    query: &Query,
    limit: usize,
) -> Result<Vec<Value>, OperatorError> {
    let mut all = Vec::new();
    let mut before: Option<String> = None;
    while all.len() < limit {
        let asked = PAGE.min(limit - all.len());
        let mut query = query.clone();
        query.push(("limit", asked.to_string()));
        if let Some(before) = before.take() {
            query.push(("before", before));
        }
        let mut answer = api.get(path, &query)?;
        let page: Vec<Value> = serde_json::from_value(answer[name].take())?;
        let got = page.len();
        before = page.last().map(|last| last[place].to_string());
        all.extend(page);
        if got < asked {
            break;
        }
    }
    Ok(all)
}

/// Entries as this version knows them.
pub(crate) fn typed<T: DeserializeOwned>(values: Vec<Value>) -> Result<Vec<T>, OperatorError> {
    let typed: Result<_, serde_json::Error> =
        values.into_iter().map(serde_json::from_value).collect();
    Ok(typed?)
}

/// Adds a parameter if there is one.
pub(crate) fn push(query: &mut Query, name: &'static str, value: Option<&impl ToString>) {
    if let Some(value) = value {
        query.push((name, value.to_string()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::operator::fake::Fake;
    use serde_json::json;

    #[test]
    fn a_long_list_is_read_in_pages() {
        let fake = Fake::new(|_, query| {
            let of = |name: &str| -> Option<i64> {
                let found = query.iter().find(|(key, _)| *key == name);
                found.map(|(_, value)| value.parse().expect("a number"))
            };
            let (limit, before) = (of("limit").expect("given"), of("before").unwrap_or(2500));
            let ids = (0..before)
                .rev()
                .take(usize::try_from(limit).expect("small"));
            Ok(json!({"things": ids.map(|id| json!({"id": id})).collect::<Vec<_>>()}))
        });
        let read = |limit| read(&fake, "/x", "things", "id", &Query::new(), limit).expect("read");
        assert_eq!(read(1500).len(), 1500);
        let all = read(9999);
        assert_eq!((all.len(), &all[2499]["id"]), (2500, &json!(0)));
        assert!(read(0).is_empty());
    }
}
