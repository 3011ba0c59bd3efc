//! What is measured, for Prometheus.

use std::collections::BTreeSet;
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use metrics::{Label, counter, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use tokio::time::{MissedTickBehavior, interval};

use super::sites::SiteName;

/// Upper bounds of the buckets, in seconds: from a hit in a cache to a store that is slow.
const BUCKETS: [f64; 14] = [
    0.000_01, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.25,
    1.0, 5.0,
];

/// How often measurements are sorted into buckets. Until then every single value is
/// kept, even if nobody ever asks for them.
const UPKEEP: Duration = Duration::from_secs(5);

/// All that was measured in this process.
#[derive(Clone, Debug)]
pub(crate) struct Measures(PrometheusHandle);

impl Measures {
    /// Begins to measure. To be called once, within a runtime.
    pub(crate) fn install() -> Result<Self, CannotMeasure> {
        let recorder = recorder()?;
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder).map_err(|_| CannotMeasure)?;
        describe();
        let kept = handle.clone();
        tokio::spawn(async move {
            let mut ticks = interval(UPKEEP);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                kept.run_upkeep();
            }
        });
        Ok(Self(handle))
    }

    /// In Prometheus' text format.
    pub(crate) fn text(&self) -> String {
        self.0.render()
    }

    /// Renders a recorder other than the process's.
    #[cfg(test)]
    pub(crate) fn of(recorder: &PrometheusRecorder) -> Self {
        Self(recorder.handle())
    }
}

/// Builds the recorder. Fails only if `BUCKETS` is empty.
pub(crate) fn recorder() -> Result<PrometheusRecorder, CannotMeasure> {
    let builder = PrometheusBuilder::new().set_buckets(&BUCKETS).map_err(|_| CannotMeasure)?;
    Ok(builder.build_recorder())
}

/// What the measures are about, and those that never change.
pub(crate) fn describe() {
    describe_counter!("didt_requests_total", "Decisions about requests, by outcome.");
    describe_histogram!("didt_verify_seconds", "Verifications of tokens, by cache and outcome.");
    describe_histogram!(
        "didt_store_seconds",
        "Calls of the session store, by operation and outcome."
    );
    describe_counter!("didt_request_timeouts_total", "Requests not answered in time.");
    describe_counter!(
        "didt_unread_answers_total",
        "Answers that were dropped because their client did not read, or the ones before them."
    );
    describe_counter!(
        "didt_log_lines_dropped_total",
        "Lines of the log that could not wait for the reader of standard error, by kind."
    );
    describe_gauge!("didt_connections", "Connections that are open, by listener.");
    describe_counter!(
        "didt_refusals_total",
        "Checks that were not answered with 200, by reason, rule and, of several, site."
    );
    describe_counter!("didt_site_checks_total", "Checks at each of several sites, by outcome.");
    describe_counter!(
        "didt_rate_limited_total",
        "Requests that were refused before their token was looked at, by limit."
    );
    describe_gauge!(
        "didt_config_generation",
        "Readings of the settings that took effect, the one at the start included."
    );
    describe_counter!(
        "didt_config_reloads_total",
        "Times that the settings were read again, by outcome: applied, unchanged, refused."
    );
    describe_gauge!(
        "didt_config_last_reload_successful",
        "0 where the settings that were read last were refused, else 1."
    );
    describe_gauge!("didt_build_info", "1, and the version as a label.");
    // The name that Prometheus' own client libraries give it.
    describe_gauge!("process_start_time_seconds", "When this process began, in Unix seconds.");
    gauge!("didt_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    let began = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    gauge!("process_start_time_seconds").set(began.as_secs_f64());
}

/// How many names of rules are labels of a metric; those of further ones, which reloads may bring, are
/// `other`. Reasons are words of the program.
const MAX_RULE_LABELS: usize = 256;

/// The same for names of sites: as many as one file can have.
const MAX_SITE_LABELS: usize = 64;

static RULES: Labels<MAX_RULE_LABELS> = Labels(RwLock::new(BTreeSet::new()));
static SITES: Labels<MAX_SITE_LABELS> = Labels(RwLock::new(BTreeSet::new()));

/// Counts a check that was not answered with 200. Without names of sites, there is no such label.
pub(crate) fn refusal(reason: &'static str, rule: Option<&str>, site: Option<&SiteName>) {
    let rule = rule.map_or_else(|| "none".to_owned(), |name| RULES.label(name));
    let mut labels = vec![Label::new("reason", reason), Label::new("rule", rule)];
    labels.extend(site.map(|site| Label::new("site", SITES.label(site.as_str()))));
    counter!("didt_refusals_total", labels).increment(1);
}

/// Counts a check at one of several sites.
pub(crate) fn check(site: &SiteName, passed: bool) {
    let outcome = if passed { "passed" } else { "refused" };
    let site = SITES.label(site.as_str());
    counter!("didt_site_checks_total", "site" => site, "outcome" => outcome).increment(1);
}

/// Names that are labels, so many at most.
struct Labels<const MAX: usize>(RwLock<BTreeSet<String>>);

impl<const MAX: usize> Labels<MAX> {
    /// The name, or `other`.
    fn label(&self, name: &str) -> String {
        if self.0.read().unwrap_or_else(PoisonError::into_inner).contains(name) {
            return name.to_owned();
        }
        let mut labels = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if labels.len() < MAX {
            labels.insert(name.to_owned());
        }
        if labels.contains(name) { name.to_owned() } else { "other".to_owned() }
    }
}

/// Something else measures already.
#[derive(Debug)]
pub(crate) struct CannotMeasure;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_rules_and_sites_are_labels_within_bounds() {
        let rules: BTreeSet<_> =
            (0..2 * MAX_RULE_LABELS).map(|number| RULES.label(&format!("r{number}"))).collect();
        assert!(rules.len() <= MAX_RULE_LABELS + 1 && rules.contains("other"));
        let sites: BTreeSet<_> =
            (0..2 * MAX_SITE_LABELS).map(|number| SITES.label(&format!("s{number}"))).collect();
        assert!(sites.len() <= MAX_SITE_LABELS + 1 && sites.contains("other"));
    }
}
