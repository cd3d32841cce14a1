use super::super::Tls;
use super::*;

use std::fs;

/// Makes what is missing, and what can be served with it.
fn load(dir: &Path, names: &[&str]) -> Result<(), TlsError> {
    let names = names.iter().map(|&name| name.to_owned()).collect();
    Tls::SelfMade { dir: dir.to_owned(), names }.read()?.config(None).map(|_| ())
}

/// The contents of all generated files except `.lock`.
fn files(dir: &Path) -> [Vec<u8>; 4] {
    ["ca.key", "ca.crt", "tls.key", "tls.crt"].map(|name| fs::read(dir.join(name)).unwrap())
}

fn is_current(dir: &Path, names: &[&str]) -> bool {
    let own = SelfMade::new(dir);
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    own.is_current(&own.authority().unwrap(), &names).unwrap()
}

/// Generates a certificate signed by the authority in `dir` that expires at `end`.
fn leaf_until(dir: &Path, end: Duration) {
    let own = SelfMade::new(dir);
    let authority = own.authority().unwrap();
    own.make_leaf(vec!["localhost".to_owned()], &Authority { cert: authority.cert, end }).unwrap();
}

#[test]
fn it_is_made_once_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("below/it");
    load(&dir, &["gate.shop.svc", "10.0.0.1"]).unwrap();
    let made = files(&dir);
    assert!(is_current(&dir, &["localhost", "127.0.0.1", "::1", "gate.shop.svc", "10.0.0.1"]));
    assert!(!is_current(&dir, &["other.shop.svc"]));
    load(&dir, &["10.0.0.1"]).unwrap();
    assert_eq!(files(&dir), made);
}

#[test]
fn a_new_name_makes_a_new_certificate_under_the_same_authority() {
    let dir = tempfile::tempdir().unwrap();
    load(dir.path(), &[]).unwrap();
    let [ca_key, ca_cert, key, cert] = files(dir.path());
    load(dir.path(), &["gate.example.com"]).unwrap();
    let now = files(dir.path());
    assert_eq!(now[..3], [ca_key, ca_cert, key]);
    assert_ne!(now[3], cert);
    assert!(is_current(dir.path(), &["gate.example.com"]));
}

#[test]
fn it_is_renewed_a_month_before_its_end() {
    let dir = tempfile::tempdir().unwrap();
    load(dir.path(), &[]).unwrap();
    leaf_until(dir.path(), now() + DAY * (RENEW_DAYS + 1));
    assert!(is_current(dir.path(), &["localhost"]));
    leaf_until(dir.path(), now() + DAY * (RENEW_DAYS - 1));
    assert!(!is_current(dir.path(), &["localhost"]));
    load(dir.path(), &[]).unwrap();
    assert!(is_current(dir.path(), &["localhost"]));
}

#[test]
fn whatever_step_was_the_last_the_next_start_completes_it() {
    for missing in [
        &["tls.crt"][..],
        &["tls.crt", "tls.key"],
        &["tls.crt", "tls.key", "ca.crt"],
        &["ca.crt", "ca.key"],
        &["ca.crt"],
        &["tls.key"],
    ] {
        let dir = tempfile::tempdir().unwrap();
        load(dir.path(), &[]).unwrap();
        for file in missing {
            fs::remove_file(dir.path().join(file)).unwrap();
        }
        load(dir.path(), &[]).unwrap();
        assert!(is_current(dir.path(), &["localhost", "::1"]), "without {missing:?}");
    }
}

#[test]
fn an_authority_without_its_key_serves_as_long_as_its_certificate_lasts() {
    let dir = tempfile::tempdir().unwrap();
    load(dir.path(), &[]).unwrap();
    fs::remove_file(dir.path().join("ca.key")).unwrap();
    load(dir.path(), &[]).unwrap();
    let error = load(dir.path(), &["other"]).unwrap_err().to_string();
    assert!(error.contains("ca.key") && error.contains("restore it"), "{error}");
}

#[test]
fn a_foreign_or_broken_file_is_an_error_that_names_it_and_stays() {
    let [dir, other] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    load(other.path(), &[]).unwrap();
    let broken = [
        ("ca.key", fs::read_to_string(other.path().join("ca.key")).unwrap(), "ca.crt"),
        ("ca.crt", "broken".to_owned(), "ca.crt"),
        ("ca.key", "broken".to_owned(), "ca.key"),
        ("tls.crt", "broken".to_owned(), "tls.crt"),
        ("tls.key", "broken".to_owned(), "tls.key"),
    ];
    for (number, (file, text, named)) in broken.into_iter().enumerate() {
        let dir = dir.path().join(number.to_string());
        load(&dir, &[]).unwrap();
        fs::write(dir.join(file), &text).unwrap();
        let error = load(&dir, &[]).unwrap_err().to_string();
        assert!(error.contains(named), "{file}: {error}");
        assert_eq!(fs::read_to_string(dir.join(file)).unwrap(), text);
    }
}

#[test]
fn a_certificate_that_is_not_its_keys_is_made_anew() {
    let [dir, other] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    load(dir.path(), &[]).unwrap();
    load(other.path(), &[]).unwrap();
    fs::copy(other.path().join("tls.key"), dir.path().join("tls.key")).unwrap();
    load(dir.path(), &[]).unwrap();
    fs::copy(other.path().join("tls.crt"), dir.path().join("tls.crt")).unwrap();
    load(dir.path(), &[]).unwrap();
    assert!(is_current(dir.path(), &["localhost"]));
}

#[test]
fn an_expired_authority_is_an_error_that_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    load(dir.path(), &[]).unwrap();
    let key = key_at(&dir.path().join("ca.key")).unwrap();
    let expired = issue::authority(&key, issue::AUTHORITY, now(), now() - Duration::from_secs(9)).unwrap();
    write(&dir.path().join("ca.crt"), &expired.pem(), 0o644).unwrap();
    let error = load(dir.path(), &[]).unwrap_err().to_string();
    assert!(error.contains("ca.crt") && error.contains("register the new"), "{error}");
}

#[test]
fn modes_are_private_and_a_directory_that_is_there_keeps_its_own() {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let dir = tempfile::tempdir().unwrap();
    let made = dir.path().join("made");
    load(&made, &[]).unwrap();
    assert_eq!(mode(&made), 0o700);
    assert_eq!((mode(&made.join("tls.key")), mode(&made.join("ca.key"))), (0o600, 0o600));
    let shared = dir.path().join("shared");
    fs::create_dir(&shared).unwrap();
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o777)).unwrap();
    load(&shared, &[]).unwrap();
    assert_eq!(mode(&shared), 0o777);
}

#[test]
fn servers_that_start_at_once_agree() {
    let dir = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| load(dir.path(), &[]).unwrap());
        }
    });
    assert!(is_current(dir.path(), &["localhost"]));
}

#[test]
fn a_name_that_is_none_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let error = load(dir.path(), &["not a name"]).unwrap_err().to_string();
    assert!(error.contains("\"not a name\""), "{error}");
}
