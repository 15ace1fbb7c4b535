//! What was found: a line for each thing.

use serde::Serialize;
use serde_json::{Value, json};

use crate::cli::operator::text;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Level {
    /// As it should be.
    Ok,
    /// A host starts, but someone should look at it.
    Warning,
    /// A host doesn't start, or loses something.
    Problem,
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Line {
    pub(super) level: Level,
    /// What it is about.
    pub(super) topic: String,
    /// What was found.
    pub(super) found: String,
    /// What to do.
    pub(super) advice: Option<String>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Report {
    pub(super) lines: Vec<Line>,
}

impl Report {
    pub(super) fn ok(&mut self, topic: &str, found: impl Into<String>) {
        self.add(Level::Ok, topic, found.into(), None);
    }

    pub(super) fn warning(&mut self, topic: &str, found: impl Into<String>, advice: Option<&str>) {
        self.add(Level::Warning, topic, found.into(), advice);
    }

    pub(super) fn problem(&mut self, topic: &str, found: impl Into<String>, advice: Option<&str>) {
        self.add(Level::Problem, topic, found.into(), advice);
    }

    fn add(&mut self, level: Level, topic: &str, found: String, advice: Option<&str>) {
        self.lines.push(Line {
            level,
            topic: topic.to_owned(),
            found,
            advice: advice.map(str::to_owned),
        });
    }

    fn count(&self, level: Level) -> usize {
        self.lines.iter().filter(|line| line.level == level).count()
    }

    pub(super) fn problems(&self) -> usize {
        self.count(Level::Problem)
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "problems": self.problems(),
            "warnings": self.count(Level::Warning),
            "lines": self.lines,
        })
    }

    pub(super) fn text(&self) -> String {
        let widths = self.lines.iter().map(|line| line.topic.chars().count());
        let width = widths.max().unwrap_or(0);
        let mut out = String::new();
        for line in &self.lines {
            let (level, topic) = (line.level.word(), text::plain(&line.topic));
            let found = text::plain(&line.found);
            out.push_str(&format!("{level:<7}  {topic:<width$}  {found}\n"));
            if let Some(advice) = &line.advice {
                let advice = text::plain(advice);
                out.push_str(&format!("{:<7}  {:<width$}  -> {advice}\n", "", ""));
            }
        }
        let (problems, warnings) = (self.problems(), self.count(Level::Warning));
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        out.push_str(&format!(
            "\n{problems} problem{}, {warnings} warning{}\n",
            plural(problems),
            plural(warnings)
        ));
        out
    }
}
