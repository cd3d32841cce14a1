//! Tells the decision log and the trace of each request that was answered.

use std::time::Instant;

use super::routes::App;
use super::traces::RequestSpan;
use crate::admission::Request;
use crate::admission::wire::Response;
use crate::decision::Decision;
use crate::policyset::PolicySet;
use crate::report::decision_entry::DecisionEntry;
use crate::telemetry::metrics::Answer;

/// Writes the entry of one request.
#[derive(Clone, Copy)]
pub struct Recorder<'a> {
    app: &'a App,
    webhook: &'static str,
    time: jiff::Timestamp,
    started: Instant,
    span: &'a RequestSpan,
}

/// What became of a request without a decision.
pub struct Undecided<'a> {
    pub answer: Answer,
    pub uid: &'a str,
    pub request: Option<&'a Request>,
    /// In words that are not the client's.
    pub reason: Option<&'a str>,
}

impl<'a> Recorder<'a> {
    /// For a request that arrives now.
    pub fn new(app: &'a App, webhook: &'static str, started: Instant, span: &'a RequestSpan) -> Self {
        Self { app, webhook, time: jiff::Timestamp::now(), started, span }
    }

    /// Writes that there is no decision.
    pub fn undecided(&self, undecided: &Undecided<'_>) {
        let Undecided { answer, uid, request, reason } = *undecided;
        // What cannot be read is refused if it can be answered at all.
        let allowed = (answer == Answer::Unreadable && !uid.is_empty()).then_some(false);
        let decision = Decision::default();
        self.write(&DecisionEntry { uid, request, reason, allowed, ..self.entry(answer, &decision) });
    }

    /// Writes what was decided, and by which policies if there were any to ask.
    pub fn decided(
        &self,
        request: &Request,
        answer: Answer,
        decision: &Decision,
        response: &Response,
        set: Option<&PolicySet>,
    ) {
        self.write(&DecisionEntry {
            uid: &request.uid,
            request: Some(request),
            allowed: Some(response.allowed),
            set,
            ..self.entry(answer, decision)
        });
    }

    fn entry<'e>(&self, answer: Answer, decision: &'e Decision) -> DecisionEntry<'e> {
        DecisionEntry {
            time: self.time,
            webhook: self.webhook,
            answer: answer.as_str(),
            uid: "",
            request: None,
            allowed: None,
            reason: None,
            decision,
            set: None,
            trace_id: None,
            took: self.started.elapsed(),
        }
    }

    fn write(&self, entry: &DecisionEntry<'_>) {
        self.span.decided(entry);
        let Some(log) = &self.app.decision_log else { return };
        let ordinary = entry.is_ordinary();
        if !log.wants(ordinary) {
            return;
        }
        let trace_id = self.span.trace_id();
        let entry = DecisionEntry { trace_id: trace_id.as_deref(), ..*entry };
        // Nothing of an entry cannot be JSON.
        if let Ok(line) = entry.line(log.sample().filter(|_| ordinary)) {
            log.write(line);
        }
    }
}
