//! Memory settings of data stores, read from a container's environment, command and arguments in the unit
//! each one uses.

use super::quantity;
use super::view::{Container, MemorySetting};
use crate::path::{Path, Segment};

/// Longer values are ignored.
const MAX_LENGTH: usize = 64;
/// PostgreSQL counts in pages of 8 kB if a value has no unit.
const PAGE: i64 = 8 << 10;

/// The unit syntax of a setting's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Units {
    /// JVM and MySQL: `2g`; k, m, g and t in either case are powers of 1024; bytes without a unit.
    Binary,
    /// `2gb` uses powers of 1024, `2g` powers of 1000, in either case.
    Redis,
    /// `8GB`: kB, MB, GB and TB are powers of 1024; pages without a unit.
    Postgres,
    /// Gibibytes, optionally with a fraction.
    Gibi,
    /// `2G` or `2Gi`, both powers of 1024.
    Seastar,
    /// `2G` uses powers of 1000, `2Gi` powers of 1024.
    Quantity,
    /// A percentage of the container's memory limit.
    Percent,
}

/// The memory settings of a container, each listed once: the last value wins, and arguments follow the
/// environment.
pub fn memory_settings(container: &Container) -> Vec<MemorySetting> {
    let mut found = Found { settings: Vec::new(), container };
    for env in &container.env {
        // A setting is shown at its value, which must be in the object.
        let Some(value) = env.value.as_ref().filter(|_| env.from.is_empty()) else { continue };
        let path = || below(&env.path, "value".into());
        // Cassandra's start script turns this into -Xmx.
        if env.name == "MAX_HEAP_SIZE" {
            found.add("-Xmx", Units::Binary, value, path);
        } else {
            found.scan(value, "", path);
        }
    }
    for (key, words) in [("command", &container.command), ("args", &container.args)] {
        for (index, word) in words.iter().enumerate() {
            let next = words.get(index + 1).map_or("", String::as_str);
            found.scan(word, next, || below(&below(&container.path, key.into()), index.into()));
        }
    }
    found.settings
}

fn below(path: &Path, step: Segment) -> Path {
    path.iter().cloned().chain([step]).collect()
}

struct Found<'a> {
    settings: Vec<MemorySetting>,
    container: &'a Container,
}

impl Found<'_> {
    /// Scans the words of a text, such as `-Xms1g -Xmx2g` or a shell command line. The value of the last word
    /// may be in the `next` text.
    fn scan(&mut self, text: &str, next: &str, path: impl Fn() -> Path) {
        let mut words = text.split_ascii_whitespace().map(plain).peekable();
        while let Some(word) = words.next() {
            let Some((name, units, value)) = flag(word) else { continue };
            let value = value.or_else(|| words.peek().copied()).unwrap_or_else(|| plain(next));
            if units == Units::Seastar && !self.is_seastar() {
                continue;
            }
            self.add(name, units, value, &path);
        }
    }

    /// Many programs have a `--memory` flag; for these engines its meaning is known.
    fn is_seastar(&self) -> bool {
        ["redpanda", "scylla"].contains(&self.container.engine.as_str())
    }

    fn add(&mut self, name: &'static str, units: Units, text: &str, path: impl Fn() -> Path) {
        // A variable reference counts as a value, although it cannot be resolved here.
        if text.len() > MAX_LENGTH || !text.starts_with(|c: char| c.is_ascii_digit() || c == '$') {
            return;
        }
        let bytes = match units {
            Units::Percent => self.container.limits.memory.and_then(|limit| percent_of(limit, text)),
            units => bytes(units, text),
        };
        self.settings.retain(|setting| setting.name != name);
        self.settings.push(MemorySetting { name, bytes, text: text.to_owned(), path: path() });
    }
}

/// Strips quotes and punctuation.
fn plain(word: &str) -> &str {
    word.trim_matches(['"', '\'', ';', ',', '(', ')', '[', ']'])
}

/// The setting that a word names, and its value if the word contains it.
fn flag(word: &str) -> Option<(&'static str, Units, Option<&str>)> {
    let name = word.trim_start_matches('-');
    // Fast path: almost every word ends here.
    if !name.starts_with(['X', 's', 'i', 'm', 'w']) {
        return None;
    }
    let dashed = name.len() < word.len();
    if dashed && let Some(value) = name.strip_prefix("Xmx") {
        return Some(("-Xmx", Units::Binary, Some(value)));
    }
    let (name, value) = match name.split_once('=') {
        Some((name, value)) => (name, Some(plain(value))),
        None if dashed => (name, None),
        None => return None,
    };
    // These two also accept dashes inside the name.
    let is = |known: &str| {
        name.len() == known.len()
            && name.bytes().zip(known.bytes()).all(|(a, b)| a == b || (a, b) == (b'-', b'_'))
    };
    match name {
        "XX:MaxHeapSize" => Some(("-Xmx", Units::Binary, value)),
        "XX:MaxRAMPercentage" => Some(("-XX:MaxRAMPercentage", Units::Percent, value)),
        "maxmemory" => Some(("maxmemory", Units::Redis, value)),
        "wiredTigerCacheSizeGB" => Some(("wiredTigerCacheSizeGB", Units::Gibi, value)),
        "max_server_memory_usage" => Some(("max_server_memory_usage", Units::Quantity, value)),
        "memory" if dashed => Some(("--memory", Units::Seastar, value)),
        _ if is("shared_buffers") => Some(("shared_buffers", Units::Postgres, value)),
        _ if is("innodb_buffer_pool_size") => Some(("innodb_buffer_pool_size", Units::Binary, value)),
        _ => None,
    }
}

/// The bytes of an amount; `None` if it is not valid in these units or too large.
fn bytes(units: Units, text: &str) -> Option<i64> {
    let (number, unit) =
        text.split_at(text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len()));
    if units == Units::Postgres && unit.is_empty() {
        return quantity::bytes(number).ok()?.checked_mul(PAGE);
    }
    quantity::bytes(&format!("{number}{}", suffix(units, unit)?)).ok()
}

/// The unit as Kubernetes writes it.
fn suffix(units: Units, unit: &str) -> Option<&'static str> {
    const BINARY: [&str; 4] = ["Ki", "Mi", "Gi", "Ti"];
    const DECIMAL: [&str; 4] = ["k", "M", "G", "T"];
    if unit.is_empty() {
        return Some(if units == Units::Gibi { "Gi" } else { "" });
    }
    let lower = unit.to_ascii_lowercase();
    let size = lower.bytes().next().and_then(|first| b"kmgt".iter().position(|known| *known == first));
    let rest = lower.get(1..).unwrap_or_default();
    let (binary, decimal) = (|| BINARY.get(size?).copied(), || DECIMAL.get(size?).copied());
    match (units, rest) {
        (Units::Binary, "") | (Units::Redis, "b") | (Units::Seastar, "" | "i" | "ib" | "b") => binary(),
        (Units::Quantity, "i") => binary(),
        (Units::Redis | Units::Quantity, "") => {
            if lower == "b" {
                Some("")
            } else {
                decimal()
            }
        }
        // PostgreSQL accepts kB but not KB.
        (Units::Postgres, "b") if ["kB", "MB", "GB", "TB"].contains(&unit) => binary(),
        (Units::Postgres, "") if unit == "B" => Some(""),
        _ => None,
    }
}

fn percent_of(limit: i64, text: &str) -> Option<i64> {
    let thousandths = i128::from(quantity::millis(text).ok()?);
    i64::try_from(i128::from(limit) * thousandths / 100_000).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const K: i64 = 1 << 10;
    const M: i64 = 1 << 20;
    const G: i64 = 1 << 30;

    fn settings(engine: &str, args: &[&str]) -> Vec<(&'static str, Option<i64>)> {
        let container = Container {
            engine: engine.to_owned(),
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
            ..Container::default()
        };
        memory_settings(&container).into_iter().map(|setting| (setting.name, setting.bytes)).collect()
    }

    #[test]
    fn every_store_has_units_of_its_own() {
        for (args, name, bytes) in [
            (&["-Xmx2g"][..], "-Xmx", 2 * G),
            (&["-XX:MaxHeapSize=512M"], "-Xmx", 512 * M),
            (&["-Xmx1048576"], "-Xmx", M),
            (&["-c", "shared_buffers=8GB"], "shared_buffers", 8 * G),
            (&["-c", "shared_buffers=131072"], "shared_buffers", G),
            (&["--shared-buffers=64kB"], "shared_buffers", 64 * K),
            (&["--shared_buffers", "1024B"], "shared_buffers", K),
            (&["--innodb-buffer-pool-size=4G"], "innodb_buffer_pool_size", 4 * G),
            (&["--innodb_buffer_pool_size", "134217728"], "innodb_buffer_pool_size", 128 * M),
            (&["--maxmemory", "2gb"], "maxmemory", 2 * G),
            (&["--maxmemory", "2g"], "maxmemory", 2_000_000_000),
            (&["--maxmemory", "100MB"], "maxmemory", 100 * M),
            (&["--maxmemory", "0"], "maxmemory", 0),
            (&["--wiredTigerCacheSizeGB", "1.5"], "wiredTigerCacheSizeGB", 3 * G / 2),
            (&["--wiredTigerCacheSizeGB=0.25"], "wiredTigerCacheSizeGB", G / 4),
            (&["--max_server_memory_usage=10G"], "max_server_memory_usage", 10_000_000_000),
            (&["sh", "-c", "exec redis-server --port 6379 --maxmemory '2gb'; true"], "maxmemory", 2 * G),
        ] {
            assert_eq!(settings("", args), [(name, Some(bytes))], "{args:?}");
        }
        assert_eq!(settings("redpanda", &["--memory", "2G"]), [("--memory", Some(2 * G))]);
        assert_eq!(settings("redpanda", &["--memory=1.5GiB"]), [("--memory", Some(3 * G / 2))]);
        assert_eq!(settings("postgres", &["--memory", "2G"]), [], "who knows what that is");
    }

    #[test]
    fn the_last_one_counts_and_what_is_unknown_has_no_bytes() {
        assert_eq!(settings("", &["-Xmx1g -Xmx2g"]), [("-Xmx", Some(2 * G))]);
        assert_eq!(settings("", &["-Xmx$(HEAP)"]), [("-Xmx", None)]);
        assert_eq!(settings("", &["-c", "shared_buffers=8gb"]), [("shared_buffers", None)]);
        assert_eq!(settings("", &["-Xmx99999999999999g"]), [("-Xmx", None)]);
        for none in [
            &["--maxmemory"][..],
            &["--maxmemory", "--dir"],
            &["--maxmemory-policy", "2"],
            &["maxmemory", "2gb"],
            &["-Xms1g"],
        ] {
            assert_eq!(settings("", none), [], "{none:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn no_argument_panics(any in any::<String>(), flag in "-{0,2}(Xmx|shared_buffers=|maxmemory |memory=|wiredTigerCacheSizeGB=)", value in "[0-9.]{0,30}[a-zA-Z]{0,3}") {
            let _ = (settings("redpanda", &[&any, &value]), settings("redpanda", &[&format!("{flag}{value}")]));
        }

        #[test]
        fn amounts_are_what_they_say(number in 0..1_000_000_i64) {
            let one = |arg: String| settings("", &[&arg]).first().and_then(|(_, bytes)| *bytes);
            prop_assert_eq!(one(format!("-Xmx{number}m")), Some(number * M));
            prop_assert_eq!(one(format!("shared_buffers={number}MB")), Some(number * M));
            prop_assert_eq!(one(format!("shared_buffers={number}")), Some(number * 8 * K));
            prop_assert_eq!(one(format!("--maxmemory={number}mb")), Some(number * M));
            prop_assert_eq!(one(format!("--maxmemory={number}m")), Some(number * 1_000_000));
            prop_assert_eq!(one(format!("--wiredTigerCacheSizeGB={number}.5")), Some(number * G + G / 2));
        }
    }
}
