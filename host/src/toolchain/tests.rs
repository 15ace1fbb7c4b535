use std::fs;

use super::{Error, check_plugin};

fn crate_with(manifest: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("src")).expect("src");
    fs::write(folder.path().join("src/lib.rs"), "").expect("lib.rs");
    fs::write(folder.path().join("Cargo.toml"), manifest).expect("manifest");
    folder
}

#[test]
fn a_folder_that_is_not_there_is_said_so() {
    let error = check_plugin("/nonexistent/plugin".as_ref()).expect_err("not there");
    assert!(matches!(error, Error::NotAFolder(_)), "{error}");
}

#[test]
fn a_folder_without_a_manifest_is_no_rust_plugin() {
    let folder = tempfile::tempdir().expect("a folder");
    let error = check_plugin(folder.path()).expect_err("no manifest");
    assert!(matches!(error, Error::NoManifest(_)), "{error}");
}

#[test]
fn a_crate_that_makes_no_wasm_is_told_the_line_to_add() {
    let folder = crate_with("[package]\nname = \"p\"\nedition = \"2024\"\n[workspace]\n");
    let error = check_plugin(folder.path()).expect_err("a plain library");
    assert!(matches!(error, Error::NotCdylib { .. }), "{error}");
    assert!(
        error.to_string().contains("crate-type = [\"cdylib\"]"),
        "{error}"
    );
}

#[test]
fn a_workspace_alone_is_no_plugin() {
    let folder = crate_with("[workspace]\n");
    let error = check_plugin(folder.path()).expect_err("no package");
    assert!(matches!(error, Error::NoPackage(_)), "{error}");
}

#[test]
fn a_broken_manifest_is_explained_by_cargo() {
    let folder = crate_with("[package\n");
    let error = check_plugin(folder.path()).expect_err("broken").to_string();
    assert!(
        error.contains("Cargo.toml") && error.contains("expected"),
        "{error}"
    );
}

#[test]
fn a_cdylib_is_a_plugin_and_its_profile_is_seen() {
    let manifest = "[package]\nname = \"p\"\nedition = \"2024\"\n[workspace]\n\
                    [lib]\ncrate-type = [\"cdylib\"]\n";
    let folder = crate_with(manifest);
    let plugin = super::manifest::read(folder.path()).expect("a plugin");
    assert_eq!(plugin.name(None).expect("a name").as_str(), "p");
    assert!(!plugin.has_profile);
    assert!(matches!(
        plugin.name(Some("Upper")),
        Err(Error::Name { .. })
    ));

    let folder = crate_with(&format!(
        "{manifest}[profile.plugin]\ninherits = \"release\"\n"
    ));
    assert!(
        super::manifest::read(folder.path())
            .expect("a plugin")
            .has_profile
    );
}
