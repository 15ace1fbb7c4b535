//! Says once for each file of the folder why it is no plugin; not more often
//! than an operator can read, however fast someone makes such files.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tracing::warn;

use super::folder::Refusal;
use super::listing::MAX_REFUSED;

/// In which at most [`MAX_REFUSED`] files are named.
const WINDOW: Duration = Duration::from_secs(60);

/// What has been said.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    said: BTreeMap<PathBuf, Refusal>,
    /// When the present window began, and what was said in it.
    window: Option<(Instant, usize)>,
    /// Whether it was said that there are more.
    said_more: bool,
}

impl Refusals {
    /// Says what is new.
    pub(super) fn say(&mut self, refused: BTreeMap<PathBuf, Refusal>, more: usize) {
        let (news, left_out) = self.news(refused, more, Instant::now());
        for (path, refusal) in news {
            warn!(file = ?path, "a file in the plugins folder is not taken: {refusal}");
        }
        if left_out {
            warn!(
                "more files in the plugins folder are not taken than are named here: `hookbox doctor` says which"
            );
        }
    }

    /// What is to be said of a listing, and whether something stays unsaid for
    /// the first time.
    fn news(
        &mut self,
        refused: BTreeMap<PathBuf, Refusal>,
        more: usize,
        now: Instant,
    ) -> (Vec<(PathBuf, Refusal)>, bool) {
        let (since, mut said) = self.window.unwrap_or((now, 0));
        let over = now.saturating_duration_since(since) >= WINDOW;
        let since = if over { now } else { since };
        if over {
            said = 0;
            self.said_more = false;
        }
        let mut news = Vec::new();
        let mut unsaid = more > 0;
        let mut still = BTreeMap::new();
        for (path, refusal) in refused {
            let known = self.said.get(&path) == Some(&refusal);
            if !known && said >= MAX_REFUSED {
                unsaid = true;
                continue;
            }
            if !known {
                said += 1;
                news.push((path.clone(), refusal.clone()));
            }
            still.insert(path, refusal);
        }
        self.said = still;
        self.window = Some((since, said));
        let first = unsaid && !self.said_more;
        self.said_more |= unsaid;
        (news, first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(numbers: std::ops::Range<usize>) -> BTreeMap<PathBuf, Refusal> {
        let one = |number| (PathBuf::from(format!("{number:04}.WASM")), Refusal::Ending);
        numbers.map(one).collect()
    }

    #[test]
    fn each_file_is_named_once_and_again_when_it_has_changed() {
        let (mut refusals, now) = (Refusals::default(), Instant::now());
        assert_eq!(refusals.news(refused(0..2), 0, now).0.len(), 2);
        assert_eq!(refusals.news(refused(0..3), 0, now).0.len(), 1);
        let mut changed = refused(0..3);
        changed.insert("0000.WASM".into(), Refusal::Compiled);
        let (news, more) = refusals.news(changed, 0, now);
        assert_eq!(news, [("0000.WASM".into(), Refusal::Compiled)]);
        assert!(!more);
        assert!(refusals.news(refused(1..3), 0, now).0.is_empty());
        assert_eq!(refusals.news(refused(0..3), 0, now).0.len(), 1);
    }

    #[test]
    fn a_flood_of_them_is_told_once_a_minute() {
        let (mut refusals, now) = (Refusals::default(), Instant::now());
        assert!(refusals.news(refused(0..1), 5, now).1);
        assert!(!refusals.news(refused(0..1), 6, now).1);
        let mut named = 1;
        for round in 1..100 {
            let files = refused(round * 10..round * 10 + 10);
            named += refusals.news(files, 0, now).0.len();
        }
        assert_eq!(named, MAX_REFUSED);
        let (news, more) = refusals.news(refused(0..10), 1, now + WINDOW);
        assert_eq!((news.len(), more), (10, true));
    }
}
