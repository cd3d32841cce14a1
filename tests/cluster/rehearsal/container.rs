//! A Pod's sandbox, which holds its network, and its container: a process with its own root directory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::client::text;
use super::volumes::{Volumes, field};
use crate::harness::{Daemon, eventually};

/// For what takes no time on an idle machine.
const SOON: Duration = Duration::from_secs(30);
/// Names a program of another version of stategate, for what the chart calls the image `other`.
const OTHER: &str = "REHEARSAL_OTHER";

/// What keeps the network of a Pod while its container is started again.
pub struct Sandbox {
    daemon: Daemon,
    /// The address of the Pod.
    pub ip: String,
}

impl Sandbox {
    /// Makes a network namespace with this address on the bridge of all Pods, which `run` has made.
    ///
    /// # Panics
    /// If it cannot be made.
    pub fn start(dir: &Path, number: u32) -> Self {
        let ip = format!("10.2.{}.{}", number / 250, number % 250 + 2);
        let up = dir.join("up");
        let mut command = Command::new("unshare");
        let hold = format!("ip link set lo up; : >{}; exec sleep infinity", quoted(&up.to_string_lossy()));
        command.args(["--net", "sh", "-c", &hold]);
        let daemon = Daemon::start("sandbox", command, dir.join("sandbox.log"));
        eventually("a sandbox is made", SOON, || up.exists());
        let (id, link) = (daemon.id().to_string(), format!("pod{number}"));
        ip_command(&["link", "add", &link, "type", "veth", "peer", "name", "eth0", "netns", &id]);
        ip_command(&["link", "set", &link, "master", "pods", "up"]);
        let inside = |args: &[&str]| {
            let mut command = Command::new("nsenter");
            command.arg(format!("--net=/proc/{id}/ns/net")).arg("ip").args(args);
            ended_well(command);
        };
        inside(&["addr", "add", &format!("{ip}/16"), "dev", "eth0"]);
        inside(&["link", "set", "eth0", "up"]);
        inside(&["route", "add", "default", "via", "10.2.0.1"]);
        Self { daemon, ip }
    }
}

fn ip_command(args: &[&str]) {
    let mut command = Command::new("ip");
    command.args(args);
    ended_well(command);
}

fn ended_well(mut command: Command) {
    let output = command.output().expect("it can be started");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The program in an image: the tag `other` is that of another version, if there is one.
fn program(image: &str) -> PathBuf {
    let other = std::env::var_os(OTHER).filter(|_| image.ends_with(":other"));
    other.map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_stategate")), PathBuf::from)
}

/// Starts the container of a Pod: its arguments, environment and mounts as the Pod has them, and nothing else of this
/// machine but the libraries that the program needs. Its files are below a directory; what it prints is in another file.
pub fn start(
    pod: &Value,
    sandbox: &Sandbox,
    volumes: &Volumes,
    (dir, log): (&Path, PathBuf),
    attempt: u64,
) -> Daemon {
    let container = &pod["spec"]["containers"][0];
    let root = dir.join(format!("root-{attempt}"));
    fs::create_dir_all(&root).expect("a directory can be made");
    let at = quoted(&root.to_string_lossy());
    let mut script = format!(
        "set -e\nmount -t tmpfs tmpfs {at}\ncd {at}\nmkdir -p usr dev proc tmp etc\n\
         mount --rbind /usr usr; mount --rbind /dev dev; mount --rbind /proc proc\n\
         for d in bin lib lib64; do\n  if [ -L /$d ]; then cp -P /$d .; elif [ -d /$d ]; then mkdir $d; mount --rbind /$d $d; fi\ndone\n\
         : >stategate; mount --bind {} stategate\n",
        quoted(&program(text(container, "/image")).to_string_lossy())
    );
    for mount in container["volumeMounts"].as_array().into_iter().flatten() {
        let from = quoted(&volumes.path(text(mount, "/name")).to_string_lossy());
        let to = quoted(text(mount, "/mountPath").trim_start_matches('/'));
        script += &format!("mkdir -p {to}; mount --bind {from} {to}\n");
        if mount["readOnly"] == true {
            script += &format!("mount -o remount,bind,ro {to}\n");
        }
    }
    let security = &pod["spec"]["securityContext"];
    let user = format!("{}:{}", security["runAsUser"], security["runAsGroup"]);
    let name = text(pod, "/metadata/name");
    if container["securityContext"]["readOnlyRootFilesystem"] == true {
        script += "mount -o remount,ro .\n";
    }
    script += &format!("echo {} >/proc/sys/kernel/hostname\n", quoted(name));
    // Without other users, as in a user namespace, there is only one to run as.
    script += &format!("as=--userspec={user}; chroot $as . /usr/bin/true 2>/dev/null || as=\n");
    script += "exec chroot $as . /usr/bin/env -i";
    let mut environment = vec![
        ("KUBERNETES_SERVICE_HOST".to_owned(), "10.0.0.1".to_owned()),
        ("KUBERNETES_SERVICE_PORT".to_owned(), "443".to_owned()),
        ("HOSTNAME".to_owned(), name.to_owned()),
        ("RUST_LIB_BACKTRACE".to_owned(), "0".to_owned()),
    ];
    for variable in container["env"].as_array().into_iter().flatten() {
        let value = match variable["value"].as_str() {
            Some(value) => value.to_owned(),
            None => field(pod, text(variable, "/valueFrom/fieldRef/fieldPath"), &sandbox.ip),
        };
        environment.push((text(variable, "/name").to_owned(), value));
    }
    for (name, value) in &environment {
        script += &format!(" {}", quoted(&format!("{name}={value}")));
    }
    script += " /stategate";
    for arg in container["args"].as_array().into_iter().flatten() {
        let arg = arg.as_str().unwrap_or_default();
        let arg = environment
            .iter()
            .fold(arg.to_owned(), |arg, (name, value)| arg.replace(&format!("$({name})"), value));
        script += &format!(" {}", quoted(&arg));
    }
    let file = dir.join(format!("start-{attempt}.sh"));
    fs::write(&file, script).expect("a script can be written");
    let mut command = Command::new("nsenter");
    command
        .arg(format!("--net=/proc/{}/ns/net", sandbox.daemon.id()))
        .args(["unshare", "--mount", "--uts", "--propagation", "private", "sh"])
        .arg(file);
    Daemon::start("container", command, log)
}

/// A word of a shell script.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
