//! `stategate review`: one AdmissionReview, answered as the webhook answers it.

use std::io::Read as _;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::inventory::{DEFAULT_NAMESPACE, InventoryArguments};
use super::policies::PolicyArguments;
use super::{Exit, print_exactly};
use crate::admission::{ReviewMode, wire};
use crate::decision::answer::respond;
use crate::plain;
use crate::review::{Unobserved, review};
use crate::source;

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
    let set = arguments.policies.policy_set()?;
    let inventory = arguments.inventory.source(DEFAULT_NAMESPACE).read(&set)?;
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
            let decision = review(&set, &inventory, &request, mode, jiff::Timestamp::now(), &Unobserved);
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
    let answer: serde_json::Value = serde_json::from_slice(&wire::encode(&uid, &response)?)?;
    print_exactly(&(plain::json(&answer)? + "\n"))?;
    Ok(exit)
}
