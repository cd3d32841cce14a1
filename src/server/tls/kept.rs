//! What a Secret keeps, and what is to be done with it next. Both are functions of its content and the time.
//!
//! All is in one Secret, so that one write changes all of it or nothing. A second one for the authority's key would keep
//! it from nobody: every replica may have to sign, and all run as the same ServiceAccount.
//!
//! An authority is replaced in four steps, so that whoever trusts `ca.crt` trusts every certificate that is served:
//! the next one is announced in `ca.crt`; once that is in the `caBundle`s and the overlap has passed, a certificate
//! of the next one is served; once the overlap has passed again, the previous one is dropped.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use rcgen::KeyPair;
use rustls::pki_types::CertificateDer;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::keyed::{KeyedCertificate, Texts, pem};
use super::{CertificateFacts, TlsError, certificates, check, issue};

/// Names stategate as the one that made an object.
const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "stategate");
/// Since when all webhook configurations had the authorities in their `caBundle`, and the digest of these.
const PUBLISHED: &str = "stategate.io/ca-published";
/// Since when a certificate of the present authority is served, while an earlier one is still trusted.
const SWITCHED: &str = "stategate.io/ca-switched";
/// The annotation of every Secret that cert-manager writes: which Certificate it is for.
const ISSUED: &str = "cert-manager.io/certificate-name";
/// Asks for a new certificate (`leaf`), or for a new authority, too (`authority`).
pub const ROTATE: &str = "stategate.io/rotate";

const CA_CERT: &str = "ca.crt";
const CA_KEY: &str = "ca.key";
const NEXT_CERT: &str = "next-ca.crt";
const NEXT_KEY: &str = "next-ca.key";
const CERT: &str = "tls.crt";
const KEY: &str = "tls.key";

/// How long certificates live, and how long an old and a new authority are trusted together.
#[derive(Clone, Copy, Debug)]
pub struct Lifetimes {
    /// Of a certificate. An authority lives four times as long.
    pub leaf: SignedDuration,
    /// The time that API servers and replicas have to notice a change.
    pub overlap: SignedDuration,
}

/// What the content of a Secret means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Signs certificates.
    authority: KeyedCertificate,
    /// Will sign certificates once it is trusted everywhere.
    next: Option<KeyedCertificate>,
    /// Authorities whose certificates may still be served somewhere.
    retiring: Vec<CertificateDer<'static>>,
    /// What is served; none if there is none that a client would accept.
    leaf: Option<KeyedCertificate>,
    published: Option<(Timestamp, String)>,
    switched: Option<Timestamp>,
    rotate: Option<Rotation>,
}

/// What somebody asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// A new certificate.
    Leaf,
    /// A new authority, and a certificate of it.
    Authority,
}

impl Rotation {
    /// As the annotation says it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Leaf => "leaf",
            Self::Authority => "authority",
        }
    }
}

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// All is well for now.
    Nothing,
    /// Nothing can be used: a new authority and a new certificate.
    Begin,
    /// A new certificate of the present authority.
    Leaf,
    /// The next authority, to be trusted beside the present one.
    Announce,
    /// A certificate of the next authority, which becomes the present one.
    Switch,
    /// The earlier authorities are no longer trusted.
    Retire,
}

impl Step {
    /// In words, for the log.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Begin => "new authority and certificate",
            Self::Leaf => "new certificate",
            Self::Announce => "next authority announced",
            Self::Switch => "certificate of the next authority",
            Self::Retire => "previous authority dropped",
        }
    }
}

impl Kept {
    /// Reads a Secret; none if it has no content at all.
    ///
    /// # Errors
    /// If no certificate can be signed with its content.
    pub fn read(secret: &Value) -> Result<Option<Self>, TlsError> {
        let data = secret.get("data").and_then(Value::as_object);
        let Some(data) = data.filter(|data| !data.is_empty()) else { return Ok(None) };
        let name = secret.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        let texts = Texts { name, data };
        let authority = texts.pair(CA_CERT, CA_KEY)?;
        let next = match data.contains_key(NEXT_CERT) {
            true => Some(texts.pair(NEXT_CERT, NEXT_KEY)?),
            false => None,
        };
        let mut retiring = certificates(texts.text(CA_CERT)?.as_bytes(), &texts.place(CA_CERT))?;
        retiring.retain(|cert| *cert != authority.der && next.as_ref().is_none_or(|next| *cert != next.der));
        let annotation =
            |key: &str| secret.get("metadata")?.get("annotations")?.get(key).and_then(Value::as_str);
        let published = annotation(PUBLISHED).and_then(|text| {
            let (time, digest) = text.split_once(' ')?;
            Some((time.parse().ok()?, digest.to_owned()))
        });
        let mut kept = Self {
            authority,
            next,
            retiring,
            leaf: None,
            published,
            switched: annotation(SWITCHED).and_then(|time| time.parse().ok()),
            rotate: annotation(ROTATE).map(|what| match what {
                "leaf" => Rotation::Leaf,
                _ => Rotation::Authority,
            }),
        };
        // One that is damaged is replaced; what can be signed is not lost with it.
        kept.leaf = texts.pair(CERT, KEY).ok().filter(|leaf| kept.trusts(leaf));
        Ok(Some(kept))
    }

    /// Whether one of the authorities that are trusted has signed it.
    fn trusts(&self, leaf: &KeyedCertificate) -> bool {
        check::is_signed(self.bundle(), &leaf.chain, &leaf.facts)
    }

    /// The authorities to trust: the present one first.
    pub fn bundle(&self) -> impl Iterator<Item = &CertificateDer<'static>> {
        let next = self.next.iter().map(|next| &next.der);
        std::iter::once(&self.authority.der).chain(next).chain(&self.retiring)
    }

    /// The certificate to serve, if there is one that has not ended.
    pub fn served(&self, now: Timestamp) -> Option<&KeyedCertificate> {
        self.leaf.as_ref().filter(|leaf| leaf.facts.until > now)
    }

    /// Tells the same authorities apart from others, in whatever order.
    pub fn digest(&self) -> String {
        let mut all: Vec<&CertificateDer<'static>> = self.bundle().collect();
        all.sort_unstable_by(|one, other| one.as_ref().cmp(other.as_ref()));
        let mut digest = Sha256::new();
        all.iter().for_each(|cert| digest.update(Sha256::digest(cert)));
        digest.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Since when the `caBundle`s have the authorities that are trusted.
    pub fn published(&self) -> Option<Timestamp> {
        self.published.as_ref().filter(|(_, digest)| *digest == self.digest()).map(|(since, _)| *since)
    }

    /// The `caBundle`s have the authorities since this moment.
    #[must_use]
    pub fn with_published(mut self, now: Timestamp) -> Self {
        self.published = Some((now, self.digest()));
        self
    }

    /// It is not known whether the `caBundle`s have the authorities.
    #[must_use]
    pub fn unpublished(mut self) -> Self {
        self.published = None;
        self
    }

    /// Whether no authority comes or goes, and all others have been out of use for the overlap.
    pub fn is_settled(&self, now: Timestamp, lifetimes: Lifetimes) -> bool {
        self.next.is_none()
            && self.retiring.is_empty()
            && self.published().is_some_and(|since| passed(since, lifetimes.overlap, now))
    }

    /// Whether somebody asked for something that has not been done to its end.
    pub fn is_rotating(&self) -> bool {
        self.rotate.is_some() || self.next.is_some() || !self.retiring.is_empty()
    }

    /// Where a rotation is, in words.
    pub fn describe(&self) -> &'static str {
        match (self.rotate.is_some(), self.next.is_some(), self.retiring.is_empty()) {
            (_, true, _) => "the next authority is announced, and waits until it is trusted everywhere",
            (_, false, false) => "the previous authority is trusted until its certificates are out of use",
            (true, false, true) => "somebody asked for a rotation, which has not begun",
            (false, false, true) => "no rotation is under way",
        }
    }

    /// What is to be done now, for a certificate that these names need.
    pub fn step(&self, names: &[String], now: Timestamp, lifetimes: Lifetimes) -> Step {
        let ended = |one: &KeyedCertificate| one.facts.until <= now;
        if ended(&self.authority) {
            return if self.next.as_ref().is_some_and(|next| !ended(next)) {
                Step::Switch
            } else {
                Step::Begin
            };
        }
        let Some(leaf) = self.leaf.as_ref().filter(|leaf| !ended(leaf)) else { return Step::Leaf };
        if self.next.is_some() {
            let trusted = self.published().is_some_and(|since| passed(since, lifetimes.overlap, now));
            // Whoever does not trust the next one by then trusts none of them a moment later.
            let last_moment = self.authority.facts.until.duration_since(now) <= lifetimes.overlap;
            if trusted || last_moment {
                return Step::Switch;
            }
        } else if self.retiring.is_empty()
            && (self.rotate == Some(Rotation::Authority) || is_due(&self.authority.facts, now))
        {
            return Step::Announce;
        }
        let missing = names.iter().any(|name| !leaf.facts.names.contains(name));
        if missing || self.rotate == Some(Rotation::Leaf) || is_due(&leaf.facts, now) {
            return Step::Leaf;
        }
        let out_of_use = self.switched.is_none_or(|since| passed(since, lifetimes.overlap, now));
        if !self.retiring.is_empty() && out_of_use { Step::Retire } else { Step::Nothing }
    }

    /// All anew.
    ///
    /// # Errors
    /// If a name is none, or a certificate cannot be made.
    pub fn begin(names: &[String], now: Timestamp, lifetimes: Lifetimes) -> Result<Self, TlsError> {
        let authority = authority(now, lifetimes)?;
        let leaf = Some(leaf(&authority, names.to_vec(), now, lifetimes)?);
        let (next, retiring) = (None, Vec::new());
        Ok(Self { authority, next, retiring, leaf, published: None, switched: None, rotate: None })
    }

    /// What is kept after a step.
    ///
    /// # Errors
    /// If a name is none, or a certificate cannot be made.
    pub fn after(
        mut self,
        step: Step,
        names: &[String],
        now: Timestamp,
        lifetimes: Lifetimes,
    ) -> Result<Self, TlsError> {
        match step {
            Step::Nothing => {}
            Step::Begin => return Self::begin(names, now, lifetimes),
            Step::Leaf => {
                let mut names = names.to_vec();
                // While replicas disagree about the names, the certificate is for all of them.
                if let Some(old) = self.leaf.as_ref().filter(|old| !is_due(&old.facts, now)) {
                    names.extend(
                        old.facts
                            .names
                            .iter()
                            .filter(|name| !names.contains(name))
                            .cloned()
                            .collect::<Vec<_>>(),
                    );
                }
                self.leaf = Some(leaf(&self.authority, names, now, lifetimes)?);
                self.rotate = self.rotate.filter(|what| *what != Rotation::Leaf);
            }
            Step::Announce => {
                self.next = Some(authority(now, lifetimes)?);
                self.rotate = None;
            }
            Step::Switch => {
                if let Some(next) = self.next.take() {
                    let previous = std::mem::replace(&mut self.authority, next);
                    self.retiring.push(previous.der);
                    self.leaf = Some(leaf(&self.authority, names.to_vec(), now, lifetimes)?);
                    self.switched = Some(now);
                }
            }
            Step::Retire => {
                let since = self.published();
                self.retiring.clear();
                self.switched = None;
                // Whoever has all of them has those that remain.
                self.published = since.map(|since| (since, self.digest()));
            }
        }
        Ok(self)
    }

    /// Puts all of it into a Secret. What the Secret says beside that stays.
    pub fn write(&self, secret: &mut Value) {
        let Some(object) = secret.as_object_mut() else { return };
        let mut texts = vec![(CA_CERT, self.bundle_pem()), (CA_KEY, self.authority.key.clone())];
        if let Some(next) = &self.next {
            texts.extend([(NEXT_CERT, next.cert.clone()), (NEXT_KEY, next.key.clone())]);
        }
        if let Some(leaf) = &self.leaf {
            texts.extend([(CERT, leaf.cert.clone()), (KEY, leaf.key.clone())]);
        }
        change(object, "data", |data| {
            data.remove(NEXT_CERT);
            data.remove(NEXT_KEY);
            data.extend(texts.into_iter().map(|(key, text)| (key.to_owned(), STANDARD.encode(text).into())));
        });
        let rotate = self.rotate.map(|what| what.as_str().to_owned());
        let annotations = [
            (PUBLISHED, self.published.as_ref().map(|(since, digest)| format!("{since} {digest}"))),
            (SWITCHED, self.switched.map(|since| since.to_string())),
            (ROTATE, rotate),
        ];
        change(object, "metadata", |metadata| {
            change(metadata, "labels", |labels| {
                for (key, value) in [MANAGED_BY, ("app.kubernetes.io/name", "stategate")] {
                    labels.insert(key.to_owned(), value.into());
                }
            });
            change(metadata, "annotations", |all| {
                for (key, value) in annotations {
                    match value {
                        Some(value) => all.insert(key.to_owned(), value.into()),
                        None => all.remove(key),
                    };
                }
            });
        });
    }

    /// The authorities to trust, as PEM.
    pub fn bundle_pem(&self) -> String {
        self.bundle().map(|cert| pem(cert)).collect()
    }
}

/// Whether a Secret that cannot be used may be written anew: stategate has made it.
pub fn is_own(secret: &Value) -> bool {
    let labels = secret.pointer("/metadata/labels");
    labels.and_then(|labels| labels.get(MANAGED_BY.0)).and_then(Value::as_str) == Some(MANAGED_BY.1)
}

/// Whether cert-manager has put a certificate into it. The labels that it finds in a Secret it leaves there.
pub fn is_issued(secret: &Value) -> bool {
    secret.pointer("/metadata/annotations").is_some_and(|all| all.get(ISSUED).is_some())
}

/// A Secret without content.
pub fn empty_secret(namespace: &str, name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {"name": name, "namespace": namespace},
    })
}

fn passed(since: Timestamp, time: SignedDuration, now: Timestamp) -> bool {
    now.duration_since(since) >= time
}

/// Whether two thirds of its life have passed since it was made.
fn is_due(facts: &CertificateFacts, now: Timestamp) -> bool {
    let made = facts.from.as_second() + i64::try_from(issue::BACKDATED.as_secs()).unwrap_or_default();
    let life = facts.until.as_second() - made;
    (now.as_second() - made) * 3 >= life * 2
}

fn authority(now: Timestamp, lifetimes: Lifetimes) -> Result<KeyedCertificate, TlsError> {
    let key = KeyPair::generate()?;
    let name = format!("{} {}", issue::AUTHORITY, now.strftime("%Y-%m-%dT%H:%M:%SZ"));
    let end = end(now, lifetimes.leaf.saturating_mul(issue::AUTHORITY_LIVES));
    let made = issue::authority(&key, &name, since_epoch(now), since_epoch(end))?;
    KeyedCertificate::new(made.pem(), key.serialize_pem(), ["the new authority", "its key"])
}

fn leaf(
    authority: &KeyedCertificate,
    names: Vec<String>,
    now: Timestamp,
    lifetimes: Lifetimes,
) -> Result<KeyedCertificate, TlsError> {
    let (key, issuer) = (KeyPair::generate()?, KeyPair::from_pem(&authority.key)?);
    let end = end(now, lifetimes.leaf).min(authority.facts.until);
    let made = issue::leaf(names, &key, (&authority.der, issuer), since_epoch(now), since_epoch(end))?;
    KeyedCertificate::new(made.pem(), key.serialize_pem(), ["the new certificate", "its key"])
}

fn end(now: Timestamp, life: SignedDuration) -> Timestamp {
    now.saturating_add(life).unwrap_or(now)
}

fn since_epoch(time: Timestamp) -> std::time::Duration {
    time.duration_since(Timestamp::UNIX_EPOCH).try_into().unwrap_or_default()
}

/// Changes a map inside of an object; what is no map becomes one.
fn change(object: &mut Map<String, Value>, key: &str, how: impl FnOnce(&mut Map<String, Value>)) {
    let mut map = match object.remove(key) {
        Some(Value::Object(map)) => map,
        _ => Map::new(),
    };
    how(&mut map);
    object.insert(key.to_owned(), map.into());
}

#[cfg(test)]
mod tests;
