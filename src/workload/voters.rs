//! Determines whether the members of a workload vote. Some members run a quorum engine without a vote.

use super::view::{Env, Workload};

/// Environment variables that list a member's roles, and the role that votes.
const ROLE_LISTS: &[(&str, &str)] = &[
    ("node.roles", "master"),
    ("ELASTICSEARCH_NODE_ROLES", "master"),
    ("KAFKA_PROCESS_ROLES", "controller"),
    ("KAFKA_CFG_PROCESS_ROLES", "controller"),
];

/// Settings of non-voting or standalone members: an arbiter, a hidden member, a single-node Elasticsearch.
const ALONE: &[(&str, &str)] = &[
    ("MONGODB_REPLICA_SET_MODE", "arbiter"),
    ("MONGODB_REPLICA_SET_MODE", "hidden"),
    ("discovery.type", "single-node"),
];

/// Whether the environment of the engine's container allows a vote. A value from a Secret or ConfigMap may
/// name the voting role.
pub fn vote(workload: &Workload, container: &str) -> bool {
    let own = workload.containers.iter().filter(|own| own.name == container);
    own.flat_map(|own| &own.env).all(leaves_a_vote)
}

fn leaves_a_vote(variable: &Env) -> bool {
    let Some(value) = &variable.value else { return true };
    let role = ROLE_LISTS.iter().find(|(name, _)| *name == variable.name);
    role.is_none_or(|(_, role)| value.contains(role))
        && !ALONE.iter().any(|(name, alone)| *name == variable.name && alone == value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::view::Container;

    fn votes(name: &str, value: Option<&str>) -> bool {
        let variable = |name: &str, value: Option<&str>| Env {
            name: name.to_owned(),
            value: value.map(str::to_owned),
            ..Env::default()
        };
        let container =
            |name: &str, env| Container { name: name.to_owned(), env: vec![env], ..Container::default() };
        let containers = vec![
            container("exporter", variable("node.roles", Some("data"))),
            container("db", variable(name, value)),
        ];
        vote(&Workload { containers, ..Workload::default() }, "db")
    }

    #[test]
    fn roles_without_a_vote() {
        for (name, value) in [
            ("node.roles", "data,ingest"),
            ("ELASTICSEARCH_NODE_ROLES", ""),
            ("KAFKA_PROCESS_ROLES", "broker"),
            ("KAFKA_CFG_PROCESS_ROLES", "broker"),
            ("MONGODB_REPLICA_SET_MODE", "arbiter"),
            ("MONGODB_REPLICA_SET_MODE", "hidden"),
            ("discovery.type", "single-node"),
        ] {
            assert!(!votes(name, Some(value)), "{name}={value}");
        }
    }

    #[test]
    fn roles_with_a_vote_and_what_tells_nothing() {
        for (name, value) in [
            ("node.roles", Some("master,data")),
            ("KAFKA_PROCESS_ROLES", Some("broker,controller")),
            ("MONGODB_REPLICA_SET_MODE", Some("secondary")),
            ("CLUSTER", Some("shop")),
            ("node.roles", None),
        ] {
            assert!(votes(name, value), "{name}={value:?}");
        }
    }
}
