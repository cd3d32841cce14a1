//! `stategate crds`: the CustomResourceDefinitions of Policies, PolicyBindings and PolicyExceptions.

use super::{Exit, print};
use crate::policyset::crds;
use crate::yaml;

pub fn run() -> anyhow::Result<Exit> {
    let mut text = String::new();
    for definition in crds::definitions() {
        text.push_str("---\n");
        text.push_str(&yaml::write(&definition));
    }
    print(&text)?;
    Ok(Exit::Clean)
}
