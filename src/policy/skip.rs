//! The skip annotations: an object's own waiver of policies, with a reason and an optional time limit.

use std::collections::BTreeMap;

use super::PolicyId;

/// Comma-separated policy ids.
pub const SKIP: &str = "stategate.io/skip";
/// The reason: at least [`REASON_LENGTH`] characters.
pub const SKIP_REASON: &str = "stategate.io/skip-reason";
/// The end of the waiver: a date or an RFC 3339 time. Without it the waiver does not expire.
pub const SKIP_UNTIL: &str = "stategate.io/skip-until";
/// Minimum length of a reason, in characters: a reason is a sentence, not a dot.
pub const REASON_LENGTH: usize = 10;

/// The waiver that an object requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skip {
    /// The policies to skip.
    pub policies: Vec<PolicyId>,
    /// The reason.
    pub reason: String,
}

/// A skip annotation that does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SkipError {
    /// There is no reason.
    #[error("{SKIP} is ignored: {SKIP_REASON} must say why, in {REASON_LENGTH} characters or more")]
    NoReason,
    /// Wildcards would also skip policies that nobody considered.
    #[error("{SKIP} is ignored: it names policies one by one, without wildcards")]
    Wildcard,
    /// The time cannot be parsed.
    #[error(
        "{SKIP} is ignored: {SKIP_UNTIL} is neither a date (2027-01-31) nor a time with its zone (2027-01-31T12:00:00Z)"
    )]
    Until,
    /// The waiver has expired.
    #[error("{SKIP} is ignored: it ran out at {0}")]
    Expired(jiff::Timestamp),
}

/// Reads the annotations of an object. None if they request no waiver.
///
/// # Errors
/// If the request is invalid; then nothing is skipped.
pub fn skip(annotations: &BTreeMap<String, String>, now: jiff::Timestamp) -> Result<Option<Skip>, SkipError> {
    let get = |key: &str| annotations.get(key).map(|text| text.trim()).filter(|text| !text.is_empty());
    let Some(ids) = get(SKIP) else { return Ok(None) };
    if ids.contains(['*', '?']) {
        return Err(SkipError::Wildcard);
    }
    let reason = get(SKIP_REASON)
        .filter(|reason| reason.chars().count() >= REASON_LENGTH)
        .ok_or(SkipError::NoReason)?;
    if let Some(until) = get(SKIP_UNTIL) {
        let end = instant(until).ok_or(SkipError::Until)?;
        if end <= now {
            return Err(SkipError::Expired(end));
        }
    }
    let policies = ids.split(',').map(str::trim).filter(|id| !id.is_empty()).map(PolicyId::new).collect();
    Ok(Some(Skip { policies, reason: reason.to_owned() }))
}

/// Parses a time with its zone, or a date as the end of that day in UTC.
pub fn instant(text: &str) -> Option<jiff::Timestamp> {
    let end_of_day = || {
        // jiff also finds a date in a time without a zone, which would silently become another time.
        let only_a_date = text.chars().all(|c| c.is_ascii_digit() || c == '-');
        let day: jiff::civil::Date = text.parse().ok().filter(|_| only_a_date)?;
        Some(day.tomorrow().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
    };
    // A date alone is not an instant: jiff parses one only with a time zone.
    text.parse().ok().or_else(end_of_day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(skip: &str, reason: &str, until: &str) -> Result<Option<Skip>, SkipError> {
        let annotations = [(SKIP, skip), (SKIP_REASON, reason), (SKIP_UNTIL, until)]
            .into_iter()
            .filter(|(_, text)| !text.is_empty())
            .map(|(key, text)| (key.to_owned(), text.to_owned()))
            .collect();
        super::skip(&annotations, "2026-06-15T12:00:00Z".parse().unwrap())
    }

    #[test]
    fn a_reasoned_skip_counts_until_its_time() {
        let reason = "single node until the migration";
        let skip = ask(" a , b,", reason, "").unwrap().unwrap();
        assert_eq!(skip.policies, [PolicyId::new("a"), PolicyId::new("b")]);
        assert!(ask("a", reason, "2026-06-15").is_ok(), "the day itself is still in");
        assert!(ask("a", reason, "2026-06-15T12:00:01Z").is_ok());
        assert!(ask("a", reason, "2026-06-15T14:00:01+02:00").is_ok());
        assert_eq!(ask("", reason, ""), Ok(None));
    }

    #[test]
    fn a_bad_one_does_not() {
        let reason = "single node until the migration";
        assert_eq!(ask("a", "", ""), Err(SkipError::NoReason));
        assert_eq!(ask("a", "because", ""), Err(SkipError::NoReason));
        assert_eq!(ask("*", reason, ""), Err(SkipError::Wildcard));
        for until in
            ["soon", "2026-06-16T12:00:00", "2026-06-16 12:00", "2026-06-16[Europe/Berlin]", "2026-06-31"]
        {
            assert_eq!(ask("a", reason, until), Err(SkipError::Until));
        }
        assert!(matches!(ask("a", reason, "2026-06-14"), Err(SkipError::Expired(_))));
        assert!(matches!(ask("a", reason, "2026-06-15T12:00:00Z"), Err(SkipError::Expired(_))));
    }
}
