//! `stategate review`: one AdmissionReview, answered as the webhook answers it.

use std::io::Read as _;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::cluster::OWN_NAMESPACE;
use super::inventory::{DEFAULT_NAMESPACE, InventoryArguments};
use super::policies::{Documents, PolicyArguments, load_with};
use super::{Exit, print_exactly};
use crate::admission::ReviewMode;
use crate::admission::wire::{self, Response};
use crate::decision::answer::respond;
use crate::plain;
use crate::review::{Unobserved, review};
use crate::server;
use crate::source;
use crate::source::cluster_policies::{ClusterPolicies, documents_of};

#[derive(Args)]
#[command(after_help = "Examples:
  stategate review create-statefulset.json
  stategate review --webhook mutate create-statefulset.json | jq -r .response.patch | base64 -d

Exit codes: 0 allowed, 1 refused, 2 the file is not an AdmissionReview, or a policy failed.")]
pub struct Arguments {
    /// The AdmissionReview as JSON, or - for standard input
    file: PathBuf,

    #[command(flatten)]
    policies: PolicyArguments,

    #[command(flatten)]
    inventory: InventoryArguments,

    /// The namespace that stategate runs in, and whose PolicyExceptions may waive anything
    #[arg(long, value_name = "NAME", default_value = OWN_NAMESPACE)]
    own_namespace: String,

    /// The webhook that answers
    #[arg(long, value_enum, default_value_t = Webhook::Validate)]
    webhook: Webhook,
}

#[derive(Clone, Copy, ValueEnum)]
enum Webhook {
    Validate,
    Mutate,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let source = arguments.inventory.source(DEFAULT_NAMESPACE);
    let given = source.manifests()?;
    let documents = Documents { all: documents_of(&given), own_namespace: arguments.own_namespace.clone() };
    let set = load_with(&arguments.policies.source(), &documents)?;
    let inventory = source.inventory(&given, &set);
    let body = if arguments.file.as_os_str() == "-" {
        let mut body = Vec::new();
        std::io::stdin().read_to_end(&mut body)?;
        body
    } else {
        source::read_bytes(&arguments.file).map_err(crate::diagnostic::Diagnostics::from)?
    };
    let mode = match arguments.webhook {
        Webhook::Validate => ReviewMode::Validate,
        Webhook::Mutate => ReviewMode::Mutate,
    };
    let (uid, response, exit) = match wire::decode(&body) {
        Ok(request) => {
            let now = jiff::Timestamp::now();
            if let Some(kind) = server::document_kind(&request) {
                let (policies, known) =
                    (arguments.policies.source(), ClusterPolicies::new(arguments.own_namespace.clone()));
                let response = server::review_document(&policies, &known, &set, &request, kind, now);
                return show(
                    &request.uid,
                    &response,
                    if response.allowed { Exit::Clean } else { Exit::Findings },
                );
            }
            let decision = review(&set, &inventory, &request, mode, now, &Unobserved);
            let response = respond(&request, mode, &decision);
            let exit = if !decision.decided() {
                Exit::Broken
            } else if response.allowed {
                Exit::Clean
            } else {
                Exit::Findings
            };
            (request.uid, response, exit)
        }
        Err(bad) => match &bad.uid {
            Some(uid) => (uid.clone(), wire::refusal(&bad), Exit::Broken),
            None => anyhow::bail!("{}: {bad}", plain::path(&arguments.file)),
        },
    };
    show(&uid, &response, exit)
}

fn show(uid: &str, response: &Response, exit: Exit) -> anyhow::Result<Exit> {
    let answer: serde_json::Value = serde_json::from_slice(&wire::encode(uid, response)?)?;
    print_exactly(&(plain::json(&answer)? + "\n"))?;
    Ok(exit)
}
