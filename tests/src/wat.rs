//! Plugins made of WebAssembly text, for what no language would let one write.
//!
//! The text is the body of the handler's core function. In the canonical ABI all
//! handlers of the contract have one core type: a pointer to the parameters in,
//! a pointer to the result out. A result whose first byte is 0 is `ok`.

use std::path::Path;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{PackageId, Resolve};

/// The worlds of the contract that have one handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum World {
    /// `on-room-join`
    RoomJoin,
    /// `on-chat-push`
    ChatPush,
    /// `on-event`
    Event,
    /// `on-chat-push`, with WASI to import (`wasi.wit`) beside the contract.
    ChatPushWithWasi,
}

impl World {
    fn name(self) -> &'static str {
        match self {
            Self::RoomJoin => "room-join-handler",
            Self::ChatPush => "chat-push-handler",
            Self::Event => "event-handler",
            Self::ChatPushWithWasi => "chat-push-with-wasi",
        }
    }

    fn interface(self) -> &'static str {
        match self {
            Self::RoomJoin => "on-room-join",
            Self::ChatPush | Self::ChatPushWithWasi => "on-chat-push",
            Self::Event => "on-event",
        }
    }
}

/// A component whose handler runs `body`, which leaves the result's pointer on
/// the stack. `i32.const 16` points at zeroes: `ok`. `items` are further parts
/// of the module. `log` (level, pointers and lengths of context and message) is
/// `$log`; memory has two pages, `$bump` points to free space in it.
///
/// # Panics
/// When the text is no good.
#[must_use]
pub fn plugin(world: World, items: &str, body: &str) -> Vec<u8> {
    Parts {
        items,
        ..Parts::new(world)
    }
    .component(body)
}

/// The parts of a module around its handler.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// What it exports and may import.
    pub world: World,
    /// Imports besides `$log`.
    pub imports: &'a str,
    /// How many pages its memory has at first, and at most if there is a second
    /// number.
    pub pages: &'a str,
    /// The body of `cabi_realloc`, by which the host asks for space.
    pub realloc: &'a str,
    /// Its other parts.
    pub items: &'a str,
}

impl<'a> Parts<'a> {
    /// Those of [`plugin`].
    #[must_use]
    pub fn new(world: World) -> Self {
        Self {
            world,
            imports: "",
            pages: "2",
            realloc: BUMP,
            items: "",
        }
    }

    /// The component with this handler.
    ///
    /// # Panics
    /// When the text is no good.
    #[must_use]
    pub fn component(&self, body: &str) -> Vec<u8> {
        let Self {
            world,
            imports,
            pages,
            realloc,
            items,
        } = self;
        let interface = world.interface();
        let module = format!(
            r#"(module
  (import "wasi:logging/logging@0.1.0-draft" "log"
    (func $log (param i32 i32 i32 i32 i32)))
  {imports}
  (memory (export "memory") {pages})
  (global $bump (mut i32) (i32.const 65536))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    {realloc})
  {items}
  (func $handle (export "hookbox:plugin/{interface}@0.1.0#handle") (param $event i32) (result i32)
    {body}))"#
        );
        component(*world, &module)
    }
}

/// Hands out space that is never freed.
const BUMP: &str = "
    (local.set $at (i32.and (i32.add (global.get $bump) (i32.const 15)) (i32.const -16)))
    (global.set $bump (i32.add (local.get $at) (local.get 3)))
    (local.get $at)";

/// Makes a component of a core module's text.
///
/// # Panics
/// When the text is no good.
#[must_use]
pub fn component(world: World, module: &str) -> Vec<u8> {
    let mut module = wat::parse_str(module).expect("good WebAssembly text");
    let (resolve, package) = contract(world);
    let world = resolve
        .select_world(&[package], Some(world.name()))
        .expect("the contract has that world");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
        .expect("the metadata fits");
    ComponentEncoder::default()
        .module(&module)
        .and_then(|encoder| encoder.validate(true).encode())
        .expect("the module fits the contract")
}

/// A component with these core modules besides its own, each instantiated once its
/// own are. They import nothing; what they do, they do in their start function.
///
/// # Panics
/// When a text is no good, or `component` is none.
#[must_use]
pub fn with_modules(component: &[u8], modules: &[&str]) -> Vec<u8> {
    const MODULE: u8 = 1;
    const INSTANCE: u8 = 2;
    const INSTANTIATE: u8 = 0;
    let mut grown = component.to_vec();
    let own = sections(component).filter(|section| *section == MODULE);
    for (index, text) in (own.count()..).zip(modules) {
        let module = wat::parse_str(text).expect("good WebAssembly text");
        append(&mut grown, MODULE, &module);
        let mut instance = vec![1, INSTANTIATE];
        number(&mut instance, index);
        instance.push(0);
        append(&mut grown, INSTANCE, &instance);
    }
    grown
}

/// The kinds of a component's sections.
fn sections(component: &[u8]) -> impl Iterator<Item = u8> {
    const PREAMBLE: usize = 8;
    let mut rest = &component[PREAMBLE..];
    std::iter::from_fn(move || {
        let (kind, tail) = rest.split_first()?;
        let end = tail.iter().position(|byte| byte & 0x80 == 0);
        let (digits, tail) = tail.split_at(end.expect("a size") + 1);
        let digit = |(place, byte): (usize, &u8)| usize::from(byte & 0x7f) << (7 * place);
        let size: usize = digits.iter().enumerate().map(digit).sum();
        rest = &tail[size..];
        Some(*kind)
    })
}

fn append(component: &mut Vec<u8>, kind: u8, section: &[u8]) {
    component.push(kind);
    number(component, section.len());
    component.extend(section);
}

/// Seven bits a byte, the lowest first.
fn number(bytes: &mut Vec<u8>, mut value: usize) {
    while value > 0x7f {
        bytes.push(u8::try_from(value & 0x7f).expect("seven bits") | 0x80);
        value >>= 7;
    }
    bytes.push(u8::try_from(value).expect("seven bits"));
}

/// The package that has that world, and what it refers to.
fn contract(world: World) -> (Resolve, PackageId) {
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit");
    let mut resolve = Resolve::default();
    let (package, _files) = resolve.push_dir(&wit).expect("the contract parses");
    let package = match world {
        World::ChatPushWithWasi => resolve
            .push_str("wasi.wit", include_str!("wasi.wit"))
            .expect("this part of WASI parses"),
        World::RoomJoin | World::ChatPush | World::Event => package,
    };
    (resolve, package)
}

/// A handler that logs `text` and succeeds. Different texts make different
/// versions of a plugin.
#[must_use]
pub fn logs(world: World, text: &str) -> Vec<u8> {
    assert!(text.is_ascii() && !text.contains(['"', '\\']), "plain text");
    let items = format!(r#"(data (i32.const 1024) "{text}")"#);
    let body = format!(
        "(call $log (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 1024) (i32.const {}))
        (i32.const 16)",
        text.len()
    );
    plugin(world, &items, &body)
}

/// A handler that traps at once.
#[must_use]
pub fn traps(world: World) -> Vec<u8> {
    plugin(world, "", "unreachable")
}

/// A handler that loops for ever.
#[must_use]
pub fn loops(world: World) -> Vec<u8> {
    plugin(world, "", "(loop $again (br $again)) (i32.const 16)")
}

/// A handler that asks for 4 GiB of memory.
#[must_use]
pub fn grows(world: World) -> Vec<u8> {
    plugin(
        world,
        "",
        "(drop (memory.grow (i32.const 65534))) (i32.const 16)",
    )
}

/// A handler that calls itself without end.
#[must_use]
pub fn recurses(world: World) -> Vec<u8> {
    plugin(
        world,
        "",
        "(i32.add (call $handle (local.get $event)) (i32.const 1))",
    )
}
