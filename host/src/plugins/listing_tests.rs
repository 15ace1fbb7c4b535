use std::fs::File;

use super::*;
use crate::contract;

/// More than any of these have.
const MOST: usize = 1000;

fn name(text: &str) -> PluginName {
    PluginName::new(text).expect("a good name")
}

#[test]
fn only_regular_wasm_files_with_good_names_are_plugins() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let at = |file: &str| folder.path().join(file);
    fs::write(at("greeter.wasm"), b"\0asm").expect("written");
    fs::write(at("greeter.toml"), b"").expect("written");
    fs::write(at("notes.txt"), b"").expect("written");
    fs::write(at("Greeter.wasm"), b"\0asm").expect("written");
    fs::write(at("fast.cwasm"), b"\x7fELF").expect("written");
    fs::create_dir(at("sources.wasm")).expect("made");
    std::os::unix::fs::symlink("/etc/passwd", at("link.wasm")).expect("linked");

    fs::write(at("loud.wAsM"), b"\0asm").expect("written");

    let listing = list(folder.path(), MOST, |_| Standing::New).expect("it can be read");

    assert_eq!(
        listing.plugins.keys().collect::<Vec<_>>(),
        [&name("greeter"), &name("link")]
    );
    let greeter = listing.plugins[&name("greeter")].as_ref();
    assert!(greeter.expect("it is usable").manifest.is_some());
    let refusal = |file: &str| listing.refused.get(&at(file)).cloned();
    assert!(matches!(refusal("Greeter.wasm"), Some(Refusal::Name(_))));
    assert_eq!(refusal("fast.cwasm"), Some(Refusal::Compiled));
    assert_eq!(refusal("loud.wAsM"), Some(Refusal::Ending));
    assert_eq!(listing.refused.len(), 3);
}

#[test]
fn a_file_that_cannot_be_used_is_still_there_under_its_name() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let at = |file: &str| folder.path().join(file);
    std::os::unix::fs::symlink("/etc/passwd", at("link.wasm")).expect("linked");
    std::os::unix::net::UnixListener::bind(at("socket.wasm")).expect("bound");
    let sized = |file: &str, size: u64| {
        let file = File::create(at(file)).expect("created");
        file.set_len(size).expect("sized");
    };
    sized("fits.wasm", contract::MAX_BYTES as u64);
    sized("large.wasm", contract::MAX_BYTES as u64 + 1);

    let listing = list(folder.path(), MOST, |_| Standing::New).expect("it can be read");

    assert!(listing.refused.is_empty());
    let found = |text: &str| listing.plugins[&name(text)].clone();
    assert_eq!(found("link"), Err(Refusal::NotAFile("a symbolic link")));
    assert_eq!(found("socket"), Err(Refusal::NotAFile("a socket")));
    assert!(found("fits").is_ok());
    assert!(matches!(found("large"), Err(Refusal::TooLarge(_))));
}

#[test]
fn of_too_many_those_stay_that_have_earned_it() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    for file in ["a", "b", "c", "w", "x", "y", "z"] {
        fs::write(folder.path().join(format!("{file}.wasm")), b"\0asm").expect("written");
    }
    let standing = |name: &PluginName| match name.as_str() {
        "z" => Standing::Proven,
        "y" => Standing::Listed,
        "x" => Standing::Seen,
        _ => Standing::New,
    };
    for (most, stay) in [
        (1, &["z"] as &[_]),
        (2, &["y", "z"]),
        (3, &["x", "y", "z"]),
        (4, &["a", "x", "y", "z"]),
        (7, &["a", "b", "c", "w", "x", "y", "z"]),
    ] {
        let listing = list(folder.path(), most, standing).expect("it can be read");
        let names: Vec<_> = listing.plugins.keys().map(PluginName::as_str).collect();
        assert_eq!(names, stay);
        let refused: Vec<_> = listing.refused.into_values().collect();
        assert_eq!(refused, vec![Refusal::TooMany(most); 7 - stay.len()]);
    }
}

#[test]
fn what_is_told_of_many_bad_names_is_bounded_and_always_the_same() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    for number in 0..MAX_REFUSED + 50 {
        let file = folder.path().join(format!("Bad{number:03}.wasm"));
        fs::write(file, b"").expect("written");
    }
    fs::write(folder.path().join("good.wasm"), b"").expect("written");

    let listing = list(folder.path(), MOST, |_| Standing::New).expect("it can be read");

    assert_eq!(listing.plugins.len(), 1);
    assert_eq!(
        (listing.refused.len(), listing.more_refused),
        (MAX_REFUSED, 50)
    );
    let last = listing.refused.keys().last().expect("some");
    assert!(last.ends_with("Bad099.wasm"), "{last:?}");
}

#[test]
fn proven_plugins_stay_however_many_files_are_named_before_them() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    for number in 0..50 {
        let file = folder.path().join(format!("a{number:02}.wasm"));
        fs::write(file, b"").expect("written");
    }
    let known = [name("y"), name("z")];
    for name in &known {
        fs::write(folder.path().join(format!("{name}.wasm")), b"").expect("written");
    }
    let listing = list(folder.path(), 5, |name| {
        if known.contains(name) {
            Standing::Proven
        } else {
            Standing::New
        }
    })
    .expect("it can be read");

    let names: Vec<_> = listing.plugins.keys().map(PluginName::as_str).collect();
    assert_eq!(names, ["a00", "a01", "a02", "y", "z"]);
    assert_eq!(listing.refused.len(), 47);
}
