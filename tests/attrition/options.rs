//! What the command line says.

use std::fmt;

/// A run of the program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    /// How many attempts of hostile plugins.
    pub(crate) attempts: u64,
    /// What the order of replacements follows from.
    pub(crate) seed: u64,
}

impl Options {
    pub(crate) fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            attempts: 5_000,
            seed: fastrand::u64(..1_000_000),
        };
        while let Some(arg) = args.next() {
            let value = args.next().unwrap_or_default();
            let number = || value.parse().map_err(|_| format!("no number: {value:?}"));
            match arg.as_str() {
                "--attempts" => options.attempts = number()?,
                "--seed" => options.seed = number()?,
                _ => return Err(format!("unknown: {arg}; known: --attempts --seed")),
            }
        }
        match options.attempts {
            2_000.. => Ok(options),
            _ => Err("--attempts: at least 2000".into()),
        }
    }
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "--attempts {} --seed {}", self.attempts, self.seed)
    }
}
