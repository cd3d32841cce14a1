//! The flags of `serve` about webhook configurations.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::webhook_config::{name, service, url};
use crate::policyset::webhooks::{Address, WebhookOptions};
use crate::server::{Authorities, Tls, WebhookMode, Webhooks};

#[derive(Args)]
pub struct WebhookArguments {
    /// Make and change the webhook configurations as the policy set needs them, or only report how they differ
    #[arg(long, value_enum, value_name = "MODE")]
    webhooks: Option<Mode>,

    /// The name of both webhook configurations, also of those whose caBundles follow --tls-secret [default: stategate]
    #[arg(long, value_name = "NAME", value_parser = name)]
    webhook_config: Option<String>,

    /// The Service at which the API server reaches stategate: namespace/name or namespace/name:port [default: stategate
    /// in its own namespace]
    #[arg(long, value_name = "NAMESPACE/NAME", value_parser = service, requires = "webhooks")]
    webhook_service: Option<Address>,

    /// The URL at which the API server reaches stategate, instead of a Service: https://host:port
    #[arg(long, value_name = "URL", value_parser = url, requires = "webhooks", conflicts_with = "webhook_service")]
    webhook_url: Option<Address>,

    /// Seconds that the API server waits for an answer without which it refuses the write. Where it goes on without
    /// one, it waits for 2 seconds in all, and for 10 where Policies and PolicyBindings are tried
    #[arg(long, default_value_t = 5, value_name = "SECONDS", value_parser = clap::value_parser!(i32).range(1..=30), requires = "webhooks")]
    webhook_timeout: i32,

    /// The authorities (PEM) that the webhook configurations trust [default: those of --tls-secret or --tls-dir; with
    /// --tls-cert, what others put into the configurations, and until they have, no write waits for stategate]
    #[arg(long, value_name = "FILE", requires = "webhooks")]
    webhook_ca: Option<PathBuf>,

    /// An annotation of the webhook configurations, such as cert-manager.io/inject-ca-from=NAMESPACE/NAME; may be given
    /// several times
    #[arg(long, value_name = "KEY=VALUE", value_parser = annotation, requires = "webhooks")]
    webhook_annotation: Vec<(String, String)>,

    /// A further namespace whose writes never reach stategate, beside kube-system, kube-public, kube-node-lease and its
    /// own; may be given several times
    #[arg(long, value_name = "NAMESPACE", value_parser = name, requires = "webhooks")]
    exempt_namespace: Vec<String>,

    /// Let writes through when stategate does not answer
    #[arg(long, requires = "webhooks")]
    fail_open: bool,
}

/// What is done with the webhook configurations.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// Make, change and remove them
    Manage,
    /// Report how they differ, for GitOps
    Report,
}

/// An annotation as Kubernetes accepts it.
fn annotation(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE")?;
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let local = key.rsplit('/').next().unwrap_or_default();
    let is_key = (1..=63).contains(&local.len()) && key.len() <= 317 && key.split('/').count() <= 2;
    match is_key && key.split('/').all(|part| !part.is_empty() && part.chars().all(inner)) {
        true => Ok((key.to_owned(), value.to_owned())),
        false => Err(format!("{key:?} is not the key of an annotation")),
    }
}

impl WebhookArguments {
    /// Whether the configurations are looked after.
    pub fn is_given(&self) -> bool {
        self.webhooks.is_some()
    }

    /// The name of both configurations, if one is given.
    pub fn named(&self) -> Option<&str> {
        self.webhook_config.as_deref()
    }

    /// The name of both configurations.
    pub fn name(&self) -> String {
        self.named().unwrap_or("stategate").to_owned()
    }

    /// What is to be done with them, of a server with this certificate in this namespace.
    pub fn settings(self, tls: &Tls, own_namespace: &str) -> Option<Webhooks> {
        let mode = match self.webhooks? {
            Mode::Manage => WebhookMode::Manage,
            Mode::Report => WebhookMode::Report,
        };
        let name = self.name();
        let own = || Address::Service {
            namespace: own_namespace.to_owned(),
            name: "stategate".to_owned(),
            port: 443,
        };
        let authorities = match (self.webhook_ca.or_else(|| tls.ca_file()), tls) {
            (Some(file), _) => Authorities::File(file),
            (None, Tls::Secret(_)) => Authorities::Secret,
            (None, _) => Authorities::Others,
        };
        Some(Webhooks {
            mode,
            namespace: own_namespace.to_owned(),
            options: WebhookOptions {
                name,
                address: self.webhook_url.or(self.webhook_service).unwrap_or_else(own),
                timeout: self.webhook_timeout,
                fail_open: self.fail_open,
                exempt_namespaces: [vec![own_namespace.to_owned()], self.exempt_namespace].concat(),
            },
            authorities,
            annotations: self.webhook_annotation.into_iter().collect::<BTreeMap<_, _>>(),
        })
    }
}
