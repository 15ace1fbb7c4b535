//! The bundled plugins that keep and send something, as they are built, in a real
//! sandbox on entries in memory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hookbox::outbound::client::Bounds;
use hookbox::outbound::{AllowedNets, Client, Connector, Grants, SystemResolver};
use hookbox::sandbox::{
    Attempt, AttemptLimits, EngineLimits, KvProblem, KvSource, Program, Report, Sandbox, Verdict,
    compile,
};
use hookbox::toolchain::{Options, build_plugin};
use hookbox::types::effects::{Effects, KvEntry, KvKey, KvPage, KvSnapshot, KvVersion};
use hookbox::types::event::Event;
use hookbox::types::payload::{ChatPush, Role};
use hookbox::types::secrets::{Given, Known, Offer, Offered, SecretName};
use hookbox::types::{DeliveryId, EndpointName, EventId, Payload, PluginName, Secret, UnixMicros};

/// A store of one writer: what an attempt wants kept is simply applied.
#[derive(Default)]
struct Memory {
    entries: Mutex<BTreeMap<(String, String), KvEntry>>,
    counters: Mutex<BTreeMap<String, i64>>,
}

impl Memory {
    fn commit(&self, effects: Effects) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        for write in effects.kv.writes {
            let at = (write.at.bucket, write.at.key);
            let version = KvVersion(1);
            match write.value {
                Some(value) => drop(entries.insert(at, KvEntry { value, version })),
                None => drop(entries.remove(&at)),
            }
        }
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        for add in effects.counters {
            *counters.entry(add.name).or_default() += add.delta;
        }
    }

    fn text(&self, bucket: &str, key: &str) -> Option<String> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.get(&(bucket.to_owned(), key.to_owned()))?;
        Some(String::from_utf8_lossy(&entry.value).into_owned())
    }

    fn counter(&self, name: &str) -> i64 {
        let counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        counters.get(name).copied().unwrap_or(0)
    }
}

#[async_trait]
impl KvSource for Memory {
    async fn open(&self) -> Result<KvSnapshot, KvProblem> {
        let version = KvVersion(1);
        Ok(KvSnapshot { version, used: 0 })
    }

    async fn get(
        &self,
        bucket: &str,
        keys: Vec<String>,
    ) -> Result<Vec<Option<KvEntry>>, KvProblem> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = |key: String| entries.get(&(bucket.to_owned(), key)).cloned();
        Ok(keys.into_iter().map(entry).collect())
    }

    async fn list(&self, bucket: &str, after: Option<String>) -> Result<KvPage, KvProblem> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let here = entries
            .keys()
            .filter(|(at, key)| at == bucket && Some(key) > after.as_ref());
        let keys = here.map(|(_, key)| (key.clone(), KvVersion(1)));
        Ok(KvPage {
            keys: keys.collect(),
            more: false,
        })
    }

    fn touch(&self, _: &KvKey) -> Result<(), KvProblem> {
        Ok(())
    }
}

struct Bench {
    sandbox: Sandbox,
    program: Program,
    memory: Arc<Memory>,
}

impl Bench {
    fn of(plugin: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let source: PathBuf = root.join("plugins").join(plugin);
        let out = tempfile::tempdir().expect("a folder");
        let built =
            build_plugin(&source, out.path(), &Options::default(), &mut |_| {}).expect("it builds");
        let component = std::fs::read(built.component).expect("it was written");
        let code = compile::compile(&compile::engine().expect("it starts"), &component)
            .expect("it compiles");
        let connector = Connector::new(
            Arc::new(SystemResolver),
            AllowedNets::default(),
            Vec::new(),
            Duration::from_secs(10),
        );
        let client = Client::new(connector, Bounds::default());
        let sandbox = Sandbox::new(EngineLimits::default(), client).expect("the engine starts");
        let program = sandbox.load(&code).expect("it fits");
        let memory = Arc::default();
        Self {
            sandbox,
            program,
            memory,
        }
    }

    /// Handles a message, and commits what the handler wants kept.
    async fn say(&self, session: &str, message: &str, config: &[(&str, &str)]) -> Report {
        self.say_with(session, message, config, Given::default(), &[])
            .await
    }

    async fn say_with(
        &self,
        session: &str,
        message: &str,
        config: &[(&str, &str)],
        secrets: Given,
        allow: &[&str],
    ) -> Report {
        let allow: Vec<_> = allow.iter().map(|&entry| entry.to_owned()).collect();
        let pair = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        let attempt = Attempt {
            event: Arc::new(event(session, message)),
            delivery: DeliveryId(1),
            plugin: PluginName::new("bundled").expect("a good name"),
            number: 1,
            manual: false,
            limits: AttemptLimits::default(),
            config: Arc::new(config.iter().map(pair).collect()),
            secrets: Arc::new(secrets),
            kv: self.memory.clone(),
            grants: Arc::new(Grants::parse(&allow).expect("good entries")),
        };
        let report = self.sandbox.run(&self.program, attempt).await;
        self.memory.commit(report.effects.clone());
        report
    }
}

fn event(session: &str, message: &str) -> Event {
    Event {
        id: EventId::generate(),
        endpoint: EndpointName::default_endpoint(),
        event_type: "chat.push".into(),
        agent_id: Some("A1".into()),
        session_id: Some(session.into()),
        occurred_at: Some(1_705_320_000.0),
        received_at: UnixMicros(0),
        test_header: false,
        body: Bytes::from_static(b"{}"),
        payload: Payload::ChatPush(ChatPush {
            role: Role::User,
            message: message.into(),
            session_id: session.into(),
            timestamp: 1_705_320_000.0,
            raw: "{}".into(),
        }),
    }
}

#[tokio::test]
async fn analytics_counts_messages_and_each_session_once() {
    let bench = Bench::of("analytics");
    for session in ["s-1", "s-2", "s-1", "s-1"] {
        let report = bench.say(session, "hello", &[]).await;
        assert_eq!(report.verdict, Verdict::Done, "{:?}", report.log);
    }
    assert_eq!(bench.memory.counter("messages A1 2024-01-15"), 4);
    assert_eq!(bench.memory.counter("sessions A1 2024-01-15"), 2);
    assert_eq!(
        bench.memory.text("summary", "A1 2024-01-15").as_deref(),
        Some(r#"{"sessions":2,"first":1705320000.0,"latest":1705320000.0}"#)
    );
}

#[tokio::test]
async fn slack_notifier_sends_nothing_that_isnt_configured_and_allowed() {
    let bench = Bench::of("slack-notifier");
    let report = bench.say("s-1", "a refund, please", &[]).await;
    assert_eq!(report.verdict, Verdict::Done);
    assert!(
        report.log[0].message.contains("no webhook_url"),
        "{:?}",
        report.log
    );
    let url = [("webhook_url", "https://hooks.slack.com/services/T0/B0/x")];
    let report = bench.say("s-1", "a refund, please", &url).await;
    let Verdict::Reject { reason } = report.verdict else {
        panic!("{:?}", report.verdict);
    };
    assert!(reason.contains("outbox:"), "{reason}");
    assert_eq!(report.effects, Effects::default());
}

#[tokio::test]
async fn slack_notifier_posts_to_its_secret_webhook_and_shows_it_nowhere() {
    const URL: &str = "https://hooks.slack.com/services/T0/B0/x";
    let bench = Bench::of("slack-notifier");
    let name = SecretName::new("SLACK_WEBHOOK").expect("a name");
    let mut offered = Offered::default();
    let known = Known::new(Secret::new(URL)).expect("it is fit");
    offered.add(name.clone(), known, None);
    let offer = Offer {
        endpoint: EndpointName::default_endpoint(),
        plugin: PluginName::new("slack-notifier").expect("a name"),
        secrets: Arc::new(offered),
    };
    let given = || {
        let asked = BTreeMap::from([("webhook_url".to_owned(), name.clone())]);
        offer.give(asked).expect("it is offered")
    };
    let say = "a refund, please";
    let allow = ["POST https://hooks.slack.com/services/"];
    let report = bench.say_with("s-1", say, &[], given(), &allow).await;
    assert_eq!(report.verdict, Verdict::Done, "{:?}", report.log);
    assert_eq!(report.effects.outbox[0].url, URL);
    assert!(!format!("{report:?}").contains("/T0/"), "{report:?}");
    let report = bench.say_with("s-1", say, &[], given(), &[]).await;
    assert!(matches!(report.verdict, Verdict::Reject { .. }));
    assert!(!format!("{report:?}").contains("/T0/"), "{report:?}");
}
