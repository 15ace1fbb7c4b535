//! The villains of the catalogue as the measuring programs run them: built once, and
//! never paused.

use std::collections::HashMap;
use std::path::Path;

use hookbox::toolchain;
use hookbox_testkit::hostile::Villain;
use tempfile::TempDir;

/// Plugins of `tests/fixtures` that have been built.
#[derive(Debug, Default)]
pub(crate) struct Fixtures(HashMap<String, Vec<u8>>);

impl Fixtures {
    /// The component of that crate.
    ///
    /// # Panics
    /// When it doesn't build.
    pub(crate) fn get(&mut self, name: &str) -> Vec<u8> {
        let built = self.0.entry(name.to_owned()).or_insert_with(|| build(name));
        built.clone()
    }
}

fn build(name: &str) -> Vec<u8> {
    eprintln!("building the plugin {name} …");
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures");
    let out = TempDir::new().expect("a scratch folder");
    let source = Path::new(root).join(name);
    let options = toolchain::Options::default();
    let plugin = toolchain::build_plugin(&source, out.path(), &options, &mut |_| {});
    std::fs::read(&plugin.expect("the plugin builds").component).expect("it was built")
}

/// What has a plugin do its worst: it goes on whatever fails, and each delivery has
/// one attempt.
const RELENTLESS: [(&str, &str); 2] = [
    ("[breaker]", "failures = 0"),
    ("[retry]", "attempts = 1\ntraps = 1"),
];

/// Its manifest, with these lines in `[limits]`.
pub(crate) fn manifest(villain: &Villain, limits: &str, enabled: bool) -> String {
    let mut text = format!("enabled = {enabled}\n{}", villain.manifest(limits));
    for (table, keys) in RELENTLESS {
        if !text.contains(table) {
            text.push_str(&format!("\n{table}\n{keys}\n"));
        }
    }
    text
}

/// The same component as another version: with a section that says nothing.
pub(crate) fn version(component: &[u8], number: u64) -> Vec<u8> {
    const NAME: &[u8] = b"version";
    let number = number.to_le_bytes();
    let mut all = component.to_vec();
    // Custom sections have the id 0; then come lengths, which are small here.
    all.push(0);
    all.push((1 + NAME.len() + number.len()) as u8);
    all.push(NAME.len() as u8);
    all.extend_from_slice(NAME);
    all.extend_from_slice(&number);
    all
}
