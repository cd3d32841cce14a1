//! Follows the exceptions in force as time passes: a metric counts them, and the log names each that ends.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tracing::warn;

use super::reload::Current;
use crate::policy::exception::{Exception, ExceptionState};
use crate::policyset::PolicySet;
use crate::telemetry::metrics::Metrics;

/// Looks at the exceptions in force until the process ends.
pub async fn watch(current: Arc<Current>, metrics: Arc<Metrics>, mut told: Told, every: Duration) {
    let mut timer = tokio::time::interval(every);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        timer.tick().await;
        told.look(&current.in_force().set, jiff::Timestamp::now(), &metrics);
    }
}

/// Identifies an exception over reloads: its display name, its file, and its end.
type Key = (String, Arc<str>, Option<jiff::Timestamp>);

/// What the log has said of each exception.
#[derive(Debug, Default)]
pub struct Told(HashMap<Key, ExceptionState>);

impl Told {
    /// Counts the exceptions, and logs those that have expired, or are about to, since the last look.
    pub fn look(&mut self, set: &PolicySet, now: jiff::Timestamp, metrics: &Metrics) {
        let mut counts = ExceptionState::ALL.map(|state| (state, 0));
        for exception in set.exceptions() {
            let state = exception.state(now);
            counts.iter_mut().filter(|(counted, _)| *counted == state).for_each(|(_, count)| *count += 1);
        }
        for (state, count) in counts {
            metrics.exceptions(state.as_str(), count);
        }
        self.news(set.exceptions(), now).into_iter().for_each(|(exception, state)| log(exception, state));
    }

    /// The exceptions whose state is not what it was, with that state. Forgets those that are gone.
    fn news<'a>(
        &mut self,
        exceptions: &'a [Exception],
        now: jiff::Timestamp,
    ) -> Vec<(&'a Exception, ExceptionState)> {
        let before = std::mem::take(&mut self.0);
        let mut news = Vec::new();
        for exception in exceptions {
            let state = exception.state(now);
            let key = (exception.display_name(), Arc::clone(&exception.source), exception.spec.expires_at);
            if before.get(&key) != Some(&state) {
                news.push((exception, state));
            }
            self.0.insert(key, state);
        }
        news
    }
}

fn log(exception: &Exception, state: ExceptionState) {
    let (name, place) = (exception.display_name(), exception.place());
    let end = exception.spec.expires_at.map(|end| end.to_string());
    match state {
        ExceptionState::Active => {}
        ExceptionState::Expiring => {
            warn!(exception = name, place, expires_at = end, "an exception expires within 14 days");
        }
        ExceptionState::Expired => {
            warn!(exception = name, place, expires_at = end, "an exception has expired and waives nothing");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::exception::Authority;

    fn exception(name: &str, end: &str) -> Exception {
        let spec = serde_json::json!({
            "policies": ["a"], "match": {}, "reason": "until the migration", "expiresAt": end,
        });
        Exception {
            name: name.to_owned(),
            namespace: "shop".to_owned(),
            authority: Authority::File,
            spec: serde_json::from_value(spec).unwrap(),
            source: "b.yaml".into(),
            line: 3,
        }
    }

    #[test]
    fn each_state_of_an_exception_is_told_once() {
        let mut told = Told::default();
        let mut news = |exceptions: &[Exception], now: &str| -> Vec<(String, ExceptionState)> {
            let news = told.news(exceptions, now.parse().unwrap());
            news.into_iter().map(|(exception, state)| (exception.name.clone(), state)).collect()
        };
        let is = |name: &str, state| vec![(name.to_owned(), state)];
        let first = [exception("one", "2026-06-30T00:00:00Z")];
        assert_eq!(news(&first, "2026-06-01T00:00:00Z"), is("one", ExceptionState::Active));
        assert_eq!(news(&first, "2026-06-15T00:00:00Z"), []);
        assert_eq!(news(&first, "2026-06-16T00:00:00Z"), is("one", ExceptionState::Expiring));
        assert_eq!(news(&first, "2026-06-29T23:59:59Z"), []);
        let both = [first[0].clone(), exception("two", "2026-06-01")];
        assert_eq!(news(&both, "2026-06-29T23:59:59Z"), is("two", ExceptionState::Expired));
        assert_eq!(news(&both, "2026-06-30T00:00:00Z"), is("one", ExceptionState::Expired));
        assert_eq!(news(&both, "2026-07-30T00:00:00Z"), []);
        let renewed = [exception("one", "2026-12-31")];
        assert_eq!(news(&renewed, "2026-07-30T00:00:00Z"), is("one", ExceptionState::Active));
    }
}
