//! What the command line says.

/// What is measured, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// What the ingest path notices of harm, instead of what an answer costs.
    pub(crate) hostile: bool,
    pub(crate) seconds: u64,
    pub(crate) rounds: usize,
    pub(crate) pairs: usize,
    pub(crate) rate: u64,
    /// All harm there is, instead of the worst of each kind.
    pub(crate) all: bool,
    /// Only harm whose name contains this.
    pub(crate) only: Option<String>,
}

impl Options {
    pub(crate) fn parse(args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            hostile: false,
            seconds: 0,
            rounds: 5,
            pairs: 7,
            rate: 500,
            all: false,
            only: None,
        };
        let mut args = args;
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
            let number = |value: String| match value.parse::<u32>() {
                Ok(0) | Err(_) => Err(format!("{arg} {value}: no number from 1 on")),
                Ok(number) => Ok(number),
            };
            match arg.as_str() {
                "--hostile" => options.hostile = true,
                "--seconds" => options.seconds = number(value()?)?.into(),
                "--rounds" => options.rounds = number(value()?)? as usize,
                "--pairs" => options.pairs = number(value()?)? as usize,
                "--rate" => options.rate = number(value()?)?.into(),
                "--all" => options.all = true,
                "--only" => options.only = Some(value()?),
                // cargo bench passes this to every benchmark.
                "--bench" => {}
                other => {
                    return Err(format!(
                        "unknown argument {other}; known: --seconds --rounds --rate, --hostile --pairs --all --only"
                    ));
                }
            }
        }
        if options.seconds == 0 {
            options.seconds = if options.hostile { 2 } else { 5 };
        }
        Ok(options)
    }
}
