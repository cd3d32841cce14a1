//! Certificates with their keys, as a Secret holds them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::CertificateDer;
use serde_json::{Map, Value};

use super::{CertificateFacts, TlsError, certificates, check};

/// The most certificates that one key of a Secret may hold.
const MOST: usize = 8;

/// A certificate with its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyedCertificate {
    /// PEM, with intermediates.
    pub cert: String,
    /// PEM.
    pub key: String,
    /// The certificate.
    pub der: CertificateDer<'static>,
    /// The certificate and its intermediates.
    pub chain: Vec<CertificateDer<'static>>,
    /// What the certificate says.
    pub facts: CertificateFacts,
}

impl KeyedCertificate {
    /// Reads both; the places are for errors.
    ///
    /// # Errors
    /// If one cannot be read, or they do not fit.
    pub fn new(cert: String, key: String, places: [&str; 2]) -> Result<Self, TlsError> {
        let [at, key_at] = places;
        let wrong = |place: &str, reason: String| TlsError::Content { place: place.to_owned(), reason };
        let chain = certificates(cert.as_bytes(), at)?;
        let der = chain.first().cloned().ok_or_else(|| wrong(at, "holds no certificate".to_owned()))?;
        let facts = CertificateFacts::read(&der).map_err(|reason| wrong(at, reason))?;
        if !check::fit(&chain, key.as_bytes()).map_err(|reason| wrong(key_at, reason))? {
            return Err(TlsError::Pair {
                cert: at.to_owned(),
                key: key_at.to_owned(),
                reason: "the key is another certificate's".to_owned(),
            });
        }
        Ok(Self { cert, key, der, chain, facts })
    }
}

/// The content of a Secret.
pub struct Texts<'a> {
    /// The name of the Secret.
    pub name: &'a str,
    /// Its `data`.
    pub data: &'a Map<String, Value>,
}

impl Texts<'_> {
    /// Where a key is, for errors.
    pub fn place(&self, key: &str) -> String {
        format!("Secret {}: {key}", crate::plain::line(self.name))
    }

    /// The text of a key.
    ///
    /// # Errors
    /// If there is none.
    pub fn text(&self, key: &str) -> Result<String, TlsError> {
        let wrong = |reason: &str| TlsError::Content { place: self.place(key), reason: reason.to_owned() };
        let text = self.data.get(key).and_then(Value::as_str).ok_or_else(|| wrong("is missing"))?;
        let bytes = STANDARD.decode(text).map_err(|_| wrong("is no base64"))?;
        String::from_utf8(bytes).map_err(|_| wrong("is no text"))
    }

    /// The certificate and the key below these keys.
    ///
    /// # Errors
    /// If one is missing or cannot be read, or they do not fit.
    pub fn pair(&self, cert: &str, key: &str) -> Result<KeyedCertificate, TlsError> {
        let (cert_place, key_place) = (self.place(cert), self.place(key));
        let cert = self.text(cert)?;
        if cert.matches("BEGIN CERTIFICATE").count() > MOST {
            let reason = format!("holds more than {MOST} certificates");
            return Err(TlsError::Content { place: cert_place, reason });
        }
        KeyedCertificate::new(cert, self.text(key)?, [&cert_place, &key_place])
    }
}

/// A certificate as PEM.
pub fn pem(cert: &[u8]) -> String {
    let text = STANDARD.encode(cert);
    let mut lines = String::from("-----BEGIN CERTIFICATE-----\n");
    for (number, character) in text.chars().enumerate() {
        if number > 0 && number % 64 == 0 {
            lines.push('\n');
        }
        lines.push(character);
    }
    lines + "\n-----END CERTIFICATE-----\n"
}
