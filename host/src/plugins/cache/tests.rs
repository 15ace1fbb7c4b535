use std::os::unix::fs::symlink;
use std::time::Duration;

use tempfile::TempDir;

use super::*;

const MOST: u64 = 1 << 20;

fn key(content: &[u8]) -> Key {
    Key::new(&ContentHash::of(content), 7)
}

/// A cache with the entry `a`, whose content is `code`.
fn with_an_entry() -> (TempDir, CodeCache) {
    let data = tempfile::tempdir().expect("a scratch folder");
    let cache = CodeCache::open(data.path(), MOST).expect("opened");
    cache.put(&key(b"a"), b"code").expect("stored");
    (data, cache)
}

fn is_refused_and_removed(cache: &CodeCache, key: &Key) {
    assert_eq!(cache.get(key), None);
    assert!(fs::symlink_metadata(cache.path(key)).is_err());
}

#[test]
fn an_entry_comes_back_after_a_restart() {
    let (data, _cache) = with_an_entry();
    let again = CodeCache::open(data.path(), MOST).expect("opened");
    assert_eq!(again.get(&key(b"a")).as_deref(), Some(&b"code"[..]));
    assert_eq!(again.get(&key(b"b")), None);
}

#[test]
fn an_entry_of_other_settings_is_another_one() {
    let (_data, cache) = with_an_entry();
    assert_eq!(cache.get(&Key::new(&ContentHash::of(b"a"), 8)), None);
}

#[test]
fn a_forged_entry_is_not_used() {
    let (_data, cache) = with_an_entry();
    let mut bytes = fs::read(cache.path(&key(b"a"))).expect("read");
    bytes[0] ^= 1;
    fs::write(cache.path(&key(b"a")), bytes).expect("written");
    is_refused_and_removed(&cache, &key(b"a"));

    // Signed as it should be, with the key of another host.
    let (_other_data, other) = with_an_entry();
    fs::copy(other.path(&key(b"a")), cache.path(&key(b"a"))).expect("copied");
    is_refused_and_removed(&cache, &key(b"a"));
}

#[test]
fn a_truncated_entry_is_not_used() {
    for left in [0, 1, TAG - 1, TAG, TAG + 3] {
        let (_data, cache) = with_an_entry();
        let bytes = fs::read(cache.path(&key(b"a"))).expect("read");
        assert!(left < bytes.len());
        fs::write(cache.path(&key(b"a")), &bytes[..left]).expect("written");
        is_refused_and_removed(&cache, &key(b"a"));
    }
}

#[test]
fn a_swapped_entry_is_not_used() {
    let (_data, cache) = with_an_entry();
    cache.put(&key(b"b"), b"other").expect("stored");
    let (a, b) = (cache.path(&key(b"a")), cache.path(&key(b"b")));
    let aside = a.with_extension("aside");
    fs::rename(&a, &aside).expect("moved");
    fs::rename(&b, &a).expect("moved");
    fs::rename(&aside, &b).expect("moved");
    is_refused_and_removed(&cache, &key(b"a"));
    is_refused_and_removed(&cache, &key(b"b"));

    // The same by a second name.
    cache.put(&key(b"a"), b"code").expect("stored");
    fs::hard_link(&a, &b).expect("linked");
    is_refused_and_removed(&cache, &key(b"b"));
    assert_eq!(cache.get(&key(b"a")).as_deref(), Some(&b"code"[..]));
}

#[test]
fn a_link_is_not_followed_even_to_a_good_entry() {
    let (data, cache) = with_an_entry();
    let (path, aside) = (cache.path(&key(b"a")), data.path().join("aside"));
    fs::rename(&path, &aside).expect("moved");
    symlink(&aside, &path).expect("linked");
    is_refused_and_removed(&cache, &key(b"a"));
    assert!(aside.exists());
}

#[test]
fn the_longest_unused_entries_go_when_there_are_too_many() {
    let data = tempfile::tempdir().expect("a scratch folder");
    let cache = CodeCache::open(data.path(), 300).expect("opened");
    let age = |name: &[u8], seconds: u64| {
        let file = File::options().write(true).open(cache.path(&key(name)));
        let then = SystemTime::now() - Duration::from_secs(seconds);
        file.expect("it is there").set_modified(then).expect("set");
    };
    for (name, seconds) in [(b"a", 30), (b"b", 20)] {
        cache.put(&key(name), &[0; 100]).expect("stored");
        age(name, seconds);
    }
    assert!(cache.get(&key(b"a")).is_some());
    cache.put(&key(b"c"), &[0; 100]).expect("stored");
    let kept = |name: &[u8]| cache.path(&key(name)).exists();
    assert_eq!((kept(b"a"), kept(b"b"), kept(b"c")), (true, false, true));

    let problem = cache.put(&key(b"d"), &[0; 301]).expect_err("too large");
    assert!(problem.to_string().contains("compile.cache"), "{problem}");
}

#[test]
fn the_folder_is_the_hosts_own() {
    let data = tempfile::tempdir().expect("a scratch folder");
    let folder = data.path().join("code");
    let mode = || {
        fs::metadata(&folder)
            .expect("it is there")
            .permissions()
            .mode()
            & 0o777
    };
    CodeCache::open(data.path(), MOST).expect("opened");
    assert_eq!(mode(), 0o700);

    fs::set_permissions(&folder, Permissions::from_mode(0o777)).expect("set");
    CodeCache::open(data.path(), MOST).expect("opened");
    assert_eq!(mode(), 0o700);

    fs::remove_dir(&folder).expect("removed");
    symlink(std::env::temp_dir(), &folder).expect("linked");
    assert!(CodeCache::open(data.path(), MOST).is_err());
}

#[test]
fn a_pinned_entry_is_the_last_to_go_and_the_bound_holds() {
    let data = tempfile::tempdir().expect("a scratch folder");
    let cache = CodeCache::open(data.path(), MOST).expect("opened");
    let code = vec![1; 400 << 10];
    cache.pin([key(b"a")]);
    for entry in [b"a", b"b", b"c"] {
        cache.put(&key(entry), &code).expect("stored");
    }
    assert!(cache.get(&key(b"a")).is_some());
    let others = [b"b", b"c"].map(|entry| cache.get(&key(entry)).is_some());
    assert_eq!(others.iter().filter(|there| **there).count(), 1);
    cache.pin([key(b"a"), key(b"b"), key(b"c")]);
    cache.put(&key(b"d"), &code).expect("stored");
    let there = [b"a", b"b", b"c", b"d"].map(|entry| cache.get(&key(entry)).is_some());
    assert_eq!(there.iter().filter(|there| **there).count(), 2);
}
