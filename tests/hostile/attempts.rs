//! What a handler does when it is called: each of the catalogue's villains.

use hookbox_testkit::hostile::{Fate, Villain, villains};

use crate::scene::{failure, fixture, host_with, rejection, watched, well};

/// Tight, so that a test takes no longer than it must.
const LIMITS: &str = "cpu = \"50ms\"\nwall = \"500ms\"";

/// Runs a villain beside the good plugin until its attempt has ended as it must.
fn play(name: &str) {
    let villain = find(name);
    let mut host = host_with("");
    host.manifest(name, &villain.manifest(LIMITS));
    host.install(name, &villain.component(fixture));
    watched(&mut host, |host| match villain.fate {
        Fate::Fails(why) => {
            let reason = failure(host, name);
            assert!(reason.contains(why), "{reason}");
        }
        Fate::Rejects(why) => {
            let reason = rejection(host, name);
            assert!(reason.contains(why), "{reason}");
        }
        Fate::Ends => well(host, name),
    });
}

fn find(name: &str) -> Villain {
    let mut all = villains().into_iter();
    let found = all.find(|villain| villain.name == name);
    found.unwrap_or_else(|| panic!("{name} is in the catalogue"))
}

/// One test for each, so that they run side by side and each is named.
macro_rules! villains {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                play(&stringify!($name).replace('_', "-"));
            }
        )*

        #[test]
        fn each_villain_of_the_catalogue_is_played() {
            let mut played = vec![$(stringify!($name).replace('_', "-")),*];
            let mut all: Vec<_> = villains().iter().map(|villain| villain.name.to_owned()).collect();
            played.sort();
            all.sort();
            assert_eq!(played, all);
        }
    };
}

villains! {
    loop_in_handler
    loop_in_start
    read_config_for_ever
}
