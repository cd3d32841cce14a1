//! What evaluation needs of modules: their compiled rules, and what each of them reads. It can be written, so that
//! modules which are part of the binary are parsed when that is built, and not at each start.

use serde::{Deserialize, Serialize};

use super::ast::{self, AstModule, Unparsed};
use super::compiled::Program;
use super::reads::{self, Module};

/// The compiled form of modules.
#[derive(Serialize, Deserialize)]
pub struct Compilation {
    /// In load order.
    pub modules: Vec<Module>,
    /// Their rules.
    pub program: Program,
}

impl Compilation {
    /// Compiles modules together, as far as the compiler knows what they have.
    pub fn of<'a>(modules: impl Iterator<Item = &'a AstModule> + Clone) -> Self {
        Self { modules: reads::modules(modules.clone()), program: Program::of(modules) }
    }

    /// Parses sources, each with its name, and compiles them together.
    ///
    /// # Errors
    /// The first one that cannot be parsed.
    pub fn of_sources<'t>(sources: impl Iterator<Item = (&'t str, &'t str)>) -> Result<Self, Unparsed> {
        Ok(Self::of(ast::parse(sources)?.iter().map(AsRef::as_ref)))
    }

    /// Whether it is that of modules with these names, in this order.
    pub fn is_of<'n>(&self, names: impl Iterator<Item = &'n str>) -> bool {
        self.program.sources().eq(names)
    }

    /// For [`Compilation::from_bytes`] of the same version.
    ///
    /// # Errors
    /// If a constant cannot be written.
    pub fn to_bytes(&self) -> Result<Vec<u8>, postcard::Error> {
        postcard::to_allocvec(self)
    }

    /// What [`Compilation::to_bytes`] wrote.
    ///
    /// # Errors
    /// If it did not write this.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, postcard::Error> {
        let read: Self = postcard::from_bytes(bytes)?;
        Ok(Self { program: read.program.indexed(), ..read })
    }
}
