//! What jobs that dump a data store make of the dump.

use super::Workload;
use super::command::{CommandLine, HELPERS, SHELLS, program};
use super::pods::{covers, keeps};
use super::view::Container;

/// Programs that write a dump to a file or to their output, and nowhere else.
const DUMPS: &[&str] = &[
    "consul",
    "etcdctl",
    "influx",
    "influxd",
    "mariadb-dump",
    "mongodump",
    "mydumper",
    "mysqldump",
    "mysqlpump",
    "pg_dump",
    "pg_dumpall",
    "redis-cli",
    "valkey-cli",
    "vault",
];
/// Helpers that may send it elsewhere.
const SENDERS: &[&str] = &["curl", "wget"];
/// Programs that make another file of it.
const PACKERS: &[&str] = &[
    "bzip2",
    "du",
    "gpg",
    "gzip",
    "lz4",
    "openssl",
    "pigz",
    "pg_isready",
    "split",
    "tar",
    "xz",
    "zip",
    "zstd",
];
/// How the names of scripts end, if they have an ending: what else a command names is no script.
const SCRIPTS: &[&str] = &["bash", "js", "pl", "py", "rb", "sh"];
/// Of the programs that can do so, the options by which they dump definitions without the data.
const DEFINITIONS: &[(&str, &[&str])] = &[
    ("mariadb-dump", &["--no-data", "-d"]),
    ("mysqldump", &["--no-data", "-d"]),
    ("pg_dump", &["--schema-only", "-s"]),
    ("pg_dumpall", &["--schema-only", "-s", "--globals-only", "-g", "--roles-only", "-r"]),
];

/// By which pg_dump leaves out schemas and tables.
const EXCLUDING: &[&str] = &["--exclude-schema", "--exclude-table-data", "--exclude-table", "-N", "-T"];
/// Names and patterns of TimescaleDB's schema.
const CHUNKS: &[&str] = &["_timescaledb_internal", "_timescaledb*"];

/// Whether nothing of what a job dumps outlives its pods, for certain.
pub(crate) fn go_with_the_pod(view: &Workload) -> bool {
    let stays = view.containers.iter().any(|container| container.mounts.iter().any(keeps));
    let local = |container: &Container| {
        let unread = || scripts(container).any(|script| script.is_none());
        // What the image's own entry point does with its arguments is not known.
        !container.command.is_empty()
            && !unread()
            && !texts(container).any(|text| text.contains(">(") || text.contains("/dev/tcp"))
            && lines(container).all(|line| line.all_commands().all(|words| is_local(container, words)))
    };
    !stays && view.containers.iter().all(local)
}

/// Whether all that a job dumps are definitions.
pub(crate) fn are_definitions(view: &Workload) -> bool {
    let lines: Vec<CommandLine> = view.containers.iter().flat_map(lines).collect();
    let mut dumps = lines.iter().flat_map(CommandLine::all_commands).filter_map(|words| {
        let first = program(words.first()?);
        let (_, options) = DEFINITIONS.iter().find(|(name, _)| *name == first)?;
        Some(words.iter().any(|word| options.contains(&word.as_str())))
    });
    let others = view.containers.iter().flat_map(texts).any(|text| {
        DUMPS.iter().any(|name| !DEFINITIONS.iter().any(|(known, _)| known == name) && text.contains(name))
    });
    !others && dumps.next() == Some(true) && dumps.all(|only| only)
}

/// Whether all that a job dumps leaves out the schema in which TimescaleDB keeps the rows of hypertables.
pub(crate) fn are_without_chunks(view: &Workload) -> bool {
    let lines: Vec<CommandLine> = view.containers.iter().flat_map(lines).collect();
    let is_dump = |words: &&Vec<String>| {
        words.first().is_some_and(|first| matches!(program(first), "pg_dump" | "pg_dumpall"))
    };
    let commands = || lines.iter().flat_map(CommandLine::all_commands).filter(is_dump);
    let leaves_out = |words: &[String]| {
        excluded(words)
            .any(|name| CHUNKS.iter().any(|chunks| name.trim_matches(['"', '\'']).starts_with(chunks)))
    };
    // Rows may be copied beside the dump.
    let copies = |text: &str| text.to_ascii_lowercase().contains("copy");
    commands().next().is_some()
        && commands().all(|words| leaves_out(words))
        && !view.containers.iter().flat_map(texts).any(copies)
}

/// What pg_dump is told to leave out.
fn excluded(words: &[String]) -> impl Iterator<Item = &str> {
    words.iter().enumerate().filter_map(|(at, word)| {
        EXCLUDING.iter().find_map(|option| {
            let value = word.strip_prefix(option)?;
            let next = || words.get(at + 1).map(String::as_str);
            match value.strip_prefix('=') {
                _ if value.is_empty() => next(),
                None if option.starts_with("--") => None,
                value_after_sign => Some(value_after_sign.unwrap_or(value)),
            }
        })
    })
}

/// The scripts of ConfigMaps that a container's commands name; none for one whose text is not known.
pub(crate) fn scripts(container: &Container) -> impl Iterator<Item = Option<&str>> {
    named_files(container).map(|path| {
        let file = container.files.iter().find(|file| file.path == path);
        file.map(|file| &*file.text)
    })
}

/// The words of its commands that may be scripts in a ConfigMap.
fn named_files(container: &Container) -> impl Iterator<Item = &str> {
    let texts = container.command.iter().chain(&container.args);
    let words = texts.flat_map(|text| text.split_whitespace());
    let words = words.map(|word| word.trim_matches(['"', '\'', ';', '&', '(', ')']));
    words.filter(|word| {
        container.mounts.iter().any(|mount| {
            matches!(mount.source.as_str(), "configMap" | "projected")
                && word.starts_with('/')
                && covers(&mount.mount_path, word)
                && mount.mount_path != *word.trim_end_matches('/')
        }) && program(word).rsplit_once('.').is_none_or(|(_, ending)| SCRIPTS.contains(&ending))
    })
}

/// Its commands and scripts, as written.
fn texts(container: &Container) -> impl Iterator<Item = &str> {
    let texts = container.command.iter().chain(&container.args).map(String::as_str);
    texts.chain(scripts(container).flatten())
}

/// What the container runs, and what its scripts run.
fn lines(container: &Container) -> impl Iterator<Item = CommandLine> {
    let of_script = |text: &str| CommandLine::of_script(container, text);
    std::iter::once(CommandLine::of(container)).chain(scripts(container).flatten().map(of_script))
}

/// Whether a command keeps what it reads or writes in the pod.
fn is_local(container: &Container, words: &[String]) -> bool {
    let Some(first) = words.first() else { return true };
    let name = program(first);
    let script = |word: &String| named_files(container).any(|path| path == word);
    match name {
        // Its BGSAVE writes where the server is.
        "redis-cli" | "valkey-cli" => words.iter().any(|word| word == "--rdb"),
        _ if SENDERS.contains(&name) => false,
        _ if SHELLS.contains(&name) || name == "." || name == "source" => words.iter().skip(1).any(script),
        _ => [DUMPS, PACKERS, HELPERS].iter().any(|known| known.contains(&name)) || script(first),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::view::{ConfigFile, Mount};

    fn job(script: &str, mounts: &[(&str, &str)]) -> Workload {
        let mounts = mounts.iter().map(|(source, path)| Mount {
            source: (*source).to_owned(),
            mount_path: (*path).to_owned(),
            ..Mount::default()
        });
        let command = ["sh", "-c", script].map(ToOwned::to_owned).to_vec();
        let container = Container { command, mounts: mounts.collect(), ..Container::default() };
        Workload { containers: vec![container], ..Workload::default() }
    }

    #[test]
    fn a_dump_leaves_out_the_rows_of_hypertables() {
        for script in [
            "pg_dump -h pg --exclude-schema='_timescaledb*' app > /b/x",
            "pg_dump --exclude-schema _timescaledb_internal app",
            "pg_dump -N_timescaledb_internal app",
            "pg_dump -T '_timescaledb_internal.*' -Fc app",
        ] {
            assert!(are_without_chunks(&job(script, &[])), "{script}");
        }
        for script in [
            "pg_dump app",
            "pg_dump --exclude-schema=audit app",
            "pg_dump -N '_timescaledb*' app; pg_dump app",
            "pg_dump -N '_timescaledb*' app; psql -c '\\copy m to /b/m.csv'",
            "echo _timescaledb_internal",
        ] {
            assert!(!are_without_chunks(&job(script, &[])), "{script}");
        }
    }

    #[test]
    fn a_dump_goes_with_the_pod() {
        let scratch: &[(&str, &str)] = &[("emptyDir", "/b")];
        for script in [
            "pg_dump -h pg -Fc -f /tmp/x app",
            "set -eo pipefail; mysqldump -h db shop | gzip > /b/$(date +%F).gz && echo done",
            "redis-cli -h kv --rdb /b/dump.rdb",
        ] {
            assert!(go_with_the_pod(&job(script, scratch)), "{script}");
            assert!(!go_with_the_pod(&job(script, &[("persistentVolumeClaim", "/b")])), "{script}");
        }
    }

    #[test]
    fn what_may_send_it_is_believed() {
        for script in [
            "pg_dump app -f /b/x && aws s3 cp /b/x s3://b/",
            "pg_dump app | tee >(rclone rcat r:x) > /b/x",
            "pg_dump app | psql -h other",
            "pg_dump app -f /b/x; curl -T /b/x https://files/x",
            "pg_dump app -f /b/x; $SEND /b/x",
            "pg_dump app -f /b/x; /scripts/send.sh",
            "pg_dump app -f /b/x; echo $(rclone copy /b r:x)",
            "redis-cli -h kv BGSAVE",
            "wal-g backup-push /b",
        ] {
            assert!(
                !go_with_the_pod(&job(script, &[("emptyDir", "/b"), ("configMap", "/scripts")])),
                "{script}"
            );
        }
        let mut from_image = job("", &[]);
        from_image.containers[0].command.clear();
        assert!(!go_with_the_pod(&from_image));
    }

    #[test]
    fn scripts_of_config_maps_are_read() {
        let mut view = job("/scripts/dump.sh", &[("configMap", "/scripts")]);
        assert!(!go_with_the_pod(&view), "its text is not known");
        let text = "#!/bin/sh\nset -e\npg_dump -h pg --schema-only -f /tmp/x app\n";
        view.containers[0].files =
            vec![ConfigFile { path: "/scripts/dump.sh".to_owned(), text: text.into() }];
        assert!(go_with_the_pod(&view) && are_definitions(&view));
    }

    #[test]
    fn a_file_that_is_named_may_be_no_script() {
        let view =
            job("rclone --config /etc/rclone/rclone.conf sync /b r:x", &[("configMap", "/etc/rclone")]);
        assert!(scripts(&view.containers[0]).next().is_none());
    }

    #[test]
    fn definitions_are_no_data() {
        assert!(are_definitions(&job("pg_dump -s app -f /b/x", &[])));
        assert!(are_definitions(&job("mysqldump --no-data shop > /b/x", &[])));
        assert!(!are_definitions(&job("pg_dumpall -g -f /b/g && pg_dump app -f /b/x", &[])));
        assert!(!are_definitions(&job("pg_dump -s app -f /b/x; mongodump --archive=/b/y", &[])));
        assert!(!are_definitions(&job("echo none", &[])));
    }
}
