//! Finds order numbers (`#12345`) in messages and reports them.
//!
//! `[config]`: `min-digits` (4 unless set) keeps `#1` from being an order, and
//! `roles` says whose messages count: `user` (unless set), `agent` or `all`.

use hookbox_sdk::prelude::*;

mod find;

struct OrderFinder;

impl OnChatPush for OrderFinder {
    fn on_chat_push(event: ChatPush) -> Outcome {
        if !listens_to(&event.role)? {
            return Ok(());
        }
        let orders = find::orders(&event.message, config::parse_or("min-digits", 4)?);
        if !orders.is_empty() {
            log::info!(
                "session {} ({}) names {}",
                event.session_id,
                event.role,
                orders.join(", ")
            );
        }
        Ok(())
    }
}

fn listens_to(role: &Role) -> Result<bool, HandlerError> {
    match config::get_or("roles", "user")?.as_str() {
        "all" => Ok(true),
        "user" => Ok(*role == Role::User),
        "agent" => Ok(*role == Role::Agent),
        other => Err(HandlerError::reject(format_args!(
            "\"roles\" in [config] is {other:?}: it can be user, agent or all"
        ))),
    }
}

hookbox_sdk::export!(OrderFinder: OnChatPush);

#[cfg(test)]
mod tests {
    use hookbox_sdk::prelude::*;
    use hookbox_sdk::testing::{Host, Run};

    use super::OrderFinder;

    fn say(host: &Host, role: &str, message: &str) -> Run {
        host.chat_push::<OrderFinder>(&format!(
            r#"{{"event_type":"chat.push","data":{{"role":"{role}","message":"{message}",
            "session_id":"s-1","timestamp":1.5}},"timestamp":1.5}}"#
        ))
    }

    #[test]
    fn reports_the_orders_that_a_visitor_names() {
        let run = say(
            &Host::new(),
            "user",
            "I need help with my order #12345, not #99887",
        );
        assert_eq!(run.outcome, Ok(()));
        assert_eq!(run.messages(), ["session s-1 (user) names #12345, #99887"]);
    }

    #[test]
    fn says_nothing_without_an_order() {
        let run = say(&Host::new(), "user", "We're #1");
        assert_eq!((run.outcome, run.log.len()), (Ok(()), 0));
    }

    #[test]
    fn the_agent_counts_only_if_configured() {
        let message = "Your order #12345 is on its way";
        assert!(say(&Host::new(), "assistant", message).log.is_empty());
        let all = Host::new().config("roles", "all");
        assert_eq!(
            say(&all, "assistant", message).messages(),
            ["session s-1 (agent) names #12345"]
        );
    }

    #[test]
    fn the_fewest_digits_are_configured() {
        let host = Host::new().config("min-digits", "1");
        assert_eq!(
            say(&host, "user", "We're #1").messages(),
            ["session s-1 (user) names #1"]
        );
    }

    #[test]
    fn a_wrong_setting_is_named() {
        for (key, value) in [("min-digits", "few"), ("roles", "nobody")] {
            let run = say(&Host::new().config(key, value), "user", "#12345");
            let Err(HandlerError::Reject(reason)) = run.outcome else {
                panic!("must reject")
            };
            assert!(reason.contains(key) && reason.contains(value), "{reason}");
        }
    }
}
