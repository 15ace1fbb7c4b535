//! Deliveries that end without an attempt: the plugin's present version has no
//! handler for them. Pure.

use crate::journal::Next;
use crate::sandbox::reason::reason;
use crate::types::payload::{Misfit, TypedKind};
use crate::types::{Handlers, Payload};

/// How a delivery ends that this version of the plugin has no handler for;
/// `None` if it has one.
pub(super) fn without_attempt(handlers: Handlers, payload: &Payload) -> Option<Next> {
    if handlers.for_payload(payload).is_some() {
        return None;
    }
    Some(match payload {
        Payload::Misfit(misfit) if handles(handlers, misfit.kind) => Next::Dead {
            reason: misfit_reason(misfit),
        },
        _ => Next::Ignored {
            reason: "the plugin's present version exports no handler for this event".into(),
        },
    })
}

fn handles(handlers: Handlers, kind: TypedKind) -> bool {
    match kind {
        TypedKind::RoomJoin => handlers.room_join,
        TypedKind::ChatPush => handlers.chat_push,
    }
}

fn misfit_reason(misfit: &Misfit) -> String {
    reason(&format!(
        "the event doesn't fit its record: {}: {}",
        misfit.path, misfit.message
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn misfit() -> Payload {
        Payload::Misfit(Misfit {
            kind: TypedKind::ChatPush,
            path: "data.message".into(),
            message: "expected a string".into(),
        })
    }

    #[test]
    fn a_misfit_is_dead_with_its_path_where_only_the_typed_handler_is_there() {
        let handlers = Handlers {
            chat_push: true,
            ..Handlers::default()
        };
        let Some(Next::Dead { reason }) = without_attempt(handlers, &misfit()) else {
            panic!("it can't be handled");
        };
        assert!(
            reason.contains("data.message: expected a string"),
            "{reason}"
        );
    }

    #[test]
    fn a_misfit_goes_to_on_event_where_that_is_exported() {
        let handlers = Handlers {
            chat_push: true,
            event: true,
            ..Handlers::default()
        };
        assert_eq!(without_attempt(handlers, &misfit()), None);
    }

    #[test]
    fn an_event_for_a_handler_that_is_gone_is_ignored() {
        let handlers = Handlers {
            room_join: true,
            ..Handlers::default()
        };
        assert!(matches!(
            without_attempt(handlers, &Payload::Other),
            Some(Next::Ignored { .. })
        ));
    }
}
