//! What a certificate says of itself.

use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use x509_parser::extensions::GeneralName;

use crate::plain;

/// What people want to know of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFacts {
    /// Whose it is, made harmless to show.
    pub subject: String,
    /// Who signed it, made harmless to show.
    pub issuer: String,
    /// The DNS names and addresses that it is for, made harmless to show.
    pub names: Vec<String>,
    /// It is valid from this moment.
    pub from: Timestamp,
    /// It is valid until this moment.
    pub until: Timestamp,
    /// The SHA-256 of the certificate, in hexadecimal digits.
    pub fingerprint: String,
}

/// The longest time before the end of a certificate from which the log warns.
const WARNED: Duration = Duration::from_secs(14 * 24 * 60 * 60);

impl CertificateFacts {
    /// Reads a certificate (DER).
    ///
    /// # Errors
    /// If it is none.
    pub fn read(der: &[u8]) -> Result<Self, String> {
        let (_, parsed) = x509_parser::parse_x509_certificate(der)
            .map_err(|error| format!("is no certificate: {}", plain::line(&error.to_string())))?;
        let time =
            |seconds: i64| Timestamp::from_second(seconds).map_err(|_| "has a time that is none".to_owned());
        let shown = |text: String| plain::line(&text).into_owned();
        let mut names = Vec::new();
        if let Ok(Some(alternative)) = parsed.subject_alternative_name() {
            for name in &alternative.value.general_names {
                match name {
                    GeneralName::DNSName(name) => names.push(plain::line(name).into_owned()),
                    GeneralName::IPAddress(bytes) => names.extend(address(bytes)),
                    _ => {}
                }
            }
        }
        let digest = Sha256::digest(der);
        Ok(Self {
            subject: shown(parsed.subject().to_string()),
            issuer: shown(parsed.issuer().to_string()),
            names,
            from: time(parsed.validity().not_before.timestamp())?,
            until: time(parsed.validity().not_after.timestamp())?,
            fingerprint: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
        })
    }

    /// Whether its end is so near that somebody should look: within 14 days, or the last sixth of a shorter life.
    pub fn ends_soon(&self, now: Timestamp) -> bool {
        let life = self.until.duration_since(self.from);
        let limit = (life / 6).min(WARNED.try_into().unwrap_or(life));
        self.until.duration_since(now) < limit
    }
}

fn address(bytes: &[u8]) -> Option<String> {
    let address = match bytes.len() {
        4 => IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?),
        16 => IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?),
        _ => return None,
    };
    Some(address.to_string())
}
