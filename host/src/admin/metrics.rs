//! `/metrics` in Prometheus' text format. Written by hand: a few lines of text
//! need no registry.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::Admin;
use crate::ingest::stats::{BUCKETS, Snapshot};

/// A page of metrics that is being written.
#[derive(Debug, Default)]
pub struct Page(String);

impl Page {
    /// Opens a metric: all its samples follow. `kind` is `counter`, `gauge` or
    /// `histogram`.
    pub fn metric(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string can't fail, here and below.
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    /// A counter without labels.
    pub fn counter(&mut self, name: &str, help: &str, count: u64) {
        self.metric(name, "counter", help);
        self.sample(name, &[], float(count));
    }

    /// A sample; label values may hold any text.
    pub fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.0.push_str(name);
        for (at, (label, text)) in labels.iter().enumerate() {
            let open = if at == 0 { '{' } else { ',' };
            let text = text
                .replace('\\', "\\\\")
                .replace('"', "\\\"")
                .replace('\n', "\\n");
            let _ = write!(self.0, "{open}{label}=\"{text}\"");
        }
        let close = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.0, "{close} {value}");
    }
}

pub(super) async fn page(State(admin): State<Arc<Admin>>) -> Response {
    let mut page = Page::default();
    page.metric("hookbox_ready", "gauge", "1 if the host handles events.");
    let ready = admin.readiness.reason().is_none();
    page.sample("hookbox_ready", &[], f64::from(u8::from(ready)));
    ingest(&mut page, &admin.stats.snapshot());
    // A store that can't be read leaves its lines out, not the page.
    match admin.journal.counts().await {
        Ok(counts) => {
            page.metric("hookbox_events", "gauge", "Events in the store.");
            page.sample("hookbox_events", &[], float(counts.events));
            let name = "hookbox_deliveries";
            page.metric(name, "gauge", "Deliveries in the store by state.");
            for (state, count) in [
                ("pending", counts.pending),
                ("done", counts.done),
                ("ignored", counts.ignored),
                ("dead", counts.dead),
            ] {
                page.sample(name, &[("state", state)], float(count));
            }
            let name = "hookbox_outbox_requests";
            page.metric(name, "gauge", "Requests in the outbox by state.");
            page.sample(name, &[("state", "pending")], float(counts.outbox_pending));
            page.sample(name, &[("state", "dead")], float(counts.outbox_dead));
        }
        Err(error) => tracing::warn!("metrics lack the store's counts: {error}"),
    }
    for more in &admin.more_metrics {
        more(&mut page);
    }
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], page.0).into_response()
}

fn ingest(page: &mut Page, stats: &Snapshot) {
    let name = "hookbox_requests_total";
    page.metric(name, "counter", "Requests to endpoints by outcome.");
    page.sample(name, &[("outcome", "stored")], float(stats.stored));
    page.sample(name, &[("outcome", "duplicate")], float(stats.duplicates));
    for (code, count) in &stats.refused {
        page.sample(name, &[("outcome", code)], float(*count));
    }
    page.metric(
        "hookbox_answer_seconds",
        "histogram",
        "Time from a request's head to its answer.",
    );
    let bucket = "hookbox_answer_seconds_bucket";
    for (end, count) in BUCKETS.iter().zip(stats.buckets) {
        let end = seconds(*end).to_string();
        page.sample(bucket, &[("le", &end)], float(count));
    }
    page.sample(bucket, &[("le", "+Inf")], float(stats.answers));
    page.sample("hookbox_answer_seconds_sum", &[], seconds(stats.micros));
    page.sample("hookbox_answer_seconds_count", &[], float(stats.answers));
}

#[expect(
    clippy::cast_precision_loss,
    reason = "the format's numbers are floats; exact up to 2^53"
)]
fn float(count: u64) -> f64 {
    count as f64
}

fn seconds(micros: u64) -> f64 {
    float(micros) / 1e6
}
