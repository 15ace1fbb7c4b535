//! Where a request goes, without what may be a secret.

/// The scheme, host and port of an address, as written: its path, its query and
/// a user's name and password before the host are left out.
pub(super) fn target(url: &str) -> String {
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) => (scheme, rest),
        None => return String::new(),
    };
    // Some readers take a backslash for a slash: what is behind one isn't shown.
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let authority = &rest[..end];
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_a_query_and_a_password_are_left_out() {
        for (url, shown) in [
            (
                "https://hooks.example.com/services/T0/secret",
                "https://hooks.example.com",
            ),
            (
                "http://example.com:8080?token=secret",
                "http://example.com:8080",
            ),
            ("https://[2001:db8::1]:444/x", "https://[2001:db8::1]:444"),
            ("https://user:se@cret@example.com#x", "https://example.com"),
            ("https://example.com\\@secret", "https://example.com"),
            ("https://example.com", "https://example.com"),
            ("secret without a scheme", ""),
            ("", ""),
        ] {
            assert_eq!(target(url), shown, "{url}");
        }
    }
}
