//! The parts of the input document that are built only if a policy reads them.

use super::reads::Reads;
use crate::inventory::keys;

/// A set of such parts. Reviews ask for them all the time, so it is made when policies are loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InputParts(u64);

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words are those of the document")]
pub enum InputPart {
    Review,
    Object,
    OldObject,
    NamespaceObject,
    Uid,
    OldWorkload,
    Related,
    Now,
}

const PARTS: [(InputPart, &[&str]); 8] = [
    (InputPart::Review, &["review"]),
    (InputPart::Object, &["review", "object"]),
    (InputPart::OldObject, &["review", "oldObject"]),
    (InputPart::NamespaceObject, &["review", "namespaceObject"]),
    (InputPart::Uid, &["review", "uid"]),
    (InputPart::OldWorkload, &["old_workload"]),
    (InputPart::Related, &["related"]),
    (InputPart::Now, &["now"]),
];

/// Keys of `related` that are there without any kind being known.
const UNDECLARED: [&str; 2] = ["namespace", "parent"];

fn related_keys() -> impl Iterator<Item = &'static str> {
    UNDECLARED.into_iter().chain(keys().map(|(key, _)| key))
}

impl InputParts {
    /// All parts.
    pub const ALL: Self = Self(u64::MAX);

    /// The parts that are read.
    pub fn of(reads: &Reads) -> Self {
        let parts = PARTS.iter().filter(|(_, path)| reads.reads(path)).map(|(part, _)| *part as usize);
        let related = related_keys().enumerate().filter(|(_, key)| reads.reads(&["related", key]));
        let related = related.map(|(position, _)| PARTS.len() + position);
        Self(parts.chain(related).fold(0, |bits, position| bits | bit(position)))
    }

    /// Whether this part is among them.
    pub fn contains(self, part: InputPart) -> bool {
        self.0 & bit(part as usize) != 0
    }

    /// Whether this key of `related` is among them.
    pub fn contains_related(self, key: &str) -> bool {
        related_keys()
            .position(|known| known == key)
            .is_none_or(|position| self.0 & bit(PARTS.len() + position) != 0)
    }

    /// Both together.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// There are fewer than 64 positions, as a test says.
fn bit(position: usize) -> u64 {
    u32::try_from(position).ok().and_then(|position| 1_u64.checked_shl(position)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::diagnostic::SourceText;
    use crate::engine::Rego;

    #[test]
    fn they_are_the_parts_that_a_policy_reads() {
        let text = "package stategate.lib.a\n\
                    p if input.review.object.kind == input.related.pvcs[0].name\n\
                    q if input.now == input.related.parent.name\n";
        let rego = Rego::load(&[SourceText::new("policies/lib/a.rego", text)]).unwrap();
        let parts = InputParts::of(&rego.modules()[0].reads);
        let has = |wanted: InputPart| parts.contains(wanted);
        assert!(
            has(InputPart::Review)
                && has(InputPart::Object)
                && has(InputPart::Related)
                && has(InputPart::Now)
        );
        assert!(!has(InputPart::OldObject) && !has(InputPart::Uid) && !has(InputPart::OldWorkload));
        let related: Vec<&str> = related_keys().filter(|key| parts.contains_related(key)).collect();
        assert_eq!(related, ["parent", "pvcs"]);
        assert_eq!(InputParts::default().union(parts), parts);
    }

    fn number_of_parts() -> u32 {
        u32::try_from(PARTS.len() + related_keys().count()).unwrap()
    }

    #[test]
    fn each_part_has_a_bit_of_its_own() {
        let bits: BTreeSet<u64> = (0..number_of_parts() as usize).map(bit).collect();
        assert_eq!(bits.len(), number_of_parts() as usize);
        assert!(PARTS.iter().enumerate().all(|(position, (part, _))| *part as usize == position));
    }
}
