//! Decisions that are given again. GitOps tools apply the same objects for ever, and a controller that retries sends
//! the same update until it passes.
//!
//! A decision is found under a keyed hash of everything that the request says, and counts as long as the policy set is
//! the same and the inventory has not changed for the request's namespace. Only decisions that nothing passing had a
//! part in are kept ([`Decision::lasting`]).

use std::collections::hash_map::RandomState;
use std::fmt::{self, Write as _};
use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use lru::LruCache;
use serde_json::Value;
use siphasher::sip128::{Hasher128 as _, SipHasher13};

use super::InForce;
use crate::admission::{Operation, Request, ReviewMode};
use crate::decision::Decision;
use crate::inventory::InventoryVersion;
use crate::policyset::PolicySet;

/// What a decision takes beside the texts in it.
const OVERHEAD: usize = size_of::<Entry>() + size_of::<Decision>() + 128;
/// No decision takes more than this part of the cache.
const LARGEST: usize = 64;

/// Keeps decisions, within a limit of memory; those that were not asked for the longest go first.
pub struct DecisionCache {
    /// Nobody outside knows the keys, so nobody can make two requests that have the same hash.
    hasher: SipHasher13,
    limit: usize,
    kept: Mutex<Kept>,
}

struct Kept {
    /// The set whose decisions these are. Its address is not taken again while this refers to it.
    set: Weak<PolicySet>,
    entries: LruCache<u128, Entry>,
    bytes: usize,
}

struct Entry {
    version: InventoryVersion,
    decision: Arc<Decision>,
    bytes: usize,
}

/// Where the decision of a request is kept.
pub struct Place {
    hash: u128,
    version: InventoryVersion,
}

impl DecisionCache {
    /// An empty cache for as many bytes.
    pub fn new(limit: usize) -> Self {
        let keys = RandomState::new();
        Self {
            hasher: SipHasher13::new_with_keys(keys.hash_one(0), keys.hash_one(1)),
            limit,
            kept: Mutex::new(Kept { set: Weak::new(), entries: LruCache::unbounded(), bytes: 0 }),
        }
    }

    /// The place for the decision of a request; none if it cannot be repeated: only the update of an object can.
    pub fn place(&self, in_force: &InForce, request: &Request, mode: ReviewMode) -> Option<Place> {
        let repeated = request.operation == Operation::Update && request.subresource.is_empty();
        if !repeated || in_force.for_one_request {
            return None;
        }
        let namespaced = in_force.set.projection(request)?.namespaced;
        // Another request is written with another uid, and is otherwise the same.
        let Request {
            uid: _,
            kind,
            resource,
            subresource: _,
            request_name,
            namespace,
            operation: _,
            user,
            object,
            old_object,
            dry_run,
            options,
        } = request;
        let mut hasher = self.hasher;
        let mut add = |text: &str| {
            hasher.write_usize(text.len());
            hasher.write(text.as_bytes());
        };
        add(object.as_ref()?.text()?);
        add(old_object.as_ref()?.text()?);
        for text in [&kind.group, &kind.version, &kind.kind, request_name, namespace] {
            add(text);
        }
        for text in [&resource.group, &resource.version, &resource.resource, &user.username, &user.uid] {
            add(text);
        }
        add(&options.to_string());
        let list = |add: &mut dyn FnMut(&str), texts: &[String]| {
            add(&texts.len().to_string());
            texts.iter().for_each(|text| add(text));
        };
        list(&mut add, &user.groups);
        for (key, values) in &user.extra {
            add(key);
            list(&mut add, values);
        }
        hasher.write_u8(mode as u8);
        hasher.write_u8(u8::from(*dry_run));
        // Another engine may answer otherwise, and nobody answers for what is in quarantine.
        in_force.quarantine.counts().into_iter().for_each(|count| hasher.write_usize(count));
        let version = in_force.inventory.version(namespaced.then_some(namespace));
        let hash = hasher.finish128();
        Some(Place { hash: u128::from(hash.h1) << 64 | u128::from(hash.h2), version })
    }

    /// The decision that is kept there, if it still counts.
    pub fn find(&self, set: &Arc<PolicySet>, place: &Place) -> Option<Arc<Decision>> {
        let mut kept = self.kept_for(set);
        let entry = kept.entries.peek(&place.hash).filter(|entry| entry.version == place.version)?;
        let decision = Arc::clone(&entry.decision);
        kept.entries.promote(&place.hash);
        Some(decision)
    }

    /// Keeps a decision, unless it is large; returns how many bytes are taken then.
    pub fn keep(&self, set: &Arc<PolicySet>, place: Place, decision: &Decision) -> usize {
        let largest = self.limit / LARGEST;
        let bytes = OVERHEAD.saturating_add(length(decision, largest));
        let entry = (bytes <= largest).then(|| Entry {
            version: place.version,
            decision: Arc::new(decision.clone()),
            bytes,
        });
        let mut kept = self.kept_for(set);
        let Some(entry) = entry else { return kept.bytes };
        kept.bytes += bytes;
        if let Some((_, replaced)) = kept.entries.push(place.hash, entry) {
            kept.bytes -= replaced.bytes;
        }
        while kept.bytes > self.limit
            && let Some((_, oldest)) = kept.entries.pop_lru()
        {
            kept.bytes -= oldest.bytes;
        }
        kept.bytes
    }

    /// What is kept for this set; what was kept for another one goes.
    fn kept_for(&self, set: &Arc<PolicySet>) -> MutexGuard<'_, Kept> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if !std::ptr::eq(kept.set.as_ptr(), Arc::as_ptr(set)) {
            *kept = Kept { set: Arc::downgrade(set), entries: LruCache::unbounded(), bytes: 0 };
        }
        kept
    }
}

/// The length of everything in a decision, of which only so much is counted: that of the text that shows all fields, and
/// what values take beside their text.
fn length(decision: &Decision, most: usize) -> usize {
    struct Counted {
        bytes: usize,
        most: usize,
    }
    impl fmt::Write for Counted {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.bytes = self.bytes.saturating_add(text.len());
            if self.bytes > self.most { Err(fmt::Error) } else { Ok(()) }
        }
    }
    let mut counted = Counted { bytes: 0, most };
    // It fails where it counts no further.
    let _ = write!(counted, "{decision:?}");
    let details = decision.findings.iter().filter_map(|finding| finding.details.as_ref());
    details.map(held).fold(counted.bytes, usize::saturating_add)
}

/// What a value takes beside its text: a map allocates for eleven entries at a time.
fn held(value: &Value) -> usize {
    let (mut bytes, mut left) = (0_usize, vec![value]);
    while let Some(value) = left.pop() {
        bytes = bytes.saturating_add(size_of::<Value>());
        match value {
            Value::Array(items) => left.extend(items),
            Value::Object(fields) => {
                bytes = bytes.saturating_add(
                    fields.len().div_ceil(5) * 11 * (size_of::<Value>() + size_of::<String>()),
                );
                left.extend(fields.values());
            }
            _ => {}
        }
    }
    bytes
}
