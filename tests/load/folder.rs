//! Harm that is done to the plugins folder, again and again, while it lasts.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use hookbox_testkit::wat::{self, World};

use crate::villain::version;

/// What is done to the folder in the round of that number.
type Step = Arc<dyn Fn(&Path, u64) + Send + Sync>;

/// A kind of harm.
#[derive(Clone)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// One step of it.
    step: Step,
    /// The time between two steps.
    pause: Duration,
}

/// Files of one step.
const FILES: u64 = 1000;

pub(crate) fn kinds() -> Vec<Kind> {
    let kind = |name, pause, step: Step| Kind {
        name,
        step,
        pause: Duration::from_millis(pause),
    };
    vec![
        kind("folder-compile-bombs", 700, {
            let bomb = compile_bomb();
            Arc::new(move |folder, round| drop_in(folder, "bomb", &version(&bomb, round)))
        }),
        kind("folder-replaced-all-the-time", 250, {
            let plugin = wat::plugin(World::ChatPush, "", "(i32.const 16)");
            Arc::new(move |folder, round| drop_in(folder, "new", &version(&plugin, round)))
        }),
        kind("folder-replaced-without-rest", 5, {
            let plugin = wat::plugin(World::ChatPush, "", "(i32.const 16)");
            Arc::new(move |folder, round| drop_in(folder, "new", &version(&plugin, round)))
        }),
        kind(
            "folder-garbage-files",
            250,
            Arc::new(|folder, round| come_and_go(folder, "txt", round)),
        ),
        kind(
            "folder-garbage-plugins",
            250,
            Arc::new(|folder, round| come_and_go(folder, "wasm", round)),
        ),
    ]
}

/// Takes a compiler seconds.
fn compile_bomb() -> Vec<u8> {
    let line = "(local.set $a (i32.xor (i32.mul (local.get $a) (local.get $b)) (local.get $b)))
         (local.set $b (i32.rotl (i32.add (local.get $b) (local.get $a)) (local.get $a)))\n";
    let body = line.repeat(4000);
    let functions: String = (0..20)
        .map(|_| format!("(func (param $a i32) (param $b i32) {body})\n"))
        .collect();
    wat::plugin(World::ChatPush, &functions, "(i32.const 16)")
}

fn drop_in(folder: &Path, name: &str, bytes: &[u8]) {
    let part = folder.join(format!(".{name}.part"));
    fs::write(&part, bytes).expect("written");
    fs::rename(part, folder.join(format!("{name}.wasm"))).expect("renamed");
}

/// In turn, that many files are there and are not.
fn come_and_go(folder: &Path, ending: &str, round: u64) {
    for number in 0..FILES {
        let path = folder.join(format!("garbage-{number}.{ending}"));
        if round.is_multiple_of(2) {
            fs::write(path, format!("garbage {round}")).expect("written");
        } else {
            fs::remove_file(path).expect("removed");
        }
    }
}

/// Does harm of that kind until it is dropped; then the folder is as it was.
pub(crate) struct Doing {
    folder: PathBuf,
    before: Vec<PathBuf>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Doing {
    pub(crate) fn start(kind: &Kind, folder: PathBuf) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let before = files(&folder);
        let thread = {
            let (kind, folder, stop) = (kind.clone(), folder.clone(), Arc::clone(&stop));
            thread::spawn(move || {
                // What is measured is the host and not whoever fills its folder.
                let _ = rustix::process::nice(10);
                for round in 0.. {
                    if stop.load(Ordering::Acquire) {
                        return;
                    }
                    (kind.step)(&folder, round);
                    thread::sleep(kind.pause);
                }
            })
        };
        Self {
            folder,
            before,
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Doing {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the harm could be done");
        }
        for path in files(&self.folder) {
            if !self.before.contains(&path) {
                fs::remove_file(path).expect("removed");
            }
        }
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder is there");
    entries
        .map(|entry| entry.expect("an entry").path())
        .collect()
}
