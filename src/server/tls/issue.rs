//! Making certificates. The time comes in as data, since the Unix epoch.

use std::net::IpAddr;
use std::time::{Duration, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SerialNumber,
};
use rustls::pki_types::CertificateDer;

/// Certificates are valid from so long before they are made, to allow for slow clocks.
pub const BACKDATED: Duration = Duration::from_secs(3600);
/// How the common names of all authorities begin that stategate makes.
pub const AUTHORITY: &str = "stategate CA";
/// How long an authority lives, in lifetimes of a certificate: at two thirds of its life a new one is made, and what is
/// signed until then must not outlive it.
pub const AUTHORITY_LIVES: i32 = 4;

/// The names that every certificate is for, and these.
pub fn with_local(names: &[String]) -> Vec<String> {
    let local = ["localhost", "127.0.0.1", "::1"].into_iter().map(str::to_owned);
    let mut all: Vec<String> = local.collect();
    for name in names {
        // As a certificate says it.
        let name = name.parse::<IpAddr>().map_or_else(|_| name.clone(), |address| address.to_string());
        if !all.contains(&name) {
            all.push(name);
        }
    }
    all
}

/// An authority's own certificate.
pub fn authority(
    key: &KeyPair,
    name: &str,
    now: Duration,
    end: Duration,
) -> Result<rcgen::Certificate, rcgen::Error> {
    let mut params = params(CertificateParams::default(), name, now, end);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.self_signed(key)
}

/// A server's certificate, signed by the authority with this certificate and key.
pub fn leaf(
    names: Vec<String>,
    key: &KeyPair,
    (issuer, issuer_key): (&CertificateDer<'_>, KeyPair),
    now: Duration,
    end: Duration,
) -> Result<rcgen::Certificate, rcgen::Error> {
    let issuer = Issuer::from_ca_cert_der(issuer, issuer_key)?;
    let mut params = params(CertificateParams::new(names)?, "stategate", now, end);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    params.signed_by(key, &issuer)
}

fn params(mut params: CertificateParams, name: &str, now: Duration, end: Duration) -> CertificateParams {
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = (UNIX_EPOCH + now.saturating_sub(BACKDATED)).into();
    params.not_after = (UNIX_EPOCH + end).into();
    // By default rcgen derives it from the key, which a renewed certificate may keep; serial numbers must be
    // unique.
    params.serial_number = Some(SerialNumber::from_slice(&now.as_nanos().to_be_bytes()));
    params
}
