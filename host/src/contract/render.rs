//! Types and functions as WIT text, for people.

use std::borrow::Cow;
use std::fmt::Write as _;

use wit_parser::{Function, Handle, Resolve, Type, TypeDefKind};

use crate::types::text::plain;

/// Longer texts are cut. Types can share parts so that their full text would be
/// exponentially long: this bound is what keeps rendering short.
const MAX_TEXT: usize = 200;

/// A type, such as `option<string>` or `chat-push`.
pub(super) fn type_text(resolve: &Resolve, ty: Type) -> String {
    let mut text = String::new();
    write_type(&mut text, resolve, ty);
    text
}

/// An absent type is `_`.
pub(super) fn optional_type_text(resolve: &Resolve, ty: Option<Type>) -> String {
    ty.map_or_else(|| "_".into(), |ty| type_text(resolve, ty))
}

/// A function's parameters and result, such as `func(key: string) -> u32`.
pub(super) fn function_text(resolve: &Resolve, function: &Function) -> String {
    let mut text = String::from(if function.kind.is_async() {
        "async func("
    } else {
        "func("
    });
    for (index, param) in function.params.iter().enumerate() {
        if text.len() > MAX_TEXT {
            text.push('…');
            break;
        }
        let comma = if index == 0 { "" } else { ", " };
        let ty = type_text(resolve, param.ty);
        let _ = write!(text, "{comma}{}: {ty}", clip(&param.name));
    }
    text.push(')');
    if let Some(result) = function.result {
        let _ = write!(text, " -> {}", type_text(resolve, result));
    }
    text
}

/// A name from outside, cut to a length that can be shown.
pub(super) fn clip(name: &str) -> Cow<'_, str> {
    const MAX_NAME: usize = 120;
    match name.char_indices().nth(MAX_NAME) {
        Some((cut, _)) => Cow::Owned(format!("{}…", &name[..cut])),
        None => Cow::Borrowed(name),
    }
}

/// A library's message about bytes from outside, which may quote them: with
/// what a terminal would obey written out, and of a bounded length.
pub(super) fn printable(message: &str) -> String {
    const MAX_MESSAGE: usize = 1_000;
    let kept: String = message
        .chars()
        .take(MAX_MESSAGE)
        .map(|c| if c == '\n' { ' ' } else { c })
        .collect();
    plain(&kept).into_owned()
}

fn write_type(out: &mut String, resolve: &Resolve, ty: Type) {
    if out.len() > MAX_TEXT {
        out.push('…');
        return;
    }
    let id = match ty {
        Type::Id(id) => id,
        primitive => {
            out.push_str(primitive_text(primitive));
            return;
        }
    };
    let def = &resolve.types[id];
    if let Some(name) = &def.name {
        out.push_str(&clip(name));
        return;
    }
    match &def.kind {
        TypeDefKind::Type(inner) => write_type(out, resolve, *inner),
        TypeDefKind::Option(inner) => write_list(out, resolve, "option", &[Some(*inner)]),
        TypeDefKind::List(inner) => write_list(out, resolve, "list", &[Some(*inner)]),
        TypeDefKind::Result(result) => match (result.ok, result.err) {
            (None, None) => out.push_str("result"),
            (ok, None) => write_list(out, resolve, "result", &[ok]),
            (ok, err) => write_list(out, resolve, "result", &[ok, err]),
        },
        TypeDefKind::Tuple(tuple) => {
            let parts: Vec<_> = tuple.types.iter().copied().map(Some).collect();
            write_list(out, resolve, "tuple", &parts);
        }
        TypeDefKind::Handle(Handle::Own(id)) => write_type(out, resolve, Type::Id(*id)),
        TypeDefKind::Handle(Handle::Borrow(id)) => {
            write_list(out, resolve, "borrow", &[Some(Type::Id(*id))]);
        }
        other => out.push_str(other.as_str()),
    }
}

fn write_list(out: &mut String, resolve: &Resolve, name: &str, parts: &[Option<Type>]) {
    out.push_str(name);
    out.push('<');
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        match part {
            Some(ty) => write_type(out, resolve, *ty),
            None => out.push('_'),
        }
        if out.len() > MAX_TEXT {
            break;
        }
    }
    out.push('>');
}

fn primitive_text(ty: Type) -> &'static str {
    match ty {
        Type::Bool => "bool",
        Type::U8 => "u8",
        Type::U16 => "u16",
        Type::U32 => "u32",
        Type::U64 => "u64",
        Type::S8 => "s8",
        Type::S16 => "s16",
        Type::S32 => "s32",
        Type::S64 => "s64",
        Type::F32 => "f32",
        Type::F64 => "f64",
        Type::Char => "char",
        Type::String => "string",
        Type::ErrorContext => "error-context",
        Type::Id(_) => "type",
    }
}
