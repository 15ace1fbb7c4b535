//! One `hookbox build` at a time in one target folder.

use std::fs::{self, File, TryLockError};
use std::path::Path;

use super::Error;

/// Waits for the folder. The lock ends with the file that this returns, also
/// when the process is killed.
pub(super) fn take(target_dir: &Path, progress: &mut dyn FnMut(&str)) -> Result<File, Error> {
    let path = target_dir.join(".hookbox-build.lock");
    let io = |source| Error::Io {
        doing: "locking",
        path: path.clone(),
        source,
    };
    fs::create_dir_all(target_dir).map_err(io)?;
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(io)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            progress(&format!(
                "waiting for another build in {}",
                target_dir.display()
            ));
            file.lock().map_err(io)?;
        }
        Err(TryLockError::Error(error)) => return Err(io(error)),
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::take;

    #[test]
    fn the_second_waits_and_says_so() {
        let folder = tempfile::tempdir().expect("a folder");
        let target = folder.path().join("new");
        let first = take(&target, &mut |_| ()).expect("the first");
        let (sender, receiver) = mpsc::channel();
        let second = thread::spawn(move || {
            take(&target, &mut |line| {
                sender.send(line.to_owned()).expect("a listener")
            })
        });
        let said = receiver.recv().expect("it says that it waits");
        assert!(said.starts_with("waiting for another build"), "{said}");
        assert!(!second.is_finished());
        drop(first);
        second.join().expect("no panic").expect("the second");
    }
}
