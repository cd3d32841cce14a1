//! `stategate serve`: the webhook.

mod traces;
mod webhooks;

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::{Args, ValueEnum};

use super::certs::LifetimeArguments;
use super::cluster::{self, ClusterArguments};
use super::inventory::{DEFAULT_NAMESPACE, InventoryArguments};
use super::policies::{EnforcementArguments, PolicyArguments};
use super::{Exit, colours, say, seconds};
use crate::cluster::{Access, Candidate, LiveInventory};
use crate::engine::backtraces_slow_parsing;
use crate::plain;
use crate::server::{self, Config, SharedTls, Sources, Started, Tls};
use crate::source::cluster_policies::ClusterPolicies;
use crate::source::policies::PolicySource;
use crate::telemetry::decision_log::DecisionLogConfig;
use crate::telemetry::{self, LogFormat};
use traces::TraceArguments;
use webhooks::WebhookArguments;

pub use webhooks::Mode as WebhookMode;

#[derive(Args)]
#[command(after_help = "Examples:
  stategate serve
  stategate serve --tls-name gate.example.com --listen 0.0.0.0:9443
  stategate serve --tls-cert tls.crt --tls-key tls.key --log-format json
  stategate serve --context kind-dev
  stategate serve --in-cluster --tls-secret stategate-tls --tls-name stategate.stategate-system.svc \
    --webhooks manage

Without flags it serves the shipped policies under the profile production, with a
certificate that it generates, and knows no other objects than the one under review.")]
pub struct Arguments {
    #[command(flatten)]
    policies: PolicyArguments,

    #[command(flatten)]
    enforcement: EnforcementArguments,

    #[command(flatten)]
    inventory: InventoryArguments,

    #[command(flatten)]
    cluster: ClusterArguments,

    /// Follow the objects of the cluster that this Pod runs in, as its ServiceAccount
    #[arg(long, conflicts_with_all = ["context", "kubeconfig", "inventory"])]
    in_cluster: bool,

    /// Audit the cluster in the background, and write what is found as Reports (openreports.io) or PolicyReports
    /// (wgpolicyk8s.io), whichever is installed
    #[arg(long)]
    policy_reports: bool,

    /// Seconds from the end of an audit to the next one
    #[arg(long, default_value = "600", value_parser = seconds, requires = "policy_reports")]
    audit_every: Duration,

    /// Write a Kubernetes Event about each refused request into the namespace of its object: one for an object and a
    /// policy, at a bounded rate
    #[arg(long)]
    events: bool,

    /// Seconds that /readyz, and an audit, wait for the objects of the cluster; afterwards stategate goes on with what
    /// is known
    #[arg(long, default_value = "30", value_parser = seconds)]
    inventory_timeout: Duration,

    /// Address of the webhook
    #[arg(long, default_value = "0.0.0.0:8443", value_name = "ADDRESS")]
    listen: SocketAddr,

    /// Address of the status page, /livez, /readyz and /metrics
    #[arg(long, default_value = "0.0.0.0:8080", value_name = "ADDRESS")]
    status_listen: SocketAddr,

    /// Directory of the generated certificate [default: stategate/tls below $XDG_STATE_HOME or ~/.local/state]
    #[arg(long, value_name = "DIR", conflicts_with_all = ["tls_cert", "tls_key"])]
    tls_dir: Option<PathBuf>,

    /// A name or address under which the API server reaches stategate; may be given several times
    #[arg(long, value_name = "NAME", conflicts_with_all = ["tls_cert", "tls_key"])]
    tls_name: Vec<String>,

    /// Certificate with its chain (PEM), instead of a generated one
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// Private key of the certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    /// Keep the generated certificate and its authority in this Secret of stategate's own namespace, shared by all
    /// replicas, instead of in a directory
    #[arg(long, value_name = "NAME", conflicts_with_all = ["tls_cert", "tls_key", "tls_dir"])]
    tls_secret: Option<String>,

    #[command(flatten)]
    lifetimes: LifetimeArguments,

    #[command(flatten)]
    webhooks: WebhookArguments,

    /// Serve only clients with a certificate of these authorities (PEM): the API server, as its
    /// --admission-control-config-file has it log in
    #[arg(long, value_name = "FILE")]
    client_ca: Option<PathBuf>,

    /// Threads that evaluate policies [default: one per core]
    #[arg(long)]
    threads: Option<usize>,

    /// The share of reviews, from 0 to 1, whose rules the interpreter evaluates again, after the answer: a
    /// policy with another answer is left to the interpreter until the policies are loaded again
    #[arg(long, default_value = "0.001", value_name = "SHARE", value_parser = share)]
    shadow_sample: f64,

    /// MiB for decisions: an update that comes again gets the same one without an evaluation, as long as policies and
    /// inventory are the same. 0 keeps none
    #[arg(long, default_value_t = 8, value_name = "MIB", value_parser = clap::value_parser!(u16).range(0..=1024))]
    decision_cache: u16,

    /// Reviews that may wait for a thread; further ones get status 429
    #[arg(long, default_value_t = 512)]
    queue: usize,

    /// Largest request body, in MiB
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=64))]
    max_body: u16,

    /// Seconds between two checks whether policies, bindings, inventory or certificates have changed and need a reload
    #[arg(long, default_value = "5", value_parser = seconds)]
    reload_every: Duration,

    /// Seconds until a connection to the webhook is old: it then ends without losing a request, at a random time
    /// between half of this and this, so that new connections share the load among all replicas
    #[arg(long, default_value = "10", value_name = "SECONDS", value_parser = seconds)]
    max_connection_age: Duration,

    /// Seconds to keep accepting requests after SIGTERM
    #[arg(long, default_value_t = 3)]
    drain_delay: u64,

    /// Write a line of JSON about each answered request to this file (appended to, and opened again when another file
    /// has its name), or to standard output (-)
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    decision_log: Option<PathBuf>,

    /// The share of allowed requests with nothing to say of them that the decision log has, from 0 to 1; all others
    /// are in it
    #[arg(long, default_value = "1", value_name = "SHARE", value_parser = share, requires = "decision_log")]
    decision_log_sample: f64,

    #[command(flatten)]
    traces: TraceArguments,

    /// Format of log lines [default: text on a terminal, else json]
    #[arg(long, value_enum)]
    log_format: Option<Format>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// A recorded request, to try the webhook with.
const EXAMPLE: &str = include_str!("../../tests/fixtures/reviews/create-statefulset.json");

pub fn run(arguments: Arguments) -> anyhow::Result<Exit> {
    let terminal = std::io::stderr().is_terminal();
    let format = match arguments.log_format {
        Some(Format::Text) => LogFormat::Text,
        Some(Format::Json) => LogFormat::Json,
        None if terminal => LogFormat::Text,
        None => LogFormat::Json,
    };
    telemetry::init_logging(format, std::env::var("RUST_LOG").ok().as_deref(), colours(terminal));
    let environment = |name: &str| std::env::var(name).ok();
    if backtraces_slow_parsing(
        environment("RUST_BACKTRACE").as_deref(),
        environment("RUST_LIB_BACKTRACE").as_deref(),
    ) {
        tracing::warn!("RUST_BACKTRACE makes loading policies many times slower; set RUST_LIB_BACKTRACE=0");
    }
    without_huge_pages();
    let loading = Instant::now();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the threads that talk to clients")?;
    let access = match arguments.in_cluster {
        true => Some(Access { in_cluster: true, ..Access::default() }),
        false => arguments.cluster.access(&arguments.inventory)?,
    };
    for (given, flag) in [
        (arguments.cluster.named_namespace().is_some(), "--own-namespace"),
        (arguments.policy_reports, "--policy-reports"),
        (arguments.events, "--events"),
        (arguments.tls_secret.is_some(), "--tls-secret"),
        (arguments.webhooks.is_given(), "--webhooks"),
    ] {
        if given && access.is_none() {
            anyhow::bail!(
                "{flag} is about a cluster\n  help: name it with --in-cluster, --context or --kubeconfig"
            );
        }
    }
    if arguments.webhooks.named().is_some()
        && !arguments.webhooks.is_given()
        && arguments.tls_secret.is_none()
    {
        anyhow::bail!(
            "--webhook-config names what is to be looked after\n  help: give --webhooks or --tls-secret, too"
        );
    }
    // On somebody's own machine it only watches, unless told otherwise.
    let writes = arguments.in_cluster
        || arguments.cluster.named_namespace().is_some()
        || arguments.policy_reports
        || arguments.tls_secret.is_some()
        || arguments.webhooks.is_given();
    let own_namespace = arguments.cluster.own_namespace(arguments.in_cluster);
    let live = match access {
        Some(access) => {
            let cluster = runtime.block_on(cluster::open(&access))?;
            Some(LiveInventory::new(cluster, runtime.handle().clone()))
        }
        None => None,
    };
    let sources = Sources {
        policies: PolicySource { at_most: arguments.enforcement.at_most(), ..arguments.policies.source() },
        inventory: arguments.inventory.source(DEFAULT_NAMESPACE),
        live,
        documents: Arc::new(ClusterPolicies::new(own_namespace.clone())),
    };
    let loaded = sources.load()?;
    let loading = loading.elapsed();
    let set = Arc::clone(&loaded.in_force.set);
    let knowledge = arguments.inventory.knowledge(&set, &loaded.in_force.inventory);
    let tls = match (arguments.tls_cert, arguments.tls_key, arguments.tls_secret) {
        (Some(cert), Some(key), _) => Tls::Files { cert, key },
        (_, _, Some(name)) => Tls::Secret(SharedTls {
            namespace: own_namespace.clone(),
            name,
            names: arguments.tls_name,
            webhooks: arguments.webhooks.name(),
            lifetimes: arguments.lifetimes.checked(arguments.reload_every)?,
        }),
        _ => Tls::SelfMade { dir: arguments.tls_dir.map_or_else(state_dir, Ok)?, names: arguments.tls_name },
    };
    let example = match &tls {
        Tls::SelfMade { dir, .. } => Some(dir.join("example-review.json")),
        Tls::Files { .. } | Tls::Secret(_) => None,
    };
    let webhooks = arguments.webhooks.settings(&tls, &own_namespace);
    let host = environment("HOSTNAME").unwrap_or_else(|| "stategate".to_owned());
    let candidate = writes.then(|| Candidate::new(own_namespace, &host));
    let config = Config {
        host,
        candidate,
        webhooks,
        events: arguments.events,
        traces: arguments.traces.collector(&environment),
        audit_every: arguments.policy_reports.then_some(arguments.audit_every),
        listen: arguments.listen,
        status_listen: arguments.status_listen,
        tls,
        client_ca: arguments.client_ca,
        max_body: usize::from(arguments.max_body) << 20,
        max_connections: 1024,
        queue: arguments.queue,
        shadow_sample: arguments.shadow_sample,
        decision_cache: usize::from(arguments.decision_cache) << 20,
        threads: arguments
            .threads
            .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)),
        reload_every: arguments.reload_every,
        inventory_timeout: arguments.inventory_timeout,
        connection_age: arguments.max_connection_age,
        drain_delay: Duration::from_secs(arguments.drain_delay),
        decision_log: arguments.decision_log.map(|file| DecisionLogConfig {
            file: Some(file).filter(|file| file.as_os_str() != "-"),
            sample: arguments.decision_log_sample,
        }),
    };
    tracing::info!(
        policy_set = set.digest(),
        profile = set.profile(),
        policies = set.policies().count(),
        milliseconds = loading.as_millis(),
        "loaded"
    );
    server::log_warnings(&set);
    if let Some(knowledge) = knowledge {
        tracing::info!(known = knowledge.complete, needed_but_unknown = knowledge.incomplete, "inventory");
    }
    let profile = set.profile().to_owned();
    let served = runtime.block_on(server::run(config, sources, loaded, |started| {
        greet(started, &profile, example.as_deref(), format == LogFormat::Text);
    }));
    // A program that provides credentials may hang; nothing waits for it.
    runtime.shutdown_background();
    served?;
    Ok(Exit::Clean)
}

/// Huge pages would be a third of the memory that it takes, for no time that can be measured: what is allocated lies in
/// many small places. An older kernel, or another one, goes on as it does.
fn without_huge_pages() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        tracing::debug!(%error, "huge pages stay");
    }
}

/// A share in a flag.
fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| format!("{text:?} is not a number"))?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err("from 0 (none) to 1 (all)".to_owned()) }
}

/// The user's directory for state, so that a certificate survives a restart.
fn state_dir() -> anyhow::Result<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
        .map(|state| state.join("stategate/tls"))
        .context(
            "neither XDG_STATE_HOME nor HOME is set: give the directory of the certificate with --tls-dir",
        )
}

/// Prints the next steps on a terminal; otherwise only logs.
fn greet(started: &Started, profile: &str, example: Option<&Path>, for_people: bool) {
    let port = started.listen.port();
    tracing::info!(
        listen = %started.listen,
        status = %started.status_listen,
        ca_file = started.ca_file.as_ref().map(plain::path),
        "serving"
    );
    let (Some(ca_file), Some(example), true) = (&started.ca_file, example, for_people) else { return };
    let (ca_file, written) = (plain::path(ca_file), std::fs::write(example, EXAMPLE).is_ok());
    say(&format!("\nstategate serves https://localhost:{port} with profile {profile}.\n"));
    if written {
        say(&format!(
            "\nTry it:\n  curl --cacert {ca_file} --data-binary @{} https://localhost:{port}/validate/fail\n",
            plain::path(example)
        ));
    }
    say(&format!(
        "\nRegister it with an API server on this machine:\n  \
         stategate webhook-config --url https://127.0.0.1:{port} --ca-file {ca_file} | kubectl apply -f -\n\n"
    ));
}
