//! `hookbox retry`: what was given up, once more.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::operator::interrupt::{EXIT_CODE, Interrupt};
use super::operator::{Api, ClientError, OperatorError, Target, note, print, print_json};
use crate::config;
use crate::types::{EndpointName, PluginName};

const EXAMPLES: &str = "\
Examples:
  hookbox retry 4711 4712                   two dead deliveries
  hookbox retry --plugin transcript --all-dead
  hookbox retry --outbox 17                 a dead request of the outbox (see `hookbox outbox`)

What is run again runs outside its session's order, and its attempts are counted anew.";

/// Make dead deliveries (or requests of the outbox) pending again.
#[derive(Debug, clap::Args)]
#[command(
    after_help = EXAMPLES,
    override_usage = "hookbox retry [OPTIONS] <ID>...\n       hookbox retry [OPTIONS] --plugin <NAME> --all-dead\n       hookbox retry [OPTIONS] --outbox <ID>..."
)]
pub(super) struct Args {
    /// Which: the ids that `hookbox deliveries --state dead` shows.
    #[arg(required_unless_present = "all_dead", conflicts_with = "all_dead")]
    ids: Vec<i64>,
    /// With --all-dead: of which plugin.
    #[arg(long, value_name = "NAME", value_parser = PluginName::new, requires = "all_dead", conflicts_with = "ids")]
    plugin: Option<PluginName>,
    /// The plugin's endpoint, where several have one of this name.
    #[arg(long, value_name = "NAME", value_parser = EndpointName::new, requires = "plugin")]
    endpoint: Option<EndpointName>,
    /// All dead deliveries of the plugin, instead of ids.
    #[arg(long, requires = "plugin")]
    all_dead: bool,
    /// The ids are those of requests in the outbox.
    #[arg(long, conflicts_with = "all_dead")]
    outbox: bool,
    #[command(flatten)]
    target: Target,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, OperatorError> {
    let client = args.target.client(&config::environment)?;
    match &args.plugin {
        Some(plugin) => {
            let interrupt = Interrupt::watch().map_err(OperatorError::Signals)?;
            all(&client, plugin, args, &interrupt)
        }
        None => some(&client, args),
    }
}

/// Each by itself: one that isn't dead doesn't keep the others from being run.
/// Where the host goes away meanwhile, what was done before is said.
fn some(api: &impl Api, args: &Args) -> Result<ExitCode, OperatorError> {
    let kind = if args.outbox { "outbox" } else { "deliveries" };
    let mut done = Vec::new();
    let mut refused = Vec::new();
    for id in &args.ids {
        match api.post(&format!("/api/{kind}/{id}/retry"), &json!({})) {
            Ok(_) => done.push(id),
            Err(ClientError::Refused { message, .. }) => {
                note(&format!("{id}: {message}"));
                refused.push(json!({"id": id, "reason": message}));
            }
            Err(error) => {
                for id in done {
                    note(&format!("{id}: pending again"));
                }
                return Err(error.into());
            }
        }
    }
    let all_done = refused.is_empty();
    if args.target.json {
        print_json(&json!({"pending": done, "refused": refused}));
    } else if !done.is_empty() {
        print(&format!("{} pending again\n", done.len()));
    }
    Ok(if all_done {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn all(
    api: &impl Api,
    plugin: &PluginName,
    args: &Args,
    interrupt: &Interrupt,
) -> Result<ExitCode, OperatorError> {
    let mut body = json!({"plugin": plugin});
    if let Some(endpoint) = &args.endpoint {
        body["endpoint"] = json!(endpoint);
    }
    let mut deliveries = 0;
    let mut next = Value::Null;
    loop {
        let step = api.post("/api/retry", &body).inspect_err(|_| {
            if deliveries > 0 {
                note(&format!("{deliveries} pending again before this"));
            }
        })?;
        deliveries += step["deliveries"].as_u64().unwrap_or(0);
        next.clone_from(&step["next"]);
        if next.is_null() || interrupt.is_set() {
            break;
        }
        note(&format!("{deliveries} pending again so far"));
        body["after"].clone_from(&next);
    }
    if args.target.json {
        print_json(&json!({"deliveries": deliveries, "next": next}));
    } else {
        let more = if next.is_null() {
            ""
        } else {
            "; there are more"
        };
        print(&format!("{deliveries} pending again{more}\n"));
    }
    Ok(if next.is_null() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_CODE)
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::operator::fake::Fake;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn args(line: &[&str]) -> Result<Args, clap::Error> {
        Line::try_parse_from([&["retry"], line].concat()).map(|line| line.args)
    }

    fn silent() -> Fake<'static> {
        Fake::new(|path, _| panic!("nothing is to be read from {path}"))
    }

    #[test]
    fn either_ids_or_a_plugin_are_named() {
        for good in [
            &["1", "2"][..],
            &["--plugin", "p", "--all-dead"],
            &["--outbox", "3"],
        ] {
            assert!(args(good).is_ok(), "{good:?}");
        }
        for bad in [
            &[][..],
            &["--all-dead"],
            &["--plugin", "p"],
            &["--plugin", "p", "1"],
            &["1", "--plugin", "p", "--all-dead"],
            &["--outbox", "--plugin", "p", "--all-dead"],
            &["x"],
            &["--plugin", "P", "--all-dead"],
        ] {
            assert!(args(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn each_id_is_tried_although_one_is_refused() {
        let fake = silent().on_post(|path, _| match path {
            "/api/outbox/1/retry" => Err(ClientError::Refused {
                status: 409,
                message: "it isn't dead".into(),
            }),
            _ => Ok(json!({"state": "pending"})),
        });
        let args = args(&["--outbox", "1", "2"]).expect("good");
        let code = some(&fake, &args).expect("it answers");
        assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::FAILURE));
        let paths: Vec<_> = fake
            .posts
            .borrow()
            .iter()
            .map(|(path, _)| path.clone())
            .collect();
        assert_eq!(paths, ["/api/outbox/1/retry", "/api/outbox/2/retry"]);
    }

    #[test]
    fn all_dead_ones_are_retried_step_by_step_until_ctrl_c() {
        let step = |_: &str, body: &Value| {
            let after = body["after"].as_i64().unwrap_or(0);
            let next = if after < 20 {
                json!(after + 10)
            } else {
                Value::Null
            };
            Ok(json!({"deliveries": 10, "seen": 10, "next": next}))
        };
        let args = args(&["--plugin", "p", "--all-dead"]).expect("good");
        let plugin = PluginName::new("p").expect("a name");
        let run = |interrupt: &Interrupt| {
            let fake = silent().on_post(step);
            all(&fake, &plugin, &args, interrupt).expect("it answers");
            fake.posts.into_inner()
        };
        let bodies: Vec<_> = run(&Interrupt::default())
            .into_iter()
            .map(|(_, body)| body)
            .collect();
        assert_eq!(
            bodies,
            [
                json!({"plugin": "p"}),
                json!({"plugin": "p", "after": 10}),
                json!({"plugin": "p", "after": 20})
            ]
        );
        let pressed = Interrupt::default();
        pressed.set();
        assert_eq!(run(&pressed).len(), 1);
    }
}
