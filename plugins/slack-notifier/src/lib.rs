//! Posts to Slack when a visitor says a keyword, or joins.
//!
//! `[secrets]`: `webhook_url`, by the operator's name for it. It may stand in
//! `[config]` instead, where whoever can read the manifest can post; nothing is
//! posted without it.
//! `[config]`: `keywords` (comma separated, `human, refund, complaint` unless set;
//! none if empty) and `joins` (`true` posts each `room.join` too). The manifest has
//! to allow the posts: `[http] allow = ["POST https://hooks.slack.com/services/"]`.
//!
//! Posts go through the outbox: they are sent at least once, after the event's
//! outcome is stored, and a slow or absent Slack holds no handler up.

use hookbox_sdk::prelude::*;
use hookbox_sdk::serde_json::json;

mod text;

struct SlackNotifier;

impl OnRoomJoin for SlackNotifier {
    fn on_room_join(event: RoomJoin) -> Outcome {
        if !config::parse_or("joins", false)? {
            return Ok(());
        }
        post(&format!(
            "A visitor joined *{}* (session {})",
            text::escaped(&event.room_name),
            text::escaped(&event.session_id)
        ))
    }
}

impl OnChatPush for SlackNotifier {
    fn on_chat_push(event: ChatPush) -> Outcome {
        if event.role != Role::User {
            return Ok(());
        }
        let keywords = config::get_or("keywords", "human, refund, complaint")?;
        let Some(keyword) = text::first_keyword(&event.message, &keywords) else {
            return Ok(());
        };
        post(&format!(
            "A visitor said *{}* (session {}):\n>{}",
            text::escaped(keyword),
            text::escaped(&event.session_id),
            text::quoted(&event.message)
        ))
    }
}

hookbox_sdk::export!(SlackNotifier: OnRoomJoin, OnChatPush);

/// Queues a message for the configured channel.
fn post(text: &str) -> Outcome {
    let url = config::secret("webhook_url")?;
    let Some(url) = url.filter(|url| !url.expose().is_empty()) else {
        log::info!("not posted, since [secrets] has no webhook_url: {text}");
        return Ok(());
    };
    outbox::send(outbox::Request::post(url.expose()).json(&json!({ "text": text }))?)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use hookbox_sdk::prelude::*;
    use hookbox_sdk::serde_json::{Value, from_slice, json};
    use hookbox_sdk::testing::{Host, Run};

    use super::SlackNotifier;

    const URL: &str = "https://hooks.slack.com/services/T0/B0/x";

    fn slack() -> Host {
        Host::new()
            .secret("webhook_url", URL)
            .allow("POST https://hooks.slack.com/services/")
    }

    fn say(host: &Host, role: &str, message: &str) -> Run {
        let body = json!({"event_type": "chat.push", "timestamp": 1.5, "data":
            {"role": role, "message": message, "session_id": "s-1", "timestamp": 1.5}});
        host.chat_push::<SlackNotifier>(&body.to_string())
    }

    fn join(host: &Host) -> Run {
        host.room_join::<SlackNotifier>(
            r#"{"event_type":"room.join","timestamp":1.5,"data":{"room_name":"a <b>",
            "participant_count":2,"session_id":"s-1"}}"#,
        )
    }

    fn texts(run: &Run) -> Vec<String> {
        let text = |body: &[u8]| {
            let body: Value = from_slice(body).expect("the body is JSON");
            body["text"].as_str().expect("it has a text").to_owned()
        };
        run.requests
            .iter()
            .map(|request| text(&request.body))
            .collect()
    }

    #[test]
    fn a_keyword_is_posted_with_what_was_said() {
        let run = say(&slack(), "user", "I want my REFUND\n<!channel>");
        assert_eq!(run.outcome, Ok(()));
        assert_eq!(
            texts(&run),
            ["A visitor said *refund* (session s-1):\n>I want my REFUND &lt;!channel&gt;"]
        );
        assert_eq!(
            (
                run.requests[0].method.as_str(),
                run.requests[0].url.as_str()
            ),
            ("POST", URL)
        );
    }

    #[test]
    fn other_messages_and_the_agent_are_not_posted() {
        for (role, message) in [("user", "hello"), ("assistant", "a refund is on its way")] {
            let run = say(&slack(), role, message);
            assert_eq!((run.outcome, run.requests), (Ok(()), vec![]));
        }
    }

    #[test]
    fn keywords_are_configured() {
        let host = slack().config("keywords", "ticket, Störung");
        assert_eq!(texts(&say(&host, "user", "eine STÖRUNG")).len(), 1);
        assert_eq!(texts(&say(&host, "user", "a refund")).len(), 0);
    }

    #[test]
    fn joins_are_posted_only_if_configured() {
        assert_eq!(texts(&join(&slack())).len(), 0);
        assert_eq!(
            texts(&join(&slack().config("joins", "true"))),
            ["A visitor joined *a &lt;b&gt;* (session s-1)"]
        );
    }

    #[test]
    fn without_a_webhook_it_says_so_and_does_nothing() {
        let run = say(&Host::new(), "user", "a refund, please");
        assert_eq!((run.outcome.clone(), run.requests.len()), (Ok(()), 0));
        assert!(
            run.messages()[0].contains("no webhook_url"),
            "{:?}",
            run.log
        );
    }

    #[test]
    fn the_webhook_may_stand_in_the_configuration_too() {
        let host = Host::new().config("webhook_url", URL);
        let run = say(
            &host.allow("POST https://hooks.slack.com/"),
            "user",
            "a refund",
        );
        assert_eq!(run.requests[0].url, URL);
    }

    #[test]
    fn a_manifest_that_doesnt_allow_the_post_has_it_rejected() {
        let run = say(&Host::new().secret("webhook_url", URL), "user", "a refund");
        assert!(matches!(run.outcome, Err(HandlerError::Reject(_))));
    }
}
