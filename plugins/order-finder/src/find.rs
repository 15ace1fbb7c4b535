//! Finds order numbers in a text.

/// `#` and at least `min_digits` digits, each number once, in the order in
/// which they appear. A letter or digit on either side makes it something else.
pub(crate) fn orders(text: &str, min_digits: usize) -> Vec<&str> {
    let mut found = Vec::new();
    for (start, _) in text.match_indices('#') {
        let digits = text[start + 1..]
            .bytes()
            .take_while(u8::is_ascii_digit)
            .count();
        let (before, rest) = (&text[..start], &text[start + 1 + digits..]);
        let alone = !before.ends_with(char::is_alphanumeric)
            && !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        let order = &text[start..=start + digits];
        if alone && digits >= min_digits.max(1) && !found.contains(&order) {
            found.push(order);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::orders;

    #[test]
    fn finds_each_number_once_in_order() {
        assert_eq!(
            orders("#22222, #11111 (and #22222).", 4),
            ["#22222", "#11111"]
        );
    }

    #[test]
    fn other_uses_of_the_sign_are_no_orders() {
        for text in [
            "",
            "#",
            "# 12345",
            "#123",
            "#12345abc",
            "a#12345",
            "#fff000",
            "#１２３４５",
            "##",
        ] {
            assert_eq!(orders(text, 4), [""; 0], "{text}");
        }
    }

    #[test]
    fn punctuation_and_other_scripts_around_it_are_fine() {
        assert_eq!(orders("¿#12345? №#67890!", 4), ["#12345", "#67890"]);
        assert_eq!(orders("##12345", 4), ["#12345"]);
    }

    #[test]
    fn no_number_is_never_an_order() {
        assert_eq!(orders("# alone", 0), [""; 0]);
    }
}
