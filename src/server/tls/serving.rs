//! The certificate in force: what handshakes use, and what is said of it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use jiff::{SignedDuration, Timestamp};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tracing::warn;

use super::{CertificateFacts, Clients, Content, Tls, TlsError};
use crate::telemetry::metrics::Metrics;

/// Between two warnings of the same end.
const REMINDER: SignedDuration = SignedDuration::from_hours(24);

/// The certificate in force, if there is one.
pub struct Serving {
    /// What new connections use. Those that are open keep what they began with.
    pub config: Arc<ArcSwap<ServerConfig>>,
    /// The file of the authorities whose clients are served; absent: any client is.
    client_ca: Option<PathBuf>,
    metrics: Arc<Metrics>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    in_force: Option<(Content, Option<Clients>)>,
    /// Of each certificate of the chain.
    facts: Vec<CertificateFacts>,
    warned: Option<Timestamp>,
    /// The authorities that clients must trust, if they are kept with the certificate.
    authorities: Option<Vec<CertificateDer<'static>>>,
}

/// Ends every handshake.
#[derive(Debug)]
struct NoCertificate;

impl ResolvesServerCert for NoCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        None
    }
}

impl Serving {
    /// Nothing is in force yet: handshakes fail.
    ///
    /// # Errors
    /// If rustls cannot be configured, or the file of the clients' authorities cannot be used.
    pub fn new(client_ca: Option<PathBuf>, metrics: Arc<Metrics>) -> Result<Self, TlsError> {
        if let Some(path) = &client_ca {
            Clients::read(path)?.roots()?;
        }
        let unusable = |error: rustls::Error| TlsError::Content {
            place: "rustls".to_owned(),
            reason: error.to_string(),
        };
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(unusable)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(NoCertificate));
        let config = Arc::new(ArcSwap::from_pointee(config));
        Ok(Self { config, client_ca, metrics, state: Mutex::default() })
    }

    /// Puts the certificate in force that there is at the start.
    ///
    /// # Errors
    /// If it cannot be read or used.
    pub fn begin(&self, tls: &Tls) -> Result<(), TlsError> {
        self.offer(tls.read()?)?;
        self.look(Timestamp::now());
        Ok(())
    }

    /// Puts a certificate in force, and the authorities of clients as they are now; whether it is another one than
    /// before.
    ///
    /// # Errors
    /// If it cannot be used. The one in force stays.
    pub(super) fn offer(&self, content: Content) -> Result<bool, TlsError> {
        let clients = self.client_ca.as_deref().map(Clients::read).transpose()?;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let offered = (content, clients);
        if state.in_force.as_ref() == Some(&offered) {
            return Ok(false);
        }
        let (content, clients) = &offered;
        let config = content.config(clients.as_ref())?;
        let [place, _] = &content.places;
        let facts =
            content.chain()?.iter().map(|cert| CertificateFacts::read(cert)).collect::<Result<_, _>>();
        state.facts = facts.map_err(|reason| TlsError::Content { place: place.clone(), reason })?;
        state.in_force = Some(offered);
        state.warned = None;
        self.config.store(config);
        Ok(true)
    }

    /// Tells the metric and, near the end, the log when the certificate ends.
    pub fn look(&self, now: Timestamp) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(first) = state.facts.iter().min_by_key(|facts| facts.until).cloned() else { return };
        self.metrics.certificate_expiry.set(first.until.as_second());
        let due = state.warned.is_none_or(|last| now.duration_since(last) >= REMINDER);
        if first.ends_soon(now) && due {
            state.warned = Some(now);
            let CertificateFacts { subject, until, .. } = first;
            match until <= now {
                true => warn!(subject, %until, "the certificate has expired: clients refuse it"),
                false => warn!(subject, %until, "the certificate is about to expire"),
            }
        }
    }

    /// The authorities that clients must trust, if they are kept with the certificate in a Secret.
    pub fn authorities(&self) -> Option<Vec<CertificateDer<'static>>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).authorities.clone()
    }

    /// Notes the authorities that are kept with the certificate.
    pub(super) fn keep_authorities(&self, authorities: Vec<CertificateDer<'static>>) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).authorities = Some(authorities);
    }

    /// Whether there is a certificate.
    pub fn is_there(&self) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).in_force.is_some()
    }

    /// The certificate in force, with the first end of its chain.
    pub fn leaf(&self) -> Option<CertificateFacts> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let until = state.facts.iter().map(|facts| facts.until).min()?;
        state.facts.first().map(|leaf| CertificateFacts { until, ..leaf.clone() })
    }

    /// A line about the certificate in force, for people.
    pub fn describe(&self, now: Timestamp) -> String {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(leaf) = state.facts.first() else { return "certificate: none yet\n".to_owned() };
        let until = state.facts.iter().map(|facts| facts.until).min().unwrap_or(leaf.until);
        let state = match (until <= now, leaf.ends_soon(now)) {
            (true, _) => ", expired",
            (false, true) => ", about to expire",
            (false, false) => "",
        };
        let clients = if self.client_ca.is_some() { ", for clients with a certificate only" } else { "" };
        format!("certificate: {} until {until}{state}, SHA-256 {}{clients}\n", leaf.subject, leaf.fingerprint)
    }
}
