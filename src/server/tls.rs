//! Certificates: made by stategate itself, or from files.

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum_server::tls_rustls::RustlsConfig;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tracing::{error, info};

/// How long a certificate authority of our own lasts.
const CA_YEARS: u64 = 10;
/// How long a certificate of our own lasts.
const LEAF_DAYS: u64 = 365;
/// It is made anew at the next start from so many days before its end.
const RENEW_DAYS: u64 = 30;
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
pub async fn watch(tls: Tls, serving: RustlsConfig, every: Duration) {
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
                serving.reload_from_config(config);
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
    let chain = CertificateDer::pem_slice_iter(&read(cert)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| content(cert, format!("is no PEM: {error}")))?;
    if chain.is_empty() {
        return Err(content(cert, "holds no certificate (BEGIN CERTIFICATE)".to_owned()));
    }
    let private = PrivateKeyDer::from_pem_slice(&read(key)?)
        .map_err(|_| content(key, "holds no private key in PEM (BEGIN PRIVATE KEY)".to_owned()))?;
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
    fn ensure(&self, names: &[String]) -> Result<(), TlsError> {
        let fail = |source| TlsError::File { path: self.dir.clone(), source };
        if !self.dir.exists() {
            std::fs::create_dir_all(&self.dir).map_err(fail)?;
            restrict(&self.dir, 0o700)?;
        }
        let new = match (self.ca_cert.exists(), self.ca_key.exists()) {
            (true, true) => false,
            (false, false) => {
                self.make_authority()?;
                true
            }
            (cert, _) => {
                let (there, gone) =
                    if cert { (&self.ca_cert, &self.ca_key) } else { (&self.ca_key, &self.ca_cert) };
                let reason =
                    format!("is there without {}; put it back, or remove both to start anew", gone.display());
                return Err(content(there, reason));
            }
        };
        let names: Vec<String> = ["localhost", "127.0.0.1", "::1"]
            .into_iter()
            .map(str::to_owned)
            .chain(names.iter().cloned())
            .collect();
        if new || !self.cert.exists() || !self.key.exists() || !self.is_current(&names)? {
            self.make_leaf(names)?;
        }
        Ok(())
    }

    fn make_authority(&self) -> Result<(), TlsError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "stategate CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        validity(&mut params, DAY * u32::try_from(CA_YEARS * 365).unwrap_or(u32::MAX));
        let cert = params.self_signed(&key)?;
        write(&self.ca_key, &key.serialize_pem(), 0o600)?;
        write(&self.ca_cert, &cert.pem(), 0o644)
    }

    fn make_leaf(&self, names: Vec<String>) -> Result<(), TlsError> {
        let ca_key = KeyPair::from_pem(&text(&self.ca_key)?)
            .map_err(|error| content(&self.ca_key, format!("is no key: {error}")))?;
        let issuer = Issuer::from_ca_cert_pem(&text(&self.ca_cert)?, ca_key)
            .map_err(|error| content(&self.ca_cert, format!("is no certificate: {error}")))?;
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name.push(DnType::CommonName, "stategate");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        validity(&mut params, DAY * u32::try_from(LEAF_DAYS).unwrap_or(u32::MAX));
        let cert = params.signed_by(&key, &issuer)?;
        write(&self.key, &key.serialize_pem(), 0o600)?;
        write(&self.cert, &cert.pem(), 0o644)
    }

    /// Does the certificate name all names, and last for a while?
    fn is_current(&self, names: &[String]) -> Result<bool, TlsError> {
        let pem = text(&self.cert)?;
        let wrong = |reason: String| content(&self.cert, reason);
        let der = CertificateDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| wrong("holds no certificate (BEGIN CERTIFICATE)".to_owned()))?;
        let (_, cert) = x509_parser::parse_x509_certificate(&der)
            .map_err(|error| wrong(format!("is no certificate: {error}")))?;
        let mut known: Vec<String> = Vec::new();
        for general in cert
            .subject_alternative_name()
            .ok()
            .flatten()
            .into_iter()
            .flat_map(|san| &san.value.general_names)
        {
            match general {
                x509_parser::extensions::GeneralName::DNSName(name) => known.push((*name).to_owned()),
                x509_parser::extensions::GeneralName::IPAddress(bytes) => known.extend(address(bytes)),
                _ => {}
            }
        }
        let end = u64::try_from(cert.validity().not_after.timestamp()).unwrap_or(0);
        let soon = SystemTime::now() + DAY * u32::try_from(RENEW_DAYS).unwrap_or(u32::MAX);
        let soon = soon.duration_since(SystemTime::UNIX_EPOCH).map_or(u64::MAX, |since| since.as_secs());
        Ok(end > soon && names.iter().all(|name| known.contains(name)))
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

/// From an hour ago, for clocks that are behind.
fn validity(params: &mut CertificateParams, length: Duration) {
    let now = SystemTime::now();
    params.not_before = (now - Duration::from_secs(3600)).into();
    params.not_after = (now + length).into();
}

fn content(path: &Path, reason: String) -> TlsError {
    TlsError::Content { path: path.to_owned(), reason }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::File { path: path.to_owned(), source })
}

fn text(path: &Path) -> Result<String, TlsError> {
    String::from_utf8(read(path)?).map_err(|_| content(path, "is no text".to_owned()))
}

/// Written beside and renamed, so that there is never half a file.
fn write(path: &Path, text: &str, mode: u32) -> Result<(), TlsError> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let fail = |source| TlsError::File { path: path.to_owned(), source };
    let beside = path.with_extension("new");
    // Never open an existing file, whose mode would stay as it is.
    let _ = std::fs::remove_file(&beside);
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside).map_err(fail)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(fail)?;
    std::fs::rename(&beside, path).map_err(fail)
}

fn restrict(path: &Path, mode: u32) -> Result<(), TlsError> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
        .map_err(|source| TlsError::File { path: path.to_owned(), source })
}
