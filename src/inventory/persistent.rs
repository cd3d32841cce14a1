//! Maps that share with their copies all that has not changed since: a copy costs nothing, and a change to one
//! of them costs the path to what changed.

/// A sorted map.
pub type Map<K, V> = rpds::RedBlackTreeMapSync<K, V>;
/// A sorted set.
pub type Set<T> = rpds::RedBlackTreeSetSync<T>;
/// Several items under one key.
pub type Index<K, T> = Map<K, Set<T>>;

/// Adds one item under a key.
pub fn enter<K: Ord + Clone, T: Ord + Clone>(index: &mut Index<K, T>, key: K, item: T) {
    match index.get_mut(&key) {
        Some(items) => items.insert_mut(item),
        None => {
            let mut items = Set::new_sync();
            items.insert_mut(item);
            index.insert_mut(key, items);
        }
    }
}

/// Takes one item out from under a key, and the key with its last item.
pub fn forget<K: Ord + Clone, T: Ord + Clone>(index: &mut Index<K, T>, key: &K, item: &T) {
    let Some(items) = index.get_mut(key) else { return };
    items.remove_mut(item);
    if items.is_empty() {
        index.remove_mut(key);
    }
}
