//! The contract `hookbox:plugin@0.1.0`: its generated bindings, and the host's
//! records turned into its records.

use wasmtime::Store;
use wasmtime::component::{Component, HasSelf, InstancePre, Linker};

use self::bindings::hookbox::plugin::types as wit;
use crate::sandbox::attempt::Attempt;
use crate::sandbox::state::State;
use crate::sandbox::verdict::Verdict;
use crate::types::payload::{ChatPush, Role, RoomJoin};
use crate::types::{Handler, Handlers, Payload};

/// The bindings that `bindgen!` generates from `wit/`.
pub(in crate::sandbox) mod bindings {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "hookbox:plugin/event-handler",
        imports: {
            "wasi:keyvalue": async | trappable,
            "hookbox:plugin/counters": trappable,
        },
        exports: { default: async },
        with: {
            "wasi:keyvalue/store.bucket": crate::sandbox::host::keyvalue::Bucket,
            "wasi:keyvalue/atomics.cas": crate::sandbox::host::keyvalue::Cas,
        },
        trappable_error_type: {
            "wasi:keyvalue/store.error" => crate::sandbox::stop::Trouble,
        },
    });

    pub(super) mod room_join {
        wasmtime::component::bindgen!({
            path: "../wit",
            world: "hookbox:plugin/room-join-handler",
            exports: { default: async },
            with: {
                "hookbox:plugin/types": super::hookbox::plugin::types,
                "wasi:logging/logging": super::wasi::logging::logging,
                "wasi:config/store": super::wasi::config::store,
                "wasi:keyvalue": super::wasi::keyvalue,
                "hookbox:plugin/counters": super::hookbox::plugin::counters,
                "hookbox:plugin/outbox": super::hookbox::plugin::outbox,
            },
        });
    }

    pub(super) mod chat_push {
        wasmtime::component::bindgen!({
            path: "../wit",
            world: "hookbox:plugin/chat-push-handler",
            exports: { default: async },
            with: {
                "hookbox:plugin/types": super::hookbox::plugin::types,
                "wasi:logging/logging": super::wasi::logging::logging,
                "wasi:config/store": super::wasi::config::store,
                "wasi:keyvalue": super::wasi::keyvalue,
                "hookbox:plugin/counters": super::hookbox::plugin::counters,
                "hookbox:plugin/outbox": super::hookbox::plugin::outbox,
            },
        });
    }
}

use bindings::EventHandlerPre;
use bindings::chat_push::ChatPushHandlerPre;
use bindings::room_join::RoomJoinHandlerPre;

/// Links one handler interface of a component, if it exports it.
pub(super) struct Adapter {
    room_join: Option<RoomJoinHandlerPre<State>>,
    chat_push: Option<ChatPushHandlerPre<State>>,
    event: Option<EventHandlerPre<State>>,
}

/// The handler interfaces of this version that `component` exports.
pub(super) fn handlers(component: &Component) -> Handlers {
    let exports = |handler: Handler| {
        let name = format!("hookbox:plugin/{}@0.1.0", handler.interface());
        component.get_export_index(None, &name).is_some()
    };
    Handlers {
        room_join: exports(Handler::RoomJoin),
        chat_push: exports(Handler::ChatPush),
        event: exports(Handler::Event),
    }
}

/// Adds the imports of the contract's worlds.
pub(super) fn add_imports(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    use bindings::hookbox::plugin::{counters, outbox};
    use bindings::wasi::keyvalue::{atomics, batch, store};
    use bindings::wasi::{config, logging};

    logging::logging::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    config::store::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    store::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    atomics::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    batch::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    counters::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    outbox::add_to_linker::<_, HasSelf<State>>(linker, |state| state)
}

impl Adapter {
    pub(super) fn new(handlers: Handlers, instance: &InstancePre<State>) -> wasmtime::Result<Self> {
        Ok(Self {
            room_join: handlers
                .room_join
                .then(|| RoomJoinHandlerPre::new(instance.clone()))
                .transpose()?,
            chat_push: handlers
                .chat_push
                .then(|| ChatPushHandlerPre::new(instance.clone()))
                .transpose()?,
            event: handlers
                .event
                .then(|| EventHandlerPre::new(instance.clone()))
                .transpose()?,
        })
    }

    pub(super) async fn call(
        &self,
        store: &mut Store<State>,
        attempt: &Attempt,
    ) -> wasmtime::Result<Verdict> {
        let meta = meta(attempt);
        let answer = match (
            &attempt.event.payload,
            &self.room_join,
            &self.chat_push,
            &self.event,
        ) {
            (Payload::RoomJoin(event), Some(pre), _, _) => {
                let instance = pre.instantiate_async(&mut *store).await?;
                instance
                    .hookbox_plugin_on_room_join()
                    .call_handle(store, &meta, &room_join(event))
                    .await?
            }
            (Payload::ChatPush(event), _, Some(pre), _) => {
                let instance = pre.instantiate_async(&mut *store).await?;
                instance
                    .hookbox_plugin_on_chat_push()
                    .call_handle(store, &meta, &chat_push(event))
                    .await?
            }
            (Payload::Misfit(_) | Payload::Other, _, _, Some(pre)) => {
                let instance = pre.instantiate_async(&mut *store).await?;
                let body = String::from_utf8_lossy(&attempt.event.body);
                instance
                    .hookbox_plugin_on_event()
                    .call_handle(store, &meta, &body)
                    .await?
            }
            _ => wasmtime::bail!("the component has no handler for this event"),
        };
        Ok(verdict(answer))
    }
}

fn verdict(answer: Result<(), wit::HandlerError>) -> Verdict {
    match answer {
        Ok(()) => Verdict::Done,
        Err(wit::HandlerError::Retry(retry)) => Verdict::Retry {
            reason: retry.reason,
            delay: retry.delay_ms.map(std::time::Duration::from_millis),
        },
        Err(wit::HandlerError::Reject(reason)) => Verdict::Reject { reason },
    }
}

fn meta(attempt: &Attempt) -> wit::EventMeta {
    let event = &attempt.event;
    wit::EventMeta {
        id: event.id.to_string(),
        delivery_id: attempt.delivery.to_string(),
        endpoint: event.endpoint.as_str().to_owned(),
        agent_id: event.agent_id.clone(),
        event_type: event.event_type.clone(),
        occurred_at: event.occurred_at,
        received_at: event.received_at.as_seconds(),
        attempt: attempt.number,
        manual: attempt.manual,
    }
}

fn room_join(event: &RoomJoin) -> wit::RoomJoin {
    wit::RoomJoin {
        room_name: event.room_name.clone(),
        participant_count: event.participant_count,
        session_id: event.session_id.clone(),
        raw: event.raw.clone(),
    }
}

fn chat_push(event: &ChatPush) -> wit::ChatPush {
    wit::ChatPush {
        role: match &event.role {
            Role::User => wit::Role::User,
            Role::Agent => wit::Role::Agent,
            Role::Other(word) => wit::Role::Other(word.clone()),
        },
        message: event.message.clone(),
        session_id: event.session_id.clone(),
        timestamp: event.timestamp,
        raw: event.raw.clone(),
    }
}
