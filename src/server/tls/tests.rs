use super::*;

use std::fs;
use std::time::SystemTime;

use jiff::{SignedDuration, Timestamp};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use crate::telemetry::exposition::Exposition;
use crate::telemetry::metrics::Metrics;

/// A root, an intermediate, and a leaf of it that ends at this time: the leaf with its chain, its key, and the root.
fn chain(end: Timestamp) -> [String; 3] {
    let params = |authority: bool| {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        if authority {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        params.not_before = SystemTime::from(end - SignedDuration::from_hours(24 * 90)).into();
        params.not_after = SystemTime::from(end).into();
        params
    };
    let keys: [KeyPair; 3] = std::array::from_fn(|_| KeyPair::generate().unwrap());
    let [root_key, middle_key, leaf_key] = keys;
    let root = params(true).self_signed(&root_key).unwrap();
    let middle = params(true).signed_by(&middle_key, &Issuer::new(params(true), &root_key)).unwrap();
    let leaf = params(false).signed_by(&leaf_key, &Issuer::new(params(true), &middle_key)).unwrap();
    [leaf.pem() + &middle.pem(), leaf_key.serialize_pem(), root.pem()]
}

fn files(dir: &Path, [chain, key, _]: &[String; 3]) -> Tls {
    let (cert_file, key_file) = (dir.join("tls.crt"), dir.join("tls.key"));
    fs::write(&cert_file, chain).unwrap();
    fs::write(&key_file, key).unwrap();
    Tls::Files { cert: cert_file, key: key_file }
}

fn serving() -> (Serving, Arc<Metrics>) {
    let metrics = Arc::new(Metrics::new("", "", 0));
    (Serving::new(None, Arc::clone(&metrics)).unwrap(), metrics)
}

#[test]
fn files_may_hold_a_chain_and_must_fit() {
    let [dir, other] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let end = Timestamp::now() + SignedDuration::from_hours(24);
    let tls = files(dir.path(), &chain(end));
    let read = tls.read().unwrap();
    assert_eq!(read.chain().unwrap().len(), 2);
    assert_eq!(read.config(None).unwrap().alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
    assert!(tls.ca_file().is_none());
    files(other.path(), &chain(end));
    fs::copy(other.path().join("tls.key"), dir.path().join("tls.key")).unwrap();
    let (serving, _) = serving();
    let error = serving.offer(tls.read().unwrap()).unwrap_err().to_string();
    assert!(error.contains("tls.crt") && error.contains("tls.key"), "{error}");
    assert!(!serving.is_there(), "nothing unusable is in force");
}

#[test]
fn the_end_is_a_metric_a_line_and_near_it_a_warning() {
    let dir = tempfile::tempdir().unwrap();
    let end: Timestamp = "2030-01-01T00:00:00Z".parse().unwrap();
    let tls = files(dir.path(), &chain(end));
    let (serving, metrics) = serving();
    let day = |days: i64| end - SignedDuration::from_hours(24 * days);
    assert_eq!(serving.describe(day(1)), "certificate: none yet\n");
    assert!(serving.offer(tls.read().unwrap()).unwrap());
    assert!(!serving.offer(tls.read().unwrap()).unwrap(), "the same is nothing new");
    serving.look(day(30));
    let text = metrics.encode(Exposition::OpenMetrics).unwrap();
    let expected = format!("stategate_certificate_expiry_timestamp_seconds {}", end.as_second());
    assert!(text.lines().any(|line| line == expected), "{text}");
    for (days, said) in [(15, ""), (13, ", about to expire"), (-1, ", expired")] {
        let line = serving.describe(day(days));
        assert!(line.contains(&format!(" until 2030-01-01T00:00:00Z{said}, SHA-256 ")), "{line}");
    }
}

#[test]
fn a_short_life_ends_soon_in_its_last_sixth() {
    let facts = |hours: i64| {
        let until: Timestamp = "2030-01-01T00:00:00Z".parse().unwrap();
        CertificateFacts {
            subject: String::new(),
            issuer: String::new(),
            names: Vec::new(),
            from: until - SignedDuration::from_hours(hours),
            until,
            fingerprint: String::new(),
        }
    };
    let hours =
        |facts: &CertificateFacts, left: i64| facts.ends_soon(facts.until - SignedDuration::from_hours(left));
    let (year, day) = (facts(24 * 365), facts(24));
    assert!(hours(&year, 14 * 24 - 1) && !hours(&year, 14 * 24));
    assert!(hours(&day, 3) && !hours(&day, 4));
}
