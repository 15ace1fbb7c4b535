//! `export!`: which handlers the host sees.

/// Exports the named handlers of a plugin, and only these.
///
/// ```
/// # use hookbox_sdk::prelude::*;
/// struct Both;
/// impl OnRoomJoin for Both {
///     fn on_room_join(_: RoomJoin) -> Outcome { Ok(()) }
/// }
/// impl OnChatPush for Both {
///     fn on_chat_push(_: ChatPush) -> Outcome { Ok(()) }
/// }
/// hookbox_sdk::export!(Both: OnRoomJoin, OnChatPush);
/// ```
///
/// Natively it checks that the handlers are there and exports nothing, so that
/// `cargo test` works.
#[macro_export]
macro_rules! export {
    ($plugin:ident: $($handler:ident),+ $(,)?) => {
        $($crate::__export_handler!($plugin, $handler);)+
    };
    ($($other:tt)*) => {
        ::core::compile_error!(
            "write it like this: hookbox_sdk::export!(MyPlugin: OnRoomJoin, OnChatPush, OnEvent);"
        );
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __export_handler {
    ($plugin:ident, OnRoomJoin) => {
        const _: fn($crate::RoomJoin) -> $crate::Outcome =
            <$plugin as $crate::OnRoomJoin>::on_room_join;
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Guest = $crate::wasm::Adapter<$plugin>;
    $crate::wasm::room_join::export!(Guest with_types_in $crate::wasm::room_join);
        };
    };
    ($plugin:ident, OnChatPush) => {
        const _: fn($crate::ChatPush) -> $crate::Outcome =
            <$plugin as $crate::OnChatPush>::on_chat_push;
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Guest = $crate::wasm::Adapter<$plugin>;
    $crate::wasm::chat_push::export!(Guest with_types_in $crate::wasm::chat_push);
        };
    };
    ($plugin:ident, OnEvent) => {
        const _: fn($crate::Event) -> $crate::Outcome = <$plugin as $crate::OnEvent>::on_event;
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Guest = $crate::wasm::Adapter<$plugin>;
    $crate::wasm::event::export!(Guest with_types_in $crate::wasm::event);
        };
    };
    ($plugin:ident, $other:ident) => {
        ::core::compile_error!(::core::concat!(
            "there is no handler ",
            ::core::stringify!($other),
            ": it is OnRoomJoin, OnChatPush or OnEvent"
        ));
    };
}
