//! Greets on `room.join` and keeps a transcript line for each `chat.push`.
//!
//! The greeting's text is `greeting` in `[config]`; `{room}` in it becomes the
//! room's name.

use hookbox_sdk::prelude::*;

struct Greeter;

impl OnRoomJoin for Greeter {
    fn on_room_join(event: RoomJoin) -> Outcome {
        let greeting = config::get_or("greeting", "Hello, {room}!")?;
        log::info!("{}", greeting.replace("{room}", &event.room_name));
        Ok(())
    }
}

impl OnChatPush for Greeter {
    fn on_chat_push(event: ChatPush) -> Outcome {
        log::info!("[{}] {}: {}", event.session_id, event.role, event.message);
        Ok(())
    }
}

hookbox_sdk::export!(Greeter: OnRoomJoin, OnChatPush);

#[cfg(test)]
mod tests {
    use hookbox_sdk::testing::Host;

    use super::Greeter;

    const JOIN: &str = r#"{"agent_id":"A1","event_type":"room.join","timestamp":1.5,
        "data":{"room_name":"lobby","participant_count":3,"session_id":"s-1"}}"#;

    #[test]
    fn greets_the_room() {
        let run = Host::new().room_join::<Greeter>(JOIN);
        assert_eq!(run.outcome, Ok(()));
        assert_eq!(run.messages(), ["Hello, lobby!"]);
    }

    #[test]
    fn the_greeting_is_configured() {
        let run = Host::new()
            .config("greeting", "Welcome to {room}")
            .room_join::<Greeter>(JOIN);
        assert_eq!(run.messages(), ["Welcome to lobby"]);
    }

    #[test]
    fn keeps_a_transcript_line() {
        let run = Host::new().chat_push::<Greeter>(
            r#"{"agent_id":"A1","event_type":"chat.push","timestamp":1.5,"data":
                {"role":"assistant","message":"I'm Pip","session_id":"s-1","timestamp":1.5}}"#,
        );
        assert_eq!(run.outcome, Ok(()));
        assert_eq!(run.messages(), ["[s-1] agent: I'm Pip"]);
    }
}
