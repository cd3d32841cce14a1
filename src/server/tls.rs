//! Certificates: made by stategate itself, or from files.

use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SerialNumber,
};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};
use tracing::{error, info};

/// How long a certificate authority of our own lasts.
const CA_DAYS: u32 = 3650;
/// How long a certificate of our own lasts.
const LEAF_DAYS: u32 = 365;
/// It is made anew at the next start from so many days before its end.
const RENEW_DAYS: u32 = 30;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Where the certificate comes from.
#[derive(Clone, Debug)]
pub enum Tls {
    /// Made by stategate: an authority of its own and a certificate signed by it, kept in a directory
    /// and used again at the next start, so that a registered `caBundle` stays valid.
    SelfMade {
        /// Where they are kept.
        dir: PathBuf,
        /// Names and addresses that clients use, beside `localhost`, `127.0.0.1` and `::1`.
        names: Vec<String>,
    },
    /// PEM files: a certificate with its chain, and its key.
    Files {
        /// The certificate, then the intermediates.
        cert: PathBuf,
        /// The key: PKCS#8, PKCS#1 or SEC1.
        key: PathBuf,
    },
}

/// Why there is no certificate to serve with.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{}: {reason}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Certificate and key cannot be served.
    #[error("{} and {} cannot be used together: {reason}", cert.display(), key.display())]
    Pair {
        /// The certificate.
        cert: PathBuf,
        /// The key.
        key: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A name that no certificate can carry.
    #[error("{name:?} is neither a DNS name nor an IP address, so no certificate can be made for it")]
    Name {
        /// As it was given.
        name: String,
    },
    /// A certificate cannot be made.
    #[error("a certificate cannot be made: {0}")]
    Make(#[from] rcgen::Error),
}

/// What the server needs.
pub struct Certificate {
    /// For rustls.
    pub config: Arc<ServerConfig>,
    /// Whom clients must trust, if stategate made it.
    pub ca_file: Option<PathBuf>,
}

/// What certificate and key hold.
type Content = (Vec<u8>, Vec<u8>);

impl Tls {
    fn files(&self) -> (PathBuf, PathBuf) {
        match self {
            Tls::Files { cert, key } => (cert.clone(), key.clone()),
            Tls::SelfMade { dir, .. } => {
                let own = SelfMade::new(dir);
                (own.cert, own.key)
            }
        }
    }

    fn content(&self) -> Result<Content, TlsError> {
        let (cert, key) = self.files();
        Ok((read(&cert)?, read(&key)?))
    }

    fn changed(&self, known: Option<&Content>) -> Result<Option<(Content, Arc<ServerConfig>)>, TlsError> {
        if let Tls::SelfMade { dir, names } = self {
            SelfMade::new(dir).ensure(names)?;
        }
        let content = self.content()?;
        if known == Some(&content) {
            return Ok(None);
        }
        let (cert, key) = self.files();
        Ok(Some((content, config(&cert, &key)?)))
    }

    /// Reads the certificate, or makes it.
    ///
    /// # Errors
    /// If a file cannot be read, written or used. A broken file of our own is an error, too: it is
    /// never overwritten, since a registered webhook may depend on it.
    pub fn load(&self) -> Result<Certificate, TlsError> {
        match self {
            Tls::Files { cert, key } => Ok(Certificate { config: config(cert, key)?, ca_file: None }),
            Tls::SelfMade { dir, names } => {
                let own = SelfMade::new(dir);
                own.ensure(names)?;
                Ok(Certificate { config: config(&own.cert, &own.key)?, ca_file: Some(own.ca_cert) })
            }
        }
    }
}

/// Takes up new certificates without cutting a connection: files that were replaced (a mounted Secret
/// swaps a symlink, so their content is compared), or one of our own that is about to end. What cannot be
/// used is said once, and the one in force stays.
pub async fn watch(tls: Tls, serving: Arc<ArcSwap<ServerConfig>>, every: Duration) {
    let mut timer = tokio::time::interval(every);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut seen = tls.content().ok();
    let mut said = String::new();
    loop {
        timer.tick().await;
        let (looking, known) = (tls.clone(), seen.clone());
        match tokio::task::spawn_blocking(move || looking.changed(known.as_ref())).await {
            Ok(Ok(None)) => said.clear(),
            Ok(Ok(Some((content, config)))) => {
                info!("another certificate is in force");
                serving.store(config);
                seen = Some(content);
                said.clear();
            }
            Ok(Err(reason)) => {
                let reason = reason.to_string();
                if reason != said {
                    error!(reason, "the certificate cannot be reloaded; the one in force stays");
                    said = reason;
                }
            }
            Err(panic) => error!(%panic, "looking for a new certificate broke off"),
        }
    }
}

fn config(cert: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let chain = certificates(cert)?;
    let private = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|_| {
        content(key, "holds no private key in PEM (BEGIN PRIVATE KEY, not encrypted)".to_owned())
    })?;
    let pair = |reason: rustls::Error| TlsError::Pair {
        cert: cert.to_owned(),
        key: key.to_owned(),
        reason: reason.to_string(),
    };
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(pair)?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(pair)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The files of a certificate of our own.
struct SelfMade {
    dir: PathBuf,
    ca_cert: PathBuf,
    ca_key: PathBuf,
    cert: PathBuf,
    key: PathBuf,
}

impl SelfMade {
    fn new(dir: &Path) -> Self {
        let file = |name: &str| dir.join(name);
        Self {
            dir: dir.to_owned(),
            ca_cert: file("ca.crt"),
            ca_key: file("ca.key"),
            cert: file("tls.crt"),
            key: file("tls.key"),
        }
    }

    /// Makes what is missing or about to end.
    ///
    /// A key is never replaced: every step writes one file, so that whenever the process ends the
    /// files fit together or one is missing. A new key would be no safer beside the authority's.
    fn ensure(&self, names: &[String]) -> Result<(), TlsError> {
        let all = ["localhost", "127.0.0.1", "::1"].into_iter().map(str::to_owned);
        let names: Vec<String> = all.chain(names.iter().cloned()).collect();
        let fail = |source| TlsError::File { path: self.dir.clone(), source };
        // One that is there already keeps its mode: it may be a mounted volume, or shared.
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.dir).map_err(fail)?;
        // Two servers that start at once agree on one authority; the lock ends with this function.
        // A directory that cannot be written to is good enough to read from.
        let lock = std::fs::File::create(self.dir.join(".lock")).and_then(|file| file.lock().map(|()| file));
        if !self.ca_cert.exists() {
            self.make_authority()?;
        }
        let authority = self.authority()?;
        if !self.is_current(&authority, &names)? {
            self.make_leaf(names, &authority)?;
        }
        drop(lock);
        Ok(())
    }

    fn make_authority(&self) -> Result<(), TlsError> {
        let key = key_at(&self.ca_key)?;
        let mut params = params(CertificateParams::default(), "stategate CA", now() + DAY * CA_DAYS);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        write(&self.ca_cert, &params.self_signed(&key)?.pem(), 0o644)
    }

    /// The authority, if it can still be trusted.
    fn authority(&self) -> Result<Authority, TlsError> {
        let wrong = |reason: String| content(&self.ca_cert, reason);
        let cert = first_certificate(&self.ca_cert)?;
        let end = {
            let (_, parsed) = x509_parser::parse_x509_certificate(&cert)
                .map_err(|error| wrong(format!("is no certificate: {error}")))?;
            Duration::from_secs(u64::try_from(parsed.validity().not_after.timestamp()).unwrap_or(0))
        };
        if end <= now() {
            let files = "remove all files of that directory, start again and register the new ca.crt";
            return Err(wrong(format!("the authority has expired: {files}")));
        }
        if self.ca_key.exists() && !fit(&cert, &self.ca_key)? {
            return Err(TlsError::Pair {
                cert: self.ca_cert.clone(),
                key: self.ca_key.clone(),
                reason: "the key is another certificate's".to_owned(),
            });
        }
        Ok(Authority { cert, end })
    }

    fn make_leaf(&self, names: Vec<String>, authority: &Authority) -> Result<(), TlsError> {
        if !self.ca_key.exists() {
            return Err(content(
                &self.ca_key,
                "is needed to make a certificate, and is gone: restore it, or remove ca.crt as well, start \
                 again and register the new ca.crt"
                    .to_owned(),
            ));
        }
        let issuer = Issuer::from_ca_cert_der(&authority.cert, key_at(&self.ca_key)?)
            .map_err(|error| content(&self.ca_cert, format!("is no authority's certificate: {error}")))?;
        let key = key_at(&self.key)?;
        let end = (now() + DAY * LEAF_DAYS).min(authority.end);
        let mut params = params(CertificateParams::new(names)?, "stategate", end);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        write(&self.cert, &params.signed_by(&key, &issuer)?.pem(), 0o644)
    }

    /// Would a client that trusts the authority accept the certificate, by every name, now and for a
    /// while?
    fn is_current(&self, authority: &Authority, names: &[String]) -> Result<bool, TlsError> {
        let servers = names
            .iter()
            .map(|name| {
                ServerName::try_from(name.as_str()).map_err(|_| TlsError::Name { name: name.clone() })
            })
            .collect::<Result<Vec<_>, _>>()?;
        if !self.cert.exists() || !self.key.exists() {
            return Ok(false);
        }
        let cert = first_certificate(&self.cert)?;
        let mut roots = RootCertStore::empty();
        let unfit = |reason: String| content(&self.ca_cert, reason);
        roots
            .add(authority.cert.clone())
            .map_err(|error| unfit(format!("is no authority's certificate: {error}")))?;
        let provider = Arc::new(ring::default_provider());
        let client = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|error| unfit(error.to_string()))?;
        let accepted = |at: Duration| {
            let at = UnixTime::since_unix_epoch(at);
            servers.iter().all(|name| client.verify_server_cert(&cert, &[], name, &[], at).is_ok())
        };
        Ok(fit(&cert, &self.key)? && accepted(now()) && accepted(now() + DAY * RENEW_DAYS))
    }
}

struct Authority {
    cert: CertificateDer<'static>,
    /// Since 1970.
    end: Duration,
}

/// Since 1970.
fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The key in a file, which is made if it is not there.
fn key_at(path: &Path) -> Result<KeyPair, TlsError> {
    if !path.exists() {
        let key = KeyPair::generate()?;
        write(path, &key.serialize_pem(), 0o600)?;
        return Ok(key);
    }
    let pem = String::from_utf8(read(path)?).map_err(|_| content(path, "is no text".to_owned()))?;
    KeyPair::from_pem(&pem).map_err(|error| content(path, format!("holds no private key in PEM: {error}")))
}

/// Is this the certificate's key?
fn fit(cert: &CertificateDer<'static>, key: &Path) -> Result<bool, TlsError> {
    let wrong = |error: String| content(key, format!("holds no private key in PEM: {error}"));
    let private = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|error| wrong(error.to_string()))?;
    let private = ring::default_provider()
        .key_provider
        .load_private_key(private)
        .map_err(|error| wrong(error.to_string()))?;
    Ok(CertifiedKey::new(vec![cert.clone()], private).keys_match().is_ok())
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain = CertificateDer::pem_slice_iter(&read(path)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| content(path, format!("is no PEM: {error}")))?;
    if chain.is_empty() {
        return Err(content(path, "holds no certificate (BEGIN CERTIFICATE)".to_owned()));
    }
    Ok(chain)
}

fn first_certificate(path: &Path) -> Result<CertificateDer<'static>, TlsError> {
    certificates(path)?
        .into_iter()
        .next()
        .ok_or_else(|| content(path, "holds no certificate (BEGIN CERTIFICATE)".to_owned()))
}

/// Valid from an hour ago, for clocks that are behind, until `end` (since 1970).
fn params(mut params: CertificateParams, name: &str, end: Duration) -> CertificateParams {
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = (UNIX_EPOCH + now().saturating_sub(Duration::from_secs(3600))).into();
    params.not_after = (UNIX_EPOCH + end).into();
    // rcgen derives it from the key, which a renewed certificate keeps; no two may have the same.
    params.serial_number = Some(SerialNumber::from_slice(&now().as_nanos().to_be_bytes()));
    params
}

fn content(path: &Path, reason: String) -> TlsError {
    TlsError::Content { path: path.to_owned(), reason }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::File { path: path.to_owned(), source })
}

/// Written beside and renamed, so that there is never half a file.
fn write(path: &Path, text: &str, mode: u32) -> Result<(), TlsError> {
    use std::io::Write as _;
    let fail = |source| TlsError::File { path: path.to_owned(), source };
    let beside = path.with_extension("new");
    // Never open an existing file, whose mode would stay as it is.
    let _ = std::fs::remove_file(&beside);
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside).map_err(fail)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(fail)?;
    std::fs::rename(&beside, path).map_err(fail)
}

#[cfg(test)]
mod tests;
