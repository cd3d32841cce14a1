//! Maps that share all unchanged data with their copies: a copy is cheap, and a change copies only the path
//! to the changed entry.

/// A sorted map.
pub type Map<K, V> = rpds::RedBlackTreeMapSync<K, V>;
/// A sorted set.
pub type Set<T> = rpds::RedBlackTreeSetSync<T>;
/// A multimap: several items for each key.
pub type Index<K, T> = Map<K, Set<T>>;

/// Adds an item under a key.
pub fn insert_item<K: Ord + Clone, T: Ord + Clone>(index: &mut Index<K, T>, key: K, item: T) {
    match index.get_mut(&key) {
        Some(items) => items.insert_mut(item),
        None => {
            let mut items = Set::new_sync();
            items.insert_mut(item);
            index.insert_mut(key, items);
        }
    }
}

/// Removes an item from a key, and the key with its last item.
pub fn remove_item<K: Ord + Clone, T: Ord + Clone>(index: &mut Index<K, T>, key: &K, item: &T) {
    let Some(items) = index.get_mut(key) else { return };
    items.remove_mut(item);
    if items.is_empty() {
        index.remove_mut(key);
    }
}
