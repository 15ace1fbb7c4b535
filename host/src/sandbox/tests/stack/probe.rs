//! Components that call one import of the host from deep in their stack, made from
//! the import's WIT.

use std::fmt::Write as _;

use wit_parser::abi::{AbiVariant, FlatTypes, WasmType};
use wit_parser::{
    Function, Handle, Int, InterfaceId, Resolve, SizeAlign, Type, TypeDefKind, TypeId,
};

use super::super::wit::component;

/// Where results are written that don't fit into one value.
const RESULT: u32 = 4096;

/// A component for `chat.push`: the attempt's number is the depth at which it calls
/// the import.
pub(super) struct Probe {
    /// What it calls.
    pub(super) name: String,
    pub(super) component: Vec<u8>,
}

/// What is called.
#[derive(Clone, Copy)]
enum Import<'a> {
    Function(&'a Function),
    /// Drops a resource, which runs the host's code, too.
    Drop(TypeId),
}

/// One for each function of each interface that `takes`, and one for each of their
/// resources. A handle that no function returns is 0.
pub(super) fn probes(resolve: &Resolve, takes: impl Fn(&str) -> bool) -> Vec<Probe> {
    let mut probes = Vec::new();
    for (id, interface) in resolve.interfaces.iter() {
        if !resolve.id_of(id).is_some_and(|name| takes(&name)) {
            continue;
        }
        let functions = interface.functions.values().map(Import::Function);
        let resources = interface.types.values().copied();
        let resources = resources
            .filter(|&id| matches!(resolve.types[id].kind, TypeDefKind::Resource))
            .map(Import::Drop);
        for import in functions.chain(resources) {
            probes.push(Maker::new(resolve).probe(id, import));
        }
    }
    probes
}

/// Puts a module together.
struct Maker<'a> {
    resolve: &'a Resolve,
    sizes: SizeAlign,
    interfaces: Vec<InterfaceId>,
    imports: String,
    functions: usize,
    /// Gets the handles that the call wants.
    setup: String,
    handles: usize,
    /// The resources that are being made, lest one be made of itself.
    making: Vec<TypeId>,
    has_handles: bool,
}

impl<'a> Maker<'a> {
    fn new(resolve: &'a Resolve) -> Self {
        let mut sizes = SizeAlign::default();
        sizes.fill(resolve);
        Self {
            resolve,
            sizes,
            interfaces: Vec::new(),
            imports: String::new(),
            functions: 0,
            setup: String::new(),
            handles: 0,
            making: Vec::new(),
            has_handles: true,
        }
    }

    fn probe(mut self, id: InterfaceId, import: Import<'_>) -> Probe {
        let (name, call) = match import {
            Import::Function(function) => (function.name.clone(), self.call(id, function)),
            Import::Drop(resource) => {
                let name = self.resolve.types[resource].name.clone();
                let name = format!("[resource-drop]{}", name.unwrap_or_default());
                let drop = self.import(id, &name, &[WasmType::I32], &[]);
                let handle = self.handle(resource);
                (name, format!("(call $f{drop} {handle})"))
            }
        };
        let module = self.module(&call);
        let interface = self.resolve.id_of(id).expect("it has a name");
        Probe {
            name: format!("{interface} {name}"),
            component: self.component(&module),
        }
    }

    /// A call of a function, its result dropped.
    fn call(&mut self, id: InterfaceId, function: &Function) -> String {
        let (call, results) = self.bare_call(id, function);
        format!("{call}{}", "(drop)".repeat(results))
    }

    fn bare_call(&mut self, id: InterfaceId, function: &Function) -> (String, usize) {
        let signature = self
            .resolve
            .wasm_signature(AbiVariant::GuestImport, function);
        let index = self.import(id, &function.name, &signature.params, &signature.results);
        let mut values = if signature.indirect_params {
            "(i32.const 8192)".to_owned()
        } else {
            let types = function.params.iter().map(|param| param.ty);
            types.map(|ty| self.value(ty)).collect()
        };
        if signature.retptr {
            let _ = write!(values, "(i32.const {RESULT})");
        }
        let call = format!("(call $f{index} {values})");
        (call, signature.results.len())
    }

    fn import(
        &mut self,
        id: InterfaceId,
        name: &str,
        params: &[WasmType],
        results: &[WasmType],
    ) -> usize {
        if !self.interfaces.contains(&id) {
            self.interfaces.push(id);
        }
        let list = |types: &[WasmType]| -> String {
            types
                .iter()
                .map(|ty| format!("{} ", letters(*ty)))
                .collect()
        };
        let module = self.resolve.id_of(id).expect("it has a name");
        let index = self.functions;
        self.functions += 1;
        let _ = writeln!(
            self.imports,
            "(import \"{module}\" \"{name}\" (func $f{index} (param {}) (result {})))",
            list(params),
            list(results)
        );
        index
    }

    /// A sensible value of a type, flat.
    fn value(&mut self, ty: Type) -> String {
        let Type::Id(id) = ty else {
            return match ty {
                Type::String => "(i32.const 1024)(i32.const 4)".into(),
                Type::U64 | Type::S64 => "(i64.const 1)".into(),
                Type::F32 => "(f32.const 1)".into(),
                Type::F64 => "(f64.const 1)".into(),
                _ => "(i32.const 1)".into(),
            };
        };
        let kind = self.resolve.types[id].kind.clone();
        match kind {
            TypeDefKind::Type(ty) => self.value(ty),
            TypeDefKind::Handle(Handle::Own(of) | Handle::Borrow(of)) => self.handle(of),
            TypeDefKind::Record(record) => {
                let types = record.fields.iter().map(|field| field.ty);
                types.map(|ty| self.value(ty)).collect()
            }
            TypeDefKind::Tuple(tuple) => tuple.types.iter().map(|ty| self.value(*ty)).collect(),
            TypeDefKind::List(Type::U8) => "(i32.const 1024)(i32.const 4)".into(),
            TypeDefKind::List(of) if self.is_handle(of) => {
                let handle = self.value(of);
                let at = 2048 + 4 * self.handles;
                let _ = writeln!(self.setup, "(i32.store (i32.const {at}) {handle})");
                format!("(i32.const {at})(i32.const 1)")
            }
            // The first case of variants, no option, an empty list.
            _ => self.zeros(ty),
        }
    }

    fn zeros(&self, ty: Type) -> String {
        let mut storage = [WasmType::I32; 64];
        let mut flat = FlatTypes::new(&mut storage);
        assert!(
            self.resolve.push_flat(&ty, &mut flat),
            "a type of few parts"
        );
        let types = flat.to_vec();
        let zero = |ty: WasmType| format!("({}.const 0)", letters(ty));
        types.into_iter().map(zero).collect()
    }

    fn is_handle(&self, ty: Type) -> bool {
        let Type::Id(id) = ty else { return false };
        match self.resolve.types[id].kind {
            TypeDefKind::Type(ty) => self.is_handle(ty),
            ref kind => matches!(kind, TypeDefKind::Handle(_)),
        }
    }

    /// A handle of its own to a resource, from whatever function returns one.
    fn handle(&mut self, resource: TypeId) -> String {
        let resource = self.resource(resource);
        if let Some(handle) = self.make(resource) {
            return format!("(global.get $h{handle})");
        }
        self.has_handles = false;
        "(i32.const 0)".into()
    }

    fn make(&mut self, resource: TypeId) -> Option<usize> {
        if self.making.contains(&resource) {
            return None;
        }
        self.making.push(resource);
        let made = self.makers(resource).into_iter().find_map(|maker| {
            let (id, function, offset) = maker;
            let before = (self.setup.clone(), self.has_handles);
            self.has_handles = true;
            let (call, results) = self.bare_call(id, &function);
            if !self.has_handles {
                (self.setup, self.has_handles) = before;
                return None;
            }
            self.has_handles = before.1;
            let handle = self.handles;
            self.handles += 1;
            let made = match results {
                0 => format!(
                    "{call}(global.set $h{handle} (i32.load (i32.const {})))\n",
                    RESULT + offset
                ),
                _ => format!("(global.set $h{handle} {call})\n"),
            };
            self.setup.push_str(&made);
            self.finish(id, resource, handle);
            Some(handle)
        });
        self.making.pop();
        made
    }

    /// A request that goes nowhere is refused before it is one.
    fn finish(&mut self, id: InterfaceId, resource: TypeId, handle: usize) {
        if self.resolve.types[resource].name.as_deref() != Some("outgoing-request") {
            return;
        }
        let functions = &self.resolve.interfaces[id].functions;
        for (part, at, length) in [("authority", 1024, 4), ("path-with-query", 1028, 1)] {
            let name = format!("[method]outgoing-request.set-{part}");
            if !functions.contains_key(&name) {
                continue;
            }
            let types = [WasmType::I32; 4];
            let index = self.import(id, &name, &types, &types[..1]);
            let _ = writeln!(
                self.setup,
                "(drop (call $f{index} (global.get $h{handle}) (i32.const 1) (i32.const {at}) (i32.const {length})))"
            );
        }
    }

    /// The functions that return this resource, with the handle's place in memory;
    /// those with the fewest parameters first.
    fn makers(&self, resource: TypeId) -> Vec<(InterfaceId, Function, u32)> {
        let mut makers = Vec::new();
        for (id, interface) in self.resolve.interfaces.iter() {
            for function in interface.functions.values() {
                let offset = function.result.and_then(|ty| self.offset(ty, resource));
                if let Some(offset) = offset {
                    makers.push((id, function.clone(), offset));
                }
            }
        }
        makers.sort_by_key(|(_, function, _)| function.params.len());
        makers
    }

    /// Where in a result the handle lies, if all goes well.
    fn offset(&self, ty: Type, resource: TypeId) -> Option<u32> {
        let Type::Id(id) = ty else { return None };
        match &self.resolve.types[id].kind {
            TypeDefKind::Type(ty) => self.offset(*ty, resource),
            TypeDefKind::Handle(Handle::Own(of)) => (self.resource(*of) == resource).then_some(0),
            TypeDefKind::Result(result) => {
                let within = self.offset(result.ok?, resource)?;
                let cases = [result.ok.as_ref(), result.err.as_ref()];
                Some(within + self.payload(cases))
            }
            TypeDefKind::Option(some) => {
                let within = self.offset(*some, resource)?;
                Some(within + self.payload([None, Some(some)]))
            }
            _ => None,
        }
    }

    fn payload(&self, cases: [Option<&Type>; 2]) -> u32 {
        let offset = self.sizes.payload_offset(Int::U8, cases).size_wasm32();
        u32::try_from(offset).expect("a small type")
    }

    /// The resource that an alias stands for.
    fn resource(&self, id: TypeId) -> TypeId {
        match self.resolve.types[id].kind {
            TypeDefKind::Type(Type::Id(of)) => self.resource(of),
            _ => id,
        }
    }

    fn module(&self, call: &str) -> String {
        let globals: String = (0..self.handles)
            .map(|handle| format!("(global $h{handle} (mut i32) (i32.const 0))\n"))
            .collect();
        format!(
            r#"(module {imports}
  (memory (export "memory") 4)
  (data (i32.const 1024) "text/")
  (global $bump (mut i32) (i32.const 65536))
  {globals}
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $bump) (i32.const 15)) (i32.const -16)))
    (global.set $bump (i32.add (local.get $at) (local.get 3)))
    (local.get $at))
  (func $dive (param $left i32) (result i32)
    (if (i32.eqz (local.get $left)) (then {call} (return (i32.const 0))))
    (i32.add (call $dive (i32.sub (local.get $left) (i32.const 1))) (i32.const 1)))
  (func (export "hookbox:plugin/on-chat-push@0.1.0#handle") (param $event i32) (result i32)
    {setup}
    (drop (call $dive (i32.load offset={depth} (local.get $event))))
    (i32.const 16)))"#,
            imports = self.imports,
            setup = self.setup,
            depth = self.depth_offset(),
        )
    }

    /// Where the attempt's number lies in the handler's parameters.
    fn depth_offset(&self) -> usize {
        let meta = self
            .resolve
            .types
            .iter()
            .find_map(|(_, ty)| match &ty.kind {
                TypeDefKind::Record(record) if ty.name.as_deref() == Some("event-meta") => {
                    Some(record)
                }
                _ => None,
            });
        let fields = &meta.expect("the contract has it").fields;
        let at = fields.iter().position(|field| field.name == "attempt");
        let offsets = self
            .sizes
            .field_offsets(fields.iter().map(|field| &field.ty));
        offsets[at.expect("the contract has it")].0.size_wasm32()
    }

    fn component(&self, module: &str) -> Vec<u8> {
        let name = |&id: &InterfaceId| self.resolve.id_of(id).expect("it has a name");
        let imports = self.interfaces.iter().map(name);
        let world: String = imports.map(|name| format!("import {name};\n")).collect();
        component(self.resolve, &world, module)
    }
}

fn letters(ty: WasmType) -> &'static str {
    match ty {
        WasmType::I64 | WasmType::PointerOrI64 => "i64",
        WasmType::F32 => "f32",
        WasmType::F64 => "f64",
        _ => "i32",
    }
}
