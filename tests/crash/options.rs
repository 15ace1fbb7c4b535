//! What the command line says.

use std::fmt;

/// How the host dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Kill,
    Points,
    Power,
    /// Each of them in turn.
    All,
}

impl Kind {
    const NAMES: [(&str, Self); 4] = [
        ("kill", Self::Kill),
        ("points", Self::Points),
        ("power", Self::Power),
        ("all", Self::All),
    ];

    fn name(self) -> &'static str {
        let mut names = Self::NAMES.iter();
        names
            .find(|(_, kind)| *kind == self)
            .map_or("", |(name, _)| name)
    }
}

/// A run of the program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    pub(crate) rounds: u64,
    pub(crate) seed: u64,
    pub(crate) kind: Kind,
}

impl Options {
    pub(crate) fn parse(args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            rounds: 20,
            seed: fastrand::u64(..1_000_000),
            kind: Kind::All,
        };
        let mut args = args;
        while let Some(arg) = args.next() {
            let value = args.next().ok_or_else(|| format!("{arg} needs a value"))?;
            let number = || {
                value
                    .parse()
                    .map_err(|_| format!("{arg} {value}: no number"))
            };
            match arg.as_str() {
                "--rounds" => options.rounds = number()?,
                "--seed" => options.seed = number()?,
                "--kind" => {
                    let mut names = Kind::NAMES.iter();
                    let found = names.find(|(name, _)| *name == value);
                    options.kind = found.ok_or("--kind is kill, points, power or all")?.1;
                }
                _ => return Err(format!("unknown: {arg}; known: --rounds --seed --kind")),
            }
        }
        Ok(options)
    }

    /// The command line that says the same.
    pub(crate) fn arguments(&self) -> String {
        format!(
            "--rounds {} --seed {} --kind {}",
            self.rounds,
            self.seed,
            self.kind.name()
        )
    }
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.arguments())
    }
}
