//! The flags that choose policies and bindings, shared by all subcommands.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};

use super::say;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::engine::EngineKind;
use crate::policy::Action;
use crate::policyset::documents::Standings;
use crate::policyset::{PolicySet, Standing, StoredDocument};
use crate::source::catalogue::Catalogue;
use crate::source::cluster_policies::{ClusterPolicies, assemble_all};
use crate::source::policies::{PolicySource, catalogue_below, try_in_sandbox};

#[derive(Args, Clone, PartialEq, Eq)]
pub struct PolicyArguments {
    /// The shipped bindings: production, baseline or regulated
    #[arg(long, default_value = "production")]
    pub profile: String,

    #[command(flatten)]
    pub catalogue: CatalogueArguments,

    /// A file of your own PolicyBindings, PolicyExceptions and Policies; may be given several times
    #[arg(long, value_name = "FILE")]
    pub bindings: Vec<PathBuf>,

    /// What evaluates the policies: their compiled form (policies that use more of Rego than that takes are
    /// interpreted), or the interpreter, which is slower and defines what they mean
    #[arg(long, value_enum, default_value = "compiled", value_name = "ENGINE")]
    pub engine: Engine,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    Compiled,
    Interpreter,
}

#[derive(Args, Clone, Copy, PartialEq, Eq)]
pub struct EnforcementArguments {
    /// The strictest action of the profile: below deny it refuses and patches nothing. Bindings of your own keep their
    /// actions, and what cannot be read is refused
    #[arg(long, value_enum, default_value = "deny", value_name = "ACTION")]
    enforcement: Enforcement,
}

impl EnforcementArguments {
    /// The strictest action of the profile's bindings; none: what they say.
    pub fn at_most(self) -> Option<Action> {
        match self.enforcement {
            Enforcement::Audit => Some(Action::Audit),
            Enforcement::Warn => Some(Action::Warn),
            Enforcement::Deny => None,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Enforcement {
    Audit,
    Warn,
    Deny,
}

#[derive(Args, Clone, PartialEq, Eq)]
pub struct CatalogueArguments {
    /// A directory of policies beside the shipped ones; a file of the same path replaces the shipped one
    #[arg(long, value_name = "DIR")]
    pub policies: Option<PathBuf>,

    /// Leave the shipped policies out: only those of --policies apply. Profiles, projections and the
    /// libraries stategate.lib.* stay
    #[arg(long, requires = "policies")]
    pub no_catalogue: bool,
}

impl CatalogueArguments {
    /// The shipped catalogue with the user's directory laid over it, tried so that all of it can be compiled in
    /// this process.
    pub fn tried(&self) -> Result<Catalogue, Diagnostics> {
        let own = self.policies.as_deref().map(Catalogue::directory).transpose()?;
        let catalogue = catalogue_below(own.as_ref(), self.no_catalogue);
        if own.is_some() {
            try_in_sandbox(&catalogue)?;
        }
        warn(catalogue.warnings());
        Ok(catalogue)
    }
}

impl PolicyArguments {
    /// What the flags name.
    pub fn source(&self) -> PolicySource {
        PolicySource {
            directory: self.catalogue.policies.clone(),
            no_catalogue: self.catalogue.no_catalogue,
            profile: self.profile.clone(),
            bindings: self.bindings.clone(),
            at_most: None,
            engine: match self.engine {
                Engine::Compiled => EngineKind::Compiled,
                Engine::Interpreter => EngineKind::Interpreter,
            },
        }
    }

    /// What the flags name, compiled as for the webhook.
    pub fn policy_set(&self) -> Result<PolicySet, Diagnostics> {
        load(&self.source())
    }
}

/// Reads and compiles, and prints what is hardly meant.
pub fn load(source: &PolicySource) -> Result<PolicySet, Diagnostics> {
    let set = source.compile(&source.read()?, None)?;
    warn(set.warnings());
    Ok(set)
}

/// The same with the Policies, PolicyBindings and PolicyExceptions of a cluster.
pub fn load_with(source: &PolicySource, documents: &Documents) -> Result<PolicySet, Diagnostics> {
    let (set, standings) = compiled(source, documents, None)?;
    warn(set.warnings());
    for (document, standing) in standings.iter() {
        let (how, faults) = match standing {
            Standing::InForce | Standing::Pending => continue,
            Standing::InPart(faults) => ("in force only in part", faults),
            Standing::LastGood(faults) | Standing::NotInForce(faults) => ("not in force", faults),
        };
        say(&format!("warning: {document} is {how}\n{}\n", document.said(&faults.0)));
    }
    Ok(set)
}

/// Compiles them, and tells what became of each document.
pub fn compiled(
    source: &PolicySource,
    documents: &Documents,
    previous: Option<&PolicySet>,
) -> Result<(PolicySet, Standings), Diagnostics> {
    let known = ClusterPolicies::new(documents.own_namespace.clone());
    let mut assembled = assemble_all(&known, source.read()?, &documents.all);
    let set = known.compile(source, &mut assembled, previous)?;
    let standings = known.settle(&assembled, &set);
    Ok((set, Arc::new(standings)))
}

/// The documents of a cluster.
#[derive(Default)]
pub struct Documents {
    /// The documents.
    pub all: Vec<Arc<StoredDocument>>,
    /// The namespace whose exceptions may waive anything.
    pub own_namespace: String,
}

/// Prints warnings to stderr.
pub fn warn<'a>(warnings: impl IntoIterator<Item = &'a Diagnostic>) {
    warnings.into_iter().for_each(|warning| say(&format!("warning: {warning}\n")));
}
