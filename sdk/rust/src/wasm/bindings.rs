//! What `wit/` says, as Rust, and what the SDK uses of WASI. The path starts at this crate's folder, which is
//! part of the repository for path and git dependencies alike.

#![allow(
    missing_docs,
    unsafe_code,
    unreachable_pub,
    unused_qualifications,
    clippy::all
)]

pub mod imports {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "imports",
        generate_all,
    });
}

pub mod http {
    wit_bindgen::generate!({
        path: "wit",
        world: "http",
        generate_all,
    });
}

pub mod room_join {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "room-join-handler",
        pub_export_macro: true,
        with: {
            "hookbox:plugin/types@0.1.0": generate,
            "wasi:logging/logging@0.1.0-draft": super::imports::wasi::logging::logging,
            "wasi:config/store@0.2.0-rc.1": super::imports::wasi::config::store,
            "wasi:keyvalue/store@0.2.0-draft2": super::imports::wasi::keyvalue::store,
            "wasi:keyvalue/atomics@0.2.0-draft2": super::imports::wasi::keyvalue::atomics,
            "wasi:keyvalue/batch@0.2.0-draft2": super::imports::wasi::keyvalue::batch,
            "hookbox:plugin/counters@0.1.0": super::imports::hookbox::plugin::counters,
            "hookbox:plugin/outbox@0.1.0": super::imports::hookbox::plugin::outbox,
        },
    });
}

pub mod chat_push {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "chat-push-handler",
        pub_export_macro: true,
        with: {
            "hookbox:plugin/types@0.1.0": super::room_join::hookbox::plugin::types,
            "wasi:logging/logging@0.1.0-draft": super::imports::wasi::logging::logging,
            "wasi:config/store@0.2.0-rc.1": super::imports::wasi::config::store,
            "wasi:keyvalue/store@0.2.0-draft2": super::imports::wasi::keyvalue::store,
            "wasi:keyvalue/atomics@0.2.0-draft2": super::imports::wasi::keyvalue::atomics,
            "wasi:keyvalue/batch@0.2.0-draft2": super::imports::wasi::keyvalue::batch,
            "hookbox:plugin/counters@0.1.0": super::imports::hookbox::plugin::counters,
            "hookbox:plugin/outbox@0.1.0": super::imports::hookbox::plugin::outbox,
        },
    });
}

pub mod event {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "event-handler",
        pub_export_macro: true,
        with: {
            "hookbox:plugin/types@0.1.0": super::room_join::hookbox::plugin::types,
            "wasi:logging/logging@0.1.0-draft": super::imports::wasi::logging::logging,
            "wasi:config/store@0.2.0-rc.1": super::imports::wasi::config::store,
            "wasi:keyvalue/store@0.2.0-draft2": super::imports::wasi::keyvalue::store,
            "wasi:keyvalue/atomics@0.2.0-draft2": super::imports::wasi::keyvalue::atomics,
            "wasi:keyvalue/batch@0.2.0-draft2": super::imports::wasi::keyvalue::batch,
            "hookbox:plugin/counters@0.1.0": super::imports::hookbox::plugin::counters,
            "hookbox:plugin/outbox@0.1.0": super::imports::hookbox::plugin::outbox,
        },
    });
}
