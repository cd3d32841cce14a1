//! Whether certificates and keys belong together.

use std::sync::Arc;

use jiff::Timestamp;
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;

use super::{CertificateFacts, TlsError};

/// Whether the key (PEM) is that of the first certificate.
///
/// # Errors
/// If it is no key.
pub fn fit(chain: &[CertificateDer<'static>], key: &[u8]) -> Result<bool, String> {
    let wrong = |error: String| format!("holds no private key in PEM: {error}");
    let private = PrivateKeyDer::from_pem_slice(key).map_err(|error| wrong(error.to_string()))?;
    let private = ring::default_provider()
        .key_provider
        .load_private_key(private)
        .map_err(|error| wrong(error.to_string()))?;
    Ok(CertifiedKey::new(chain.to_vec(), private).keys_match().is_ok())
}

/// Whether a client that trusts these authorities accepts the first certificate of the chain for this name at this time.
pub fn is_accepted<'a>(
    authorities: impl Iterator<Item = &'a CertificateDer<'static>>,
    chain: &[CertificateDer<'static>],
    name: &str,
    at: Timestamp,
) -> bool {
    let mut roots = RootCertStore::empty();
    let (_, _) = roots.add_parsable_certificates(authorities.cloned());
    let provider = Arc::new(ring::default_provider());
    let Ok(client) = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build() else {
        return false;
    };
    let Ok(name) = ServerName::try_from(name) else { return false };
    let Some((leaf, intermediates)) = chain.split_first() else { return false };
    let at = at.duration_since(Timestamp::UNIX_EPOCH).try_into().unwrap_or_default();
    client.verify_server_cert(leaf, intermediates, &name, &[], UnixTime::since_unix_epoch(at)).is_ok()
}

/// Whether one of these authorities has signed the chain, at whatever time.
pub fn is_signed<'a>(
    authorities: impl Iterator<Item = &'a CertificateDer<'static>>,
    chain: &[CertificateDer<'static>],
    facts: &CertificateFacts,
) -> bool {
    facts.names.first().is_some_and(|name| is_accepted(authorities, chain, name, facts.from))
}

/// Names that a certificate can be made for.
///
/// # Errors
/// If one is none.
pub fn names(names: &[String]) -> Result<(), TlsError> {
    for name in names {
        ServerName::try_from(name.as_str()).map_err(|_| TlsError::Name { name: name.clone() })?;
    }
    Ok(())
}
