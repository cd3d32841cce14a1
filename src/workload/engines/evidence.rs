//! What shows that a container runs an engine if its image is in no row of the table.

use super::super::command::{CommandLine, values};
use super::super::image::ImageRef;
use super::super::pods::keeps;
use super::super::view::Container;
use super::runs::starts_like;
use super::{EngineRow, matches_any};

/// Words in names of images and containers that work with an engine and do not run it.
const TOOLS: &[&str] = &[
    "admin",
    "agent",
    "archiver",
    "backup",
    "backups",
    "bouncer",
    "bridge",
    "client",
    "commander",
    "connect",
    "console",
    "dashboard",
    "dump",
    "envoy",
    "exporter",
    "express",
    "gateway",
    "haproxy",
    "init",
    "manager",
    "maxscale",
    "meta",
    "metrics",
    "migrate",
    "migration",
    "migrations",
    "migrator",
    "mirror",
    "monitor",
    "odyssey",
    "operator",
    "pgbouncer",
    "pgpool",
    "pooler",
    "proxy",
    "proxysql",
    "registry",
    "restore",
    "router",
    "sentinel",
    "sidecar",
    "socat",
    "tool",
    "tools",
    "twemproxy",
    "ui",
    "watcher",
    "web",
];

/// Words beside the name of an engine in the name of what runs it.
const SERVERS: &[&str] = &[
    "",
    "alpine",
    "cache",
    "cluster",
    "data",
    "database",
    "db",
    "main",
    "master",
    "node",
    "primary",
    "replica",
    "server",
    "standalone",
    "store",
];

/// What the names of variables begin and end with that tell a client where its server is.
const SERVER_PREFIXES: &[&str] = &["DATABASE", "DB", "PG"];
const SERVER_SUFFIXES: &[&str] = &[
    "ADDR", "ADDRESS", "DSN", "ENDPOINT", "HOST", "HOSTNAME", "HOSTS", "SERVER", "SERVERS", "SERVICE", "URI",
    "URL",
];

impl EngineRow {
    /// Whether two signs show that a container runs the engine, one of which is a volume at its directory, a variable
    /// of its server or, beside a lasting volume, a command that starts it or an image that is called nothing else:
    /// its port and another name may be those of a proxy.
    pub(super) fn is_evident_in(&self, container: &Container, image: &ImageRef, line: &CommandLine) -> bool {
        let names = [image.basename(), container.name.as_str()];
        if names.into_iter().flat_map(words).any(|word| TOOLS.contains(&word)) {
            return false;
        }
        let mounted = self.mounted_dirs(container).next().is_some();
        let listens = container.ports.iter().any(|port| self.ports.contains(&port.port));
        let called = names.into_iter().flat_map(words).any(|word| self.is_called(word));
        if mounted && (listens || called) {
            return true;
        }
        // An application has much the same variables as its database.
        let plainly = |name: &str| {
            words(name).any(|word| self.is_called(word))
                && words(name).all(|word| self.is_called(word) || SERVERS.contains(&word))
        };
        let told = container.env.iter().any(|env| matches_any(&self.variables, &env.name));
        let mut started = line.works().filter(|words| starts_like(self.own_servers(), words)).peekable();
        let starts = started.peek().is_some();
        // No other program is told where the engine keeps its data.
        if started.any(|words| values(words, &self.arguments, &self.options).next().is_some()) {
            return true;
        }
        let held = container.mounts.iter().any(keeps);
        let stores = listens && held && (starts || plainly(image.basename()));
        (stores || told)
            && (mounted || listens || names.into_iter().any(plainly))
            && !self.is_told_of_a_server(container)
    }

    /// What starts its server and nothing else: `run` and `start` are words of many programs.
    fn own_servers(&self) -> impl Iterator<Item = &String> {
        let own = |server: &&String| {
            server.contains(['.', '-', ' ']) || self.programs.contains(server) || **server == self.name
        };
        let by_name = self.servers.is_empty().then_some(&self.name);
        self.servers.iter().filter(own).chain(by_name)
    }

    fn is_called(&self, word: &str) -> bool {
        self.name == word || self.images.iter().any(|image| image == word)
    }

    /// Whether a variable says where a server of the engine is, so that the container is its client.
    fn is_told_of_a_server(&self, container: &Container) -> bool {
        container.env.iter().any(|env| {
            let name = env.name.to_ascii_uppercase();
            let of_engine = || {
                let known = |word: &str| !word.is_empty() && name.starts_with(&word.to_ascii_uppercase());
                known(&self.name) || self.images.iter().any(|image| known(image))
            };
            let prefixed = SERVER_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || of_engine();
            // `MYSQL_ROOT_HOST` tells the server whom it lets in.
            prefixed
                && SERVER_SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
                && !name.ends_with("_ROOT_HOST")
                && !name.contains("ADVERTISED")
                && !matches_any(&self.variables, &env.name)
        })
    }
}

/// The words of a name, without the numbers after them.
fn words(name: &str) -> impl Iterator<Item = &str> {
    name.split(['-', '_', '.']).map(|word| word.trim_end_matches(|c: char| c.is_ascii_digit()))
}
