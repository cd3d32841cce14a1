//! `stategate webhook-config`: the configuration with which the API server calls stategate.

use std::path::PathBuf;

use clap::Args;

use super::cluster::ClusterArguments;
use super::inventory::InventoryArguments;
use super::policies::{EnforcementArguments, PolicyArguments, load};
use super::{Exit, print};
use crate::plain;
use crate::policyset::PolicySet;
use crate::policyset::webhooks::{Address, LABELS, WebhookConfigurations, WebhookOptions};
use crate::source;
use crate::source::policies::PolicySource;

#[derive(Args)]
#[command(after_help = "Examples:
  stategate webhook-config --url https://127.0.0.1:8443 --ca-file ca.crt | kubectl apply -f -
  stategate webhook-config --service stategate/stategate --ca-file ca.crt > webhooks.yaml

Policies and bindings of a cluster count with --context or --kubeconfig: run it again when a Policy
reviews another kind or operation than before, or the API server does not ask. `serve --webhooks manage`
does this by itself.")]
pub struct Arguments {
    #[command(flatten)]
    policies: PolicyArguments,

    #[command(flatten)]
    enforcement: EnforcementArguments,

    #[command(flatten)]
    cluster: ClusterArguments,

    /// The URL at which the API server reaches stategate: https://host:port
    #[arg(long, value_name = "URL", required_unless_present = "service", conflicts_with = "service", value_parser = url)]
    url: Option<Address>,

    /// The Service in front of stategate: namespace/name or namespace/name:port
    #[arg(long, value_name = "NAMESPACE/NAME", value_parser = service)]
    service: Option<Address>,

    /// The certificate authority (PEM) that signed stategate's certificate [default: the API server's own roots]
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,

    /// The name of both webhook configurations
    #[arg(long, default_value = "stategate", value_parser = name)]
    name: String,

    /// Seconds that the API server waits for an answer without which it refuses the write. Where it goes on without
    /// one, it waits for 2 seconds in all, and for 10 where Policies and PolicyBindings are tried
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(i32).range(1..=30))]
    timeout: i32,

    /// Let writes through when stategate does not answer
    #[arg(long)]
    fail_open: bool,

    /// A further namespace whose writes never reach stategate, beside kube-system, kube-public, kube-node-lease, that of
    /// --service and --own-namespace; may be given several times
    #[arg(long, value_name = "NAMESPACE", value_parser = name)]
    exempt_namespace: Vec<String>,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let source = PolicySource { at_most: arguments.enforcement.at_most(), ..arguments.policies.source() };
    let set = match arguments.cluster.access(&InventoryArguments::default())? {
        Some(access) => arguments.cluster.policy_set(&source, &access)?,
        None => load(&source)?,
    };
    let ca_bundle = arguments.ca_file.as_deref().map(certificates).transpose()?;
    // One of them is required.
    let Some(address) = arguments.url.clone().or_else(|| arguments.service.clone()) else {
        anyhow::bail!("give --url or --service")
    };
    let own = arguments.cluster.named_namespace().map(str::to_owned);
    let options = WebhookOptions {
        name: arguments.name.clone(),
        address,
        timeout: arguments.timeout,
        fail_open: arguments.fail_open,
        exempt_namespaces: own.into_iter().chain(arguments.exempt_namespace.clone()).collect(),
    };
    let configurations = WebhookConfigurations::new(&set, &options, ca_bundle.as_deref());
    let mut text = head(&set);
    text.push_str(&yaml_serde::to_string(&configurations.validating)?);
    if let Some(mutating) = &configurations.mutating {
        text.push_str("---\n");
        text.push_str(&yaml_serde::to_string(mutating)?);
    }
    print(&text)?;
    Ok(Exit::Clean)
}

/// What the API server accepts: https, without query or fragment.
pub fn url(url: &str) -> Result<Address, String> {
    let rest = url.strip_prefix("https://").ok_or("the API server calls webhooks over https only")?;
    if url.contains(|c: char| matches!(c, '?' | '#' | '@') || c.is_whitespace() || c.is_control()) {
        return Err("must not have a query, fragment, user or white space".to_owned());
    }
    let authority = rest.split('/').next().unwrap_or_default();
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    if host.is_empty() {
        return Err("has no host".to_owned());
    }
    match port {
        Some(port) if port.parse::<u16>().is_ok_and(|port| port > 0) => {}
        Some(port) => return Err(format!("{port:?} is not a port")),
        None => {}
    }
    Ok(Address::Url(url.to_owned()))
}

/// The name of a Kubernetes object.
pub fn name(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    match !text.is_empty() && text.len() <= 253 && text.chars().all(plain) {
        true => Ok(text.to_owned()),
        false => Err("use lower-case letters, digits, dashes and dots only".to_owned()),
    }
}

/// A Service, by default at the port of https.
pub fn service(text: &str) -> Result<Address, String> {
    let wrong = || "write namespace/name or namespace/name:port".to_owned();
    let (namespace, service) = text.split_once('/').ok_or_else(wrong)?;
    let (service, port) = match service.split_once(':') {
        Some((service, port)) => (service, port.parse::<u16>().map_err(|_| wrong())?),
        None => (service, 443),
    };
    let [namespace, service] = [namespace, service].map(|text| name(text).map_err(|_| wrong()));
    Ok(Address::Service { namespace: namespace?, name: service?, port: port.into() })
}

fn head(set: &PolicySet) -> String {
    let labels = LABELS.map(|(key, value)| format!("{key}={value}")).join(",");
    format!(
        "# Written by `stategate webhook-config` for profile {} (policy set {}).\n\
         #\n\
         # Break glass: if stategate is down and a write must go through at once, this command removes it:\n\
         #   kubectl delete validatingwebhookconfigurations,mutatingwebhookconfigurations -l {labels}\n\
         # Applying this file again brings it back.\n",
        set.profile(),
        set.digest().get(..12).unwrap_or_default(),
    )
}

fn certificates(file: &std::path::Path) -> anyhow::Result<Vec<u8>> {
    let pem = source::read_bytes(file).map_err(crate::diagnostic::Diagnostics::from)?;
    let text = String::from_utf8_lossy(&pem);
    anyhow::ensure!(
        text.contains("-----BEGIN CERTIFICATE-----"),
        "{}: contains no certificate; --ca-file takes a PEM file with BEGIN CERTIFICATE",
        plain::path(file)
    );
    anyhow::ensure!(
        !text.contains("PRIVATE KEY"),
        "{}: contains a private key; give the certificate alone",
        plain::path(file)
    );
    Ok(pem)
}
