//! The `caBundle`s of the webhook configurations: which authorities the API server trusts.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use serde_json::{Value, json};

use super::keyed::pem;
use super::{CertificateFacts, certificates, check, issue};
use crate::cluster::{Cluster, ClusterError, Resource, Write};
use crate::policyset::webhooks::is_labelled;

/// The most authorities of others that a `caBundle` keeps.
const MOST: usize = 16;

/// What became of the `caBundle`s.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Publication {
    /// All had the authorities.
    Complete,
    /// Some lacked one, and have it from now on.
    Added,
    /// This configuration lacks one, and is not stategate's to change.
    Foreign(String),
}

/// Sees to it that both webhook configurations trust these authorities. One that does not exist trusts nobody, and needs
/// nothing.
///
/// # Errors
/// If a configuration cannot be read or changed.
pub async fn publish(
    cluster: &Cluster,
    name: &str,
    wanted: &Wanted<'_>,
) -> Result<Publication, ClusterError> {
    let mut result = Publication::Complete;
    for resource in Resource::webhook_configurations() {
        let path = resource.object_path("", name);
        let Some(configuration) = cluster.get(&path).await? else { continue };
        let Some((patch, lacking)) = wanted.patch(&configuration) else { continue };
        if !is_labelled(&configuration) {
            if lacking {
                result = Publication::Foreign(format!("{} {name}", resource.kind.kind));
            }
            continue;
        }
        cluster.write(&path, Write::Strategic(&patch)).await?;
        if lacking && result == Publication::Complete {
            result = Publication::Added;
        }
    }
    Ok(result)
}

/// Whether the `caBundle`s of a webhook configuration have these authorities: of each webhook that calls stategate, its
/// name and the answer.
pub fn trusted(configuration: &Value, bundle: &[CertificateDer<'static>]) -> Vec<(String, bool)> {
    webhooks(configuration)
        .map(|(name, present)| (name.to_owned(), bundle.iter().all(|cert| present.contains(cert))))
        .collect()
}

/// Whether an API server accepts this certificate with its chain for one of its names, by the `caBundle`s of a webhook
/// configuration: of each webhook, its name and the answer.
pub fn accepted(
    configuration: &Value,
    chain: &[CertificateDer<'static>],
    now: Timestamp,
) -> Vec<(String, bool)> {
    let facts = chain.first().and_then(|leaf| CertificateFacts::read(leaf).ok());
    let name = facts.and_then(|facts| facts.names.into_iter().next()).unwrap_or_default();
    webhooks(configuration)
        .map(|(webhook, present)| (webhook.to_owned(), check::is_accepted(present.iter(), chain, &name, now)))
        .collect()
}

/// Which authorities the `caBundle`s should have.
pub struct Wanted<'a> {
    /// Those of stategate.
    pub bundle: &'a [CertificateDer<'static>],
    /// Whether no certificate of any other authority that stategate has made is in use. Else they stay: replicas may
    /// still be served from files.
    pub settled: bool,
    /// The time; what has ended is removed.
    pub now: Timestamp,
}

impl Wanted<'_> {
    /// The strategic merge patch of a configuration, and whether it adds anything; none if all is as it should be.
    fn patch(&self, configuration: &Value) -> Option<(Value, bool)> {
        let mut lacking = false;
        let mut changed = Vec::new();
        for (name, present) in webhooks(configuration) {
            if let Some(bundle) = self.beside(&present) {
                lacking |= self.bundle.iter().any(|cert| !present.contains(cert));
                changed.push(json!({"name": name, "clientConfig": {"caBundle": bundle}}));
            }
        }
        // Whoever changes the configuration at the same time is not undone.
        let version = configuration.pointer("/metadata/resourceVersion");
        let patch = || json!({"metadata": {"resourceVersion": version}, "webhooks": changed});
        (!changed.is_empty()).then(|| (patch(), lacking))
    }

    /// The `caBundle` that should be in the place of this one; none if it is as it should be.
    pub fn bundle_beside(&self, stored: &str) -> Option<String> {
        self.beside(&decoded(stored))
    }

    fn beside(&self, present: &[CertificateDer<'static>]) -> Option<String> {
        let lacks = self.bundle.iter().any(|cert| !present.contains(cert));
        let others = present.iter().filter(|cert| !self.bundle.contains(cert));
        let (kept, dropped): (Vec<_>, Vec<_>) = others.partition(|cert| self.keeps(cert));
        let all = self.bundle.iter().chain(kept.into_iter().take(MOST));
        let text = || STANDARD.encode(all.map(|cert| pem(cert)).collect::<String>());
        (lacks || !dropped.is_empty()).then(text)
    }

    /// Whether an authority that is not in the bundle stays.
    fn keeps(&self, cert: &CertificateDer<'static>) -> bool {
        CertificateFacts::read(cert).is_ok_and(|facts| {
            let own = facts.subject.starts_with(&format!("CN={}", issue::AUTHORITY));
            facts.until > self.now && !(own && self.settled)
        })
    }
}

/// The webhooks of a configuration, with the certificates in their `caBundle`s.
fn webhooks(configuration: &Value) -> impl Iterator<Item = (&str, Vec<CertificateDer<'static>>)> {
    let all = configuration.get("webhooks").and_then(Value::as_array);
    all.into_iter().flatten().filter_map(|webhook| {
        let name = webhook.get("name").and_then(Value::as_str)?;
        let text = webhook.pointer("/clientConfig/caBundle").and_then(Value::as_str).unwrap_or_default();
        Some((name, decoded(text)))
    })
}

/// The certificates of a `caBundle`; none if it cannot be read.
fn decoded(bundle: &str) -> Vec<CertificateDer<'static>> {
    certificates(&STANDARD.decode(bundle).unwrap_or_default(), "caBundle").unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::KeyPair;
    use std::time::Duration;

    fn authority(name: &str, end: u64) -> CertificateDer<'static> {
        let key = KeyPair::generate().unwrap();
        issue::authority(&key, name, Duration::ZERO, Duration::from_secs(end)).unwrap().der().clone()
    }

    fn configuration(bundles: &[&[&CertificateDer<'static>]]) -> Value {
        let webhook = |(number, bundle): (usize, &&[&CertificateDer<'static>])| {
            let text: String = bundle.iter().map(|cert| pem(cert)).collect();
            json!({"name": format!("{number}.stategate.io"), "clientConfig": {"caBundle": STANDARD.encode(text)}})
        };
        let webhooks: Vec<Value> = bundles.iter().enumerate().map(webhook).collect();
        json!({"metadata": {"resourceVersion": "7"}, "webhooks": webhooks})
    }

    #[test]
    fn what_is_missing_is_added_and_what_is_out_of_use_is_dropped() {
        let [new, old] = ["stategate CA 2", "stategate CA 1"].map(|name| authority(name, 1000));
        let (foreign, ended) = (authority("Corporate CA", 1000), authority("Corporate CA", 10));
        let bundle = [new.clone()];
        let wanted = |settled| Wanted { bundle: &bundle, settled, now: Timestamp::from_second(100).unwrap() };
        let bundles = |patch: &Value| -> Vec<(String, Vec<CertificateDer<'static>>)> {
            webhooks(patch).map(|(name, certs)| (name.to_owned(), certs)).collect()
        };

        let before = configuration(&[&[&old, &foreign, &ended], &[&new], &[]]);
        let (patch, lacking) = wanted(false).patch(&before).unwrap();
        assert!(lacking);
        assert_eq!(patch["metadata"]["resourceVersion"], "7");
        assert_eq!(
            bundles(&patch),
            [
                ("0.stategate.io".to_owned(), vec![new.clone(), old.clone(), foreign.clone()]),
                ("2.stategate.io".to_owned(), vec![new.clone()]),
            ]
        );
        assert_eq!(wanted(false).patch(&configuration(&[&[&new, &old, &foreign]])), None);
        let (patch, lacking) = wanted(true).patch(&configuration(&[&[&old, &new, &foreign]])).unwrap();
        assert!(!lacking, "nobody is trusted who was not");
        assert_eq!(bundles(&patch), [("0.stategate.io".to_owned(), vec![new.clone(), foreign.clone()])]);
        assert_eq!(wanted(true).patch(&configuration(&[&[&foreign, &new]])), None);
    }
}
