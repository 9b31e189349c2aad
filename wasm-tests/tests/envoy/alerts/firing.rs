//! Waits for alerts to fire, and says how long after their fault they did.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};
use wasm_tests::stage::prometheus::Watcher;

/// No alert takes longer than that: the longest window and the longest `for` are a quarter of an hour, and here seconds.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(250);

/// An alert that is awaited.
struct Awaited {
    fault: &'static str,
    since: Instant,
    alert: &'static str,
    /// The instance that it must be about; without one it is about all.
    instance: Option<String>,
    fired_after: Option<Duration>,
}

/// What is awaited of a Prometheus.
pub(super) struct Firing<'p> {
    prometheus: &'p Watcher,
    awaited: Vec<Awaited>,
}

impl<'p> Firing<'p> {
    pub(super) fn new(prometheus: &'p Watcher) -> Self {
        Self { prometheus, awaited: Vec::new() }
    }

    /// The alerts that fire now.
    pub(super) async fn now(&self) -> Vec<Value> {
        self.prometheus.alerts().await.into_iter().filter(|alert| alert["state"] == "firing").collect()
    }

    /// Awaits these alerts about this instance, or about all, because of a fault that is there since then.
    pub(super) fn expect(
        &mut self,
        fault: &'static str,
        since: Instant,
        instance: Option<&str>,
        alerts: &[&'static str],
    ) {
        for alert in alerts {
            let instance = instance.map(str::to_owned);
            self.awaited.push(Awaited { fault, since, alert, instance, fired_after: None });
        }
    }

    /// Looks for so long.
    pub(super) async fn look_for(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.look().await;
            sleep(PAUSE).await;
        }
    }

    /// Looks until all that is awaited has fired.
    pub(super) async fn look_until_all_fire(&mut self) {
        let started = Instant::now();
        while self.awaited.iter().any(|awaited| awaited.fired_after.is_none()) {
            assert!(started.elapsed() < PATIENCE, "not all fired in {PATIENCE:?}:\n{}", self.table());
            self.look().await;
            sleep(PAUSE).await;
        }
    }

    async fn look(&mut self) {
        let firing = self.now().await;
        for awaited in self.awaited.iter_mut().filter(|awaited| awaited.fired_after.is_none()) {
            let is_it = |alert: &&Value| {
                alert["labels"]["alertname"] == awaited.alert
                    && alert["labels"]["instance"].as_str() == awaited.instance.as_deref()
            };
            if firing.iter().any(|alert| is_it(&alert)) {
                awaited.fired_after = Some(awaited.since.elapsed());
            }
        }
    }

    /// The names of all that was awaited.
    pub(super) fn names(&self) -> BTreeSet<&'static str> {
        self.awaited.iter().map(|awaited| awaited.alert).collect()
    }

    /// Which fault, which alert, after how many seconds.
    pub(super) fn table(&self) -> String {
        let row = |awaited: &Awaited| {
            let after =
                awaited.fired_after.map_or_else(|| "-".to_owned(), |after| format!("{:.1}", after.as_secs_f64()));
            let instance = awaited.instance.as_deref().unwrap_or("all");
            format!("| {} | {} | {instance} | {after} |\n", awaited.fault, awaited.alert)
        };
        let rows: String = self.awaited.iter().map(row).collect();
        format!("| fault | alert | gateway | fires after, s |\n|---|---|---|---|\n{rows}")
    }
}
