//! The volumes of a Pod, as a kubelet makes them.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::client::{Client, text};

/// Tokens are renewed well before they end.
const TOKEN_AGE: Duration = Duration::from_secs(1800);

/// The files of a volume.
type Files = BTreeMap<String, Vec<u8>>;

/// The volumes of one Pod.
pub struct Volumes {
    dir: PathBuf,
    pod: Value,
    token: Option<(Instant, String)>,
    published: BTreeMap<String, Files>,
}

impl Volumes {
    /// Volumes of this Pod below a directory; none is made yet.
    pub fn of(pod: &Value, dir: PathBuf) -> Self {
        Self { dir, pod: pod.clone(), token: None, published: BTreeMap::new() }
    }

    /// The directory of a volume.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Makes all volumes, or brings them up to date.
    ///
    /// # Errors
    /// If something that the Pod mounts is not there; what was made stays.
    pub fn refresh(&mut self, client: &Client) -> Result<(), String> {
        let volumes = self.pod["spec"]["volumes"].as_array().cloned().unwrap_or_default();
        for volume in &volumes {
            let name = text(volume, "/name").to_owned();
            let dir = self.path(&name);
            fs::create_dir_all(&dir).map_err(|error| error.to_string())?;
            if volume.get("emptyDir").is_some() {
                fs::set_permissions(&dir, fs::Permissions::from_mode(0o777)).map_err(|e| e.to_string())?;
                continue;
            }
            let files = self.files(client, volume)?;
            if self.published.get(&name) != Some(&files) {
                publish(&dir, &files).map_err(|error| format!("{}: {error}", dir.display()))?;
                self.published.insert(name, files);
            }
        }
        Ok(())
    }

    fn files(&mut self, client: &Client, volume: &Value) -> Result<Files, String> {
        let sources = match volume["projected"]["sources"].as_array() {
            Some(sources) => sources.clone(),
            None => vec![volume.clone()],
        };
        let mut files = Files::new();
        for source in &sources {
            if let Some(map) = source.get("configMap") {
                files.extend(self.keys(client, "configmaps", map, "/name")?);
            } else if let Some(secret) = source.get("secret") {
                let name = if secret.get("secretName").is_some() { "/secretName" } else { "/name" };
                files.extend(self.keys(client, "secrets", secret, name)?);
            } else if let Some(token) = source.get("serviceAccountToken") {
                files.insert(text(token, "/path").to_owned(), self.token(client, token)?.into_bytes());
            } else if let Some(items) = source["downwardAPI"]["items"].as_array() {
                for item in items {
                    let value = field(&self.pod, text(item, "/fieldRef/fieldPath"), "");
                    files.insert(text(item, "/path").to_owned(), value.into_bytes());
                }
            } else {
                return Err(format!("a volume of a kind that this kubelet does not know: {source}"));
            }
        }
        Ok(files)
    }

    /// The data of a ConfigMap or Secret: all keys, or those that `items` names.
    fn keys(&self, client: &Client, plural: &str, source: &Value, name: &str) -> Result<Files, String> {
        let (namespace, name) = (text(&self.pod, "/metadata/namespace"), text(source, name));
        let path = format!("/api/v1/namespaces/{namespace}/{plural}/{name}");
        let answer = client.call("GET", &path, &Value::Null)?;
        if answer.code == 404 && source["optional"] == true {
            return Ok(Files::new());
        }
        if !answer.succeeded() {
            return Err(format!("{plural} {name}: {}", answer.message()));
        }
        let mut files = Files::new();
        for (key, value) in answer.body["data"].as_object().into_iter().flatten() {
            let value = value.as_str().unwrap_or_default();
            let decoded = || STANDARD.decode(value).unwrap_or_default();
            files
                .insert(key.clone(), if plural == "secrets" { decoded() } else { value.as_bytes().to_vec() });
        }
        let Some(items) = source["items"].as_array() else { return Ok(files) };
        let chosen = items.iter().map(|item| {
            let found = files.get(text(item, "/key")).cloned();
            let missing = || format!("{plural} {name} has no {}", text(item, "/key"));
            Ok((text(item, "/path").to_owned(), found.ok_or_else(missing)?))
        });
        chosen.collect()
    }

    fn token(&mut self, client: &Client, source: &Value) -> Result<String, String> {
        if let Some((made, token)) = &self.token
            && made.elapsed() < TOKEN_AGE
        {
            return Ok(token.clone());
        }
        let metadata = &self.pod["metadata"];
        let (namespace, account) =
            (text(&self.pod, "/metadata/namespace"), text(&self.pod, "/spec/serviceAccountName"));
        let mut spec = json!({
            "expirationSeconds": source["expirationSeconds"].as_u64().unwrap_or(3600),
            "boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"]},
        });
        if let Some(audience) = source["audience"].as_str() {
            spec["audiences"] = json!([audience]);
        }
        let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec});
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token");
        let answer = client.call("POST", &path, &request)?;
        let token = text(&answer.body, "/status/token").to_owned();
        if token.is_empty() {
            return Err(format!("no token for {account}: {}", answer.message()));
        }
        self.token = Some((Instant::now(), token.clone()));
        Ok(token)
    }
}

/// A field of a Pod by the path that the downward API uses.
pub fn field(pod: &Value, path: &str, ip: &str) -> String {
    match path {
        "status.podIP" => ip.to_owned(),
        path => text(pod, &format!("/{}", path.replace('.', "/"))).to_owned(),
    }
}

/// Replaces the files of a directory at once: they are links into a directory that is itself a link.
fn publish(dir: &Path, files: &Files) -> std::io::Result<()> {
    let old = fs::read_link(dir.join("..data")).ok();
    let version = (0..).map(|number| format!("..{number}")).find(|name| !dir.join(name).exists());
    let version = version.expect("there is always another number");
    fs::create_dir_all(dir.join(&version))?;
    for (name, bytes) in files {
        fs::write(dir.join(&version).join(name), bytes)?;
    }
    let _ = fs::remove_file(dir.join("..new"));
    symlink(&version, dir.join("..new"))?;
    fs::rename(dir.join("..new"), dir.join("..data"))?;
    for entry in fs::read_dir(dir)?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with("..") && !files.contains_key(&name) {
            fs::remove_file(entry.path())?;
        }
    }
    for name in files.keys().filter(|name| fs::symlink_metadata(dir.join(name)).is_err()) {
        symlink(Path::new("..data").join(name), dir.join(name))?;
    }
    if let Some(old) = old {
        fs::remove_dir_all(dir.join(old))?;
    }
    Ok(())
}
