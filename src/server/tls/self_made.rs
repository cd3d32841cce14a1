//! A certificate authority and a certificate signed by it, kept in a directory.

use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use rcgen::KeyPair;
use rustls::pki_types::CertificateDer;

use super::{TlsError, check, content, first_certificate, issue, read};

/// Lifetime of a generated certificate authority.
const CA_DAYS: u32 = 3650;
/// Lifetime of a generated certificate.
const LEAF_DAYS: u32 = 365;
/// A generated certificate is renewed this many days before it expires.
const RENEW_DAYS: u32 = 30;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The files.
pub struct SelfMade {
    dir: PathBuf,
    pub ca_cert: PathBuf,
    ca_key: PathBuf,
    pub cert: PathBuf,
    pub key: PathBuf,
}

impl SelfMade {
    pub fn new(dir: &Path) -> Self {
        let file = |name: &str| dir.join(name);
        Self {
            dir: dir.to_owned(),
            ca_cert: file("ca.crt"),
            ca_key: file("ca.key"),
            cert: file("tls.crt"),
            key: file("tls.key"),
        }
    }

    /// Generates what is missing or about to expire.
    ///
    /// A key is never replaced: every step writes one file, so whenever the process ends, the files fit
    /// together or one is missing. A new key would be no safer, since the authority's key lies beside it.
    pub fn ensure(&self, names: &[String]) -> Result<(), TlsError> {
        let names = issue::with_local(names);
        let fail = |source| TlsError::File { path: self.dir.clone(), source };
        // An existing directory keeps its mode: it may be a mounted volume, or shared.
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.dir).map_err(fail)?;
        // Two servers that start at once agree on one authority; the lock is released when this function
        // returns. A read-only directory is acceptable as long as nothing must be written.
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
        let now = now();
        let made = issue::authority(&key, issue::AUTHORITY, now, now + DAY * CA_DAYS)?;
        write(&self.ca_cert, &made.pem(), 0o644)
    }

    /// The authority, if it is still valid.
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
                cert: self.ca_cert.display().to_string(),
                key: self.ca_key.display().to_string(),
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
        let (issuer_key, key, now) = (key_at(&self.ca_key)?, key_at(&self.key)?, now());
        let end = (now + DAY * LEAF_DAYS).min(authority.end);
        let made = issue::leaf(names, &key, (&authority.cert, issuer_key), now, end)?;
        write(&self.cert, &made.pem(), 0o644)
    }

    /// Would a client that trusts the authority accept the certificate for every name, both now and
    /// [`RENEW_DAYS`] from now?
    fn is_current(&self, authority: &Authority, names: &[String]) -> Result<bool, TlsError> {
        check::names(names)?;
        if !self.cert.exists() || !self.key.exists() {
            return Ok(false);
        }
        let cert = first_certificate(&self.cert)?;
        let chain = std::slice::from_ref(&cert);
        let accepted = |at: Duration| {
            let at = Timestamp::UNIX_EPOCH.saturating_add(at).unwrap_or(Timestamp::MAX);
            let trusted = || std::iter::once(&authority.cert);
            names.iter().all(|name| check::is_accepted(trusted(), chain, name, at))
        };
        Ok(fit(&cert, &self.key)? && accepted(now()) && accepted(now() + DAY * RENEW_DAYS))
    }
}

struct Authority {
    cert: CertificateDer<'static>,
    /// Time since the Unix epoch.
    end: Duration,
}

/// Time since the Unix epoch.
fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Reads the key from a file, or generates the file.
fn key_at(path: &Path) -> Result<KeyPair, TlsError> {
    if !path.exists() {
        let key = KeyPair::generate()?;
        write(path, &key.serialize_pem(), 0o600)?;
        return Ok(key);
    }
    let pem = String::from_utf8(read(path)?).map_err(|_| content(path, "is no text".to_owned()))?;
    KeyPair::from_pem(&pem).map_err(|error| content(path, format!("holds no private key in PEM: {error}")))
}

/// Does this key belong to the certificate?
fn fit(cert: &CertificateDer<'static>, key: &Path) -> Result<bool, TlsError> {
    check::fit(std::slice::from_ref(cert), &read(key)?).map_err(|reason| content(key, reason))
}

/// Writes a temporary file and renames it, so that a partial file is never visible.
fn write(path: &Path, text: &str, mode: u32) -> Result<(), TlsError> {
    use std::io::Write as _;
    let fail = |source| TlsError::File { path: path.to_owned(), source };
    let beside = path.with_extension("new");
    // Never open an existing file, which would keep its mode.
    let _ = std::fs::remove_file(&beside);
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside).map_err(fail)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(fail)?;
    std::fs::rename(&beside, path).map_err(fail)
}

#[cfg(test)]
mod tests;
