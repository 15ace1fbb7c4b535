//! Texts: what is looked for in a message, and how it looks in Slack.

/// The longest quotation, in characters.
const MAX_QUOTE: usize = 500;

/// The first of the comma-separated keywords that occurs in a message, upper or
/// lower case.
pub(crate) fn first_keyword<'a>(message: &str, keywords: &'a str) -> Option<&'a str> {
    let message = message.to_lowercase();
    keywords
        .split(',')
        .map(str::trim)
        .filter(|keyword| !keyword.is_empty())
        .find(|keyword| message.contains(&keyword.to_lowercase()))
}

/// The text without what Slack takes for links, mentions and commands.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// A message in one line, cut where it is long.
pub(crate) fn quoted(message: &str) -> String {
    let line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MAX_QUOTE) {
        Some((end, _)) => format!("{}…", escaped(&line[..end])),
        None => escaped(&line),
    }
}

#[cfg(test)]
mod tests {
    use super::{escaped, first_keyword, quoted};

    #[test]
    fn the_first_keyword_in_their_order_is_found() {
        assert_eq!(
            first_keyword("A Human or a refund", " refund ,human"),
            Some("refund")
        );
        assert_eq!(first_keyword("hello", "refund,human"), None);
        assert_eq!(first_keyword("hello", " , ,"), None);
    }

    #[test]
    fn visitors_cant_mention_a_channel() {
        assert_eq!(
            escaped("<!here> & <@U1>"),
            "&lt;!here&gt; &amp; &lt;@U1&gt;"
        );
    }

    #[test]
    fn a_quotation_is_one_line_of_bounded_length() {
        assert_eq!(quoted("a\n > b\r\nc"), "a &gt; b c");
        let long = quoted(&"ä".repeat(600));
        assert_eq!(long.chars().count(), 501);
        assert!(long.ends_with('…'));
    }
}
