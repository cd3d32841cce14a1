//! `stategate certs`: the certificates of the webhook.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::{ArgGroup, Args, Subcommand};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::cluster::{self, ClusterArguments};
use super::{Exit, print, say};
use crate::cluster::{Cluster, Resource};
use crate::plain;
use crate::server::{
    self, CertificateFacts, Kept, Lifetimes, Rotation, SecretError, SecretObject, SharedTls, Tls,
};

#[derive(Args, Clone)]
pub struct LifetimeArguments {
    /// How long a certificate in a Secret is valid (60s, 12h, 90d); it is renewed after two thirds of that, and its
    /// authority lives four times as long
    #[arg(long, default_value = "90d", value_name = "TIME", value_parser = time, requires = "tls_secret")]
    tls_lifetime: SignedDuration,

    /// How long a new authority is trusted before it is used, and the previous one afterwards
    #[arg(long, default_value = "10m", value_name = "TIME", value_parser = time, requires = "tls_secret")]
    tls_overlap: SignedDuration,
}

impl LifetimeArguments {
    /// The times, if replicas that look at the Secret so often can follow.
    pub fn checked(&self, every: Duration) -> anyhow::Result<Lifetimes> {
        let Self { tls_lifetime: leaf, tls_overlap: overlap } = *self;
        anyhow::ensure!(
            overlap.saturating_mul(3) <= leaf,
            "--tls-overlap may be at most a third of --tls-lifetime, so that a certificate does not end meanwhile"
        );
        let every = SignedDuration::try_from(every).unwrap_or(SignedDuration::MAX);
        anyhow::ensure!(
            overlap >= every.saturating_mul(2),
            "--tls-overlap must be at least twice --reload-every, so that all replicas see the change in time"
        );
        Ok(Lifetimes { leaf, overlap })
    }
}

/// A time with its unit.
fn time(text: &str) -> Result<SignedDuration, String> {
    let wrong = || format!("{text:?}: write a number and s, m, h or d, as in 90d");
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return Err(wrong()),
    };
    let number: i64 = number.parse().map_err(|_| wrong())?;
    let seconds = number.checked_mul(seconds).filter(|seconds| (1..=10 * 365 * 86_400).contains(seconds));
    seconds.map(SignedDuration::from_secs).ok_or_else(|| "from 1s to 3650d".to_owned())
}

#[derive(Subcommand)]
pub enum Command {
    /// Make an authority and a certificate, in a Secret or in a directory; what is there stays
    #[command(after_help = "Examples:
  stategate certs init --secret stategate-tls --name stategate.stategate-system.svc
  stategate certs init --dir dev/tls --name gate.example.com")]
    Init(Init),
    /// Show subject, names, validity and fingerprint, and whether the webhook configurations trust them
    #[command(after_help = "Examples:
  stategate certs show --secret stategate-tls
  stategate certs show --secret stategate-tls --ca > ca.crt
  stategate certs show --cert tls.crt --context prod")]
    Show(Show),
    /// Ask the replicas for a new certificate and, unless --leaf is given, a new authority
    #[command(after_help = "Examples:
  stategate certs rotate --secret stategate-tls --wait 30m
  stategate certs rotate --secret stategate-tls --leaf")]
    Rotate(Rotate),
}

#[derive(Args)]
#[command(group(ArgGroup::new("place").required(true).args(["dir", "secret"])))]
pub struct Init {
    /// The directory, as of serve --tls-dir
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,

    /// The Secret, as of serve --tls-secret
    #[arg(long, value_name = "NAME")]
    secret: Option<String>,

    /// A name or address under which the API server reaches stategate; may be given several times
    #[arg(long, value_name = "NAME")]
    name: Vec<String>,

    /// How long the certificate in a Secret is valid (60s, 12h, 90d); its authority lives four times as long
    #[arg(long, default_value = "90d", value_name = "TIME", value_parser = time, requires = "secret")]
    tls_lifetime: SignedDuration,

    #[command(flatten)]
    cluster: ClusterArguments,
}

#[derive(Args)]
#[command(group(ArgGroup::new("place").required(true).args(["cert", "secret"])))]
pub struct Show {
    /// A file of certificates (PEM)
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,

    /// The Secret, as of serve --tls-secret
    #[arg(long, value_name = "NAME")]
    secret: Option<String>,

    /// Print the authorities to trust (PEM), and nothing else
    #[arg(long, requires = "secret")]
    ca: bool,

    /// The webhook configurations to look at, for --cert in the cluster that --context or --kubeconfig names
    #[arg(long, default_value = "stategate", value_name = "NAME")]
    webhook_config: String,

    #[command(flatten)]
    cluster: ClusterArguments,
}

#[derive(Args)]
pub struct Rotate {
    /// The Secret, as of serve --tls-secret
    #[arg(long, value_name = "NAME")]
    secret: String,

    /// A new certificate of the same authority only
    #[arg(long)]
    leaf: bool,

    /// Wait until the rotation has ended, at most so long (90s, 30m)
    #[arg(long, value_name = "TIME", value_parser = time)]
    wait: Option<SignedDuration>,

    #[command(flatten)]
    cluster: ClusterArguments,
}

/// Between two looks at a Secret that is being changed.
const LOOK: Duration = Duration::from_millis(500);

pub fn run(command: &Command) -> anyhow::Result<Exit> {
    match command {
        Command::Init(arguments) => init(arguments),
        Command::Show(arguments) => show(arguments),
        Command::Rotate(arguments) => rotate(arguments),
    }
}

fn init(arguments: &Init) -> anyhow::Result<Exit> {
    if let Some(dir) = &arguments.dir {
        let tls = Tls::SelfMade { dir: dir.clone(), names: arguments.name.clone() };
        tls.make()?;
        say(&format!("{} has ca.crt, ca.key, tls.crt and tls.key\n", plain::path(dir)));
        return Ok(Exit::Clean);
    }
    let Some(name) = &arguments.secret else { anyhow::bail!("give --secret or --dir") };
    let shared = SharedTls {
        namespace: arguments.cluster.own_namespace(false),
        name: name.clone(),
        names: arguments.name.clone(),
        webhooks: String::new(),
        lifetimes: Lifetimes { leaf: arguments.tls_lifetime, overlap: SignedDuration::ZERO },
    };
    let (made, place) = cluster::runtime()?.block_on(async {
        let cluster = cluster::open(&arguments.cluster.current()).await?;
        let made = server::make_secret(&shared, &cluster, Timestamp::now()).await;
        let place = format!("Secret {}/{name}", shared.namespace);
        made.map(|(_, new)| (new, place)).map_err(|error| explained(&cluster, error))
    })?;
    say(&match made {
        true => format!("{place} has an authority and a certificate\n"),
        false => format!("{place} has them already; `stategate certs show --secret {name}` shows them\n"),
    });
    Ok(Exit::Clean)
}

fn explained(cluster: &Cluster, error: SecretError) -> anyhow::Error {
    match error {
        SecretError::Cluster(error) => cluster::explained(cluster, &error),
        other => other.into(),
    }
}

/// What the Secret keeps.
async fn kept(object: &SecretObject<'_>) -> anyhow::Result<Kept> {
    let found = object.get().await.map_err(|error| cluster::explained(object.cluster, &error))?;
    let place = format!("Secret {}/{}", object.namespace, object.name);
    let secret = found.with_context(|| {
        format!("{place} does not exist\n  help: stategate certs init --secret {} makes it", object.name)
    })?;
    Kept::read(&secret)?.with_context(|| format!("{place} is empty"))
}

fn show(arguments: &Show) -> anyhow::Result<Exit> {
    let now = Timestamp::now();
    if let Some(file) = &arguments.cert {
        let chain = server::certificates_of(file)?;
        let mut text = String::new();
        for cert in &chain {
            text.push_str(&described(&CertificateFacts::read(cert).map_err(anyhow::Error::msg)?, now));
        }
        if arguments.cluster.is_named() {
            text.push('\n');
            text.push_str(&cluster::runtime()?.block_on(async {
                let cluster = cluster::open(&arguments.cluster.current()).await?;
                webhooks(&cluster, &arguments.webhook_config, |configuration| {
                    server::accepted(configuration, &chain, now)
                })
                .await
            })?);
        }
        print(&text)?;
        return Ok(Exit::Clean);
    }
    let Some(name) = &arguments.secret else { anyhow::bail!("give --secret or --cert") };
    let namespace = arguments.cluster.own_namespace(false);
    let text = cluster::runtime()?.block_on(async {
        let cluster = cluster::open(&arguments.cluster.current()).await?;
        let object = SecretObject { cluster: &cluster, namespace: &namespace, name };
        let kept = kept(&object).await?;
        if arguments.ca {
            return Ok(kept.bundle_pem());
        }
        let mut text = match kept.served(now) {
            Some(leaf) => format!("served:\n{}", described(&leaf.facts, now)),
            None => "served: nothing that is valid\n".to_owned(),
        };
        text.push_str("\ntrusted:\n");
        for cert in kept.bundle() {
            text.push_str(&described(&CertificateFacts::read(cert).map_err(anyhow::Error::msg)?, now));
        }
        text.push_str(&format!("\nrotation: {}\n\n", kept.describe()));
        let bundle: Vec<_> = kept.bundle().cloned().collect();
        let fit = |configuration: &Value| server::trusted(configuration, &bundle);
        text.push_str(&webhooks(&cluster, &arguments.webhook_config, fit).await?);
        Ok::<_, anyhow::Error>(text)
    })?;
    print(&text)?;
    Ok(Exit::Clean)
}

/// A line for each webhook that calls stategate: whether its `caBundle` fits.
async fn webhooks(
    cluster: &Cluster,
    name: &str,
    fit: impl Fn(&Value) -> Vec<(String, bool)>,
) -> anyhow::Result<String> {
    let mut lines = String::new();
    for resource in Resource::webhook_configurations() {
        let found = cluster.get(&resource.object_path("", name)).await;
        let Some(configuration) = found.map_err(|error| cluster::explained(cluster, &error))? else {
            lines.push_str(&format!("{} {name}: does not exist\n", resource.kind.kind));
            continue;
        };
        for (webhook, fits) in fit(&configuration) {
            let said = if fits { "fits" } else { "does NOT fit" };
            lines.push_str(&format!("{}: caBundle {said}\n", plain::line(&webhook)));
        }
    }
    Ok(lines)
}

fn described(facts: &CertificateFacts, now: Timestamp) -> String {
    let names = match facts.names.is_empty() {
        true => String::new(),
        false => format!("  names:   {}\n", facts.names.join(", ")),
    };
    let state = match (facts.until <= now, facts.ends_soon(now)) {
        (true, _) => " (expired)",
        (false, true) => " (ends soon)",
        (false, false) => "",
    };
    format!(
        "{}\n  issuer:  {}\n{names}  valid:   {} to {}{state}\n  SHA-256: {}\n",
        facts.subject, facts.issuer, facts.from, facts.until, facts.fingerprint
    )
}

fn rotate(arguments: &Rotate) -> anyhow::Result<Exit> {
    let rotation = if arguments.leaf { Rotation::Leaf } else { Rotation::Authority };
    let namespace = arguments.cluster.own_namespace(false);
    let name = &arguments.secret;
    cluster::runtime()?.block_on(async {
        let cluster = cluster::open(&arguments.cluster.current()).await?;
        let object = SecretObject { cluster: &cluster, namespace: &namespace, name };
        kept(&object).await?;
        object.ask(rotation).await.map_err(|error| cluster::explained(&cluster, &error))?;
        let Some(limit) = arguments.wait else {
            say("the replica that holds the lease is asked; `stategate certs show` shows how far it is\n");
            return Ok(());
        };
        let waited = tokio::time::timeout(limit.unsigned_abs(), async {
            loop {
                let kept = kept(&object).await?;
                if !kept.is_rotating() {
                    return anyhow::Ok(());
                }
                tokio::time::sleep(LOOK).await;
            }
        });
        match waited.await {
            Ok(ended) => ended?,
            Err(_) => anyhow::bail!("not after {limit:#}: {}", kept(&object).await?.describe()),
        }
        say("the rotation has ended\n");
        Ok(())
    })?;
    Ok(Exit::Clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit() {
        for (text, seconds) in [("60s", 60), ("10m", 600), ("12h", 43_200), ("90d", 7_776_000)] {
            assert_eq!(time(text), Ok(SignedDuration::from_secs(seconds)), "{text}");
        }
        for text in ["", "s", "90", "0s", "-1d", "1y", "99999999999999999999d", "9000000000000000000d", "1é"]
        {
            assert!(time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_overlap_fits_into_a_life_and_replicas_can_follow() {
        let checked = |leaf: &str, overlap: &str, every: u64| {
            let arguments =
                LifetimeArguments { tls_lifetime: time(leaf).unwrap(), tls_overlap: time(overlap).unwrap() };
            arguments.checked(Duration::from_secs(every)).map(drop).map_err(|error| error.to_string())
        };
        assert_eq!(checked("90d", "10m", 5), Ok(()));
        assert_eq!(checked("30s", "10s", 5), Ok(()));
        assert!(checked("29s", "10s", 5).unwrap_err().contains("--tls-lifetime"));
        assert!(checked("90d", "9s", 5).unwrap_err().contains("--reload-every"));
    }
}
