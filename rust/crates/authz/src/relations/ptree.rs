//! A persistent ordered map: a B+ tree whose clone is one reference and whose writes copy only the path they touch.
//! Readers hold a clone and take no lock. Nothing here knows what is stored.

use std::cmp::Ordering;
use std::sync::Arc;

/// Most entries of a node. A write copies one leaf and, per level above, this many references; 32 keeps that near a
/// microsecond even when the neighbours' reference counts are not in the cache.
const WIDTH: usize = 32;
/// A node with fewer entries than this is joined with its neighbour when both fit one.
const SPARSE: usize = WIDTH / 4;

enum Node<K, V> {
    Leaf(Vec<(K, V)>),
    /// Each child with a key not above its first one.
    Branch(Vec<(K, Arc<Node<K, V>>)>),
}

impl<K: Clone, V: Clone> Clone for Node<K, V> {
    fn clone(&self) -> Self {
        match self {
            Self::Leaf(rows) => Self::Leaf(copied(rows)),
            Self::Branch(rows) => Self::Branch(copied(rows)),
        }
    }
}

/// A copy with room for one more: what is copied is about to be written.
fn copied<T: Clone>(rows: &[T]) -> Vec<T> {
    let mut copy = Vec::with_capacity(rows.len() + 1);
    copy.extend_from_slice(rows);
    copy
}

impl<K, V> Node<K, V> {
    fn len(&self) -> usize {
        match self {
            Self::Leaf(rows) => rows.len(),
            Self::Branch(rows) => rows.len(),
        }
    }
}

/// The map.
pub(crate) struct PTree<K, V> {
    root: Arc<Node<K, V>>,
    len: usize,
}

impl<K, V> Clone for PTree<K, V> {
    fn clone(&self) -> Self {
        Self { root: Arc::clone(&self.root), len: self.len }
    }
}

impl<K, V> Default for PTree<K, V> {
    fn default() -> Self {
        Self { root: Arc::new(Node::Leaf(Vec::new())), len: 0 }
    }
}

type Split<K, V> = Option<(K, Arc<Node<K, V>>)>;

impl<K: Ord + Clone, V: Clone> PTree<K, V> {
    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The value of a key.
    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.get_by(|k| k.cmp(key))
    }

    /// The value of the key that compares equal; for keys that are looked up by parts.
    pub(crate) fn get_by(&self, cmp: impl Fn(&K) -> Ordering) -> Option<&V> {
        let mut node = &*self.root;
        loop {
            match node {
                Node::Leaf(rows) => {
                    let at = rows.binary_search_by(|(k, _)| cmp(k)).ok()?;
                    return rows.get(at).map(|(_, v)| v);
                }
                Node::Branch(rows) => {
                    let at = rows.partition_point(|(k, _)| cmp(k) != Ordering::Greater);
                    node = &rows.get(at.saturating_sub(1))?.1;
                }
            }
        }
    }

    /// The value of a key, to be changed where it is. Copies nothing when the key is not there.
    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.get(key)?;
        let mut node = &mut self.root;
        loop {
            match Arc::make_mut(node) {
                Node::Leaf(rows) => {
                    let at = rows.binary_search_by(|(k, _)| k.cmp(key)).ok()?;
                    return rows.get_mut(at).map(|(_, v)| v);
                }
                Node::Branch(rows) => {
                    let at = rows.partition_point(|(k, _)| k <= key).saturating_sub(1);
                    node = &mut rows.get_mut(at)?.1;
                }
            }
        }
    }

    /// Stores a value and returns the one it replaces.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        let (old, split) = insert_into(&mut self.root, key, value);
        if let Some((key, right)) = split {
            let left = Arc::clone(&self.root);
            let first = first_key(&left).unwrap_or_else(|| key.clone());
            self.root = Arc::new(Node::Branch(vec![(first, left), (key, right)]));
        }
        self.len += usize::from(old.is_none());
        old
    }

    /// Removes a key and returns its value. Copies nothing when the key is not there.
    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        self.get(key)?;
        let old = remove_from(&mut self.root, key);
        self.len -= usize::from(old.is_some());
        while let Node::Branch(rows) = &*self.root {
            match rows.as_slice() {
                [] => self.root = Arc::new(Node::Leaf(Vec::new())),
                [(_, only)] => self.root = Arc::clone(only),
                _ => break,
            }
        }
        old
    }

    /// The entries in order, from the first for which `before` is false. `before` holds for a beginning of the keys.
    pub(crate) fn iter_from(&self, before: impl Fn(&K) -> bool) -> Iter<'_, K, V> {
        let mut iter = Iter { above: Vec::new(), leaf: [].iter() };
        let mut node = &*self.root;
        loop {
            match node {
                Node::Leaf(rows) => {
                    iter.leaf = rows.get(rows.partition_point(|(k, _)| before(k))..).unwrap_or_default().iter();
                    return iter;
                }
                Node::Branch(rows) => {
                    let at = rows.partition_point(|(k, _)| before(k)).saturating_sub(1);
                    let Some((_, child)) = rows.get(at) else { return iter };
                    iter.above.push(rows.get(at + 1..).unwrap_or_default().iter());
                    node = child;
                }
            }
        }
    }

    /// All entries in order.
    pub(crate) fn iter(&self) -> Iter<'_, K, V> {
        self.iter_from(|_| false)
    }
}

fn first_key<K: Clone, V>(node: &Node<K, V>) -> Option<K> {
    match node {
        Node::Leaf(rows) => rows.first().map(|(k, _)| k.clone()),
        Node::Branch(rows) => rows.first().map(|(k, _)| k.clone()),
    }
}

fn insert_into<K: Ord + Clone, V: Clone>(node: &mut Arc<Node<K, V>>, key: K, value: V) -> (Option<V>, Split<K, V>) {
    match Arc::make_mut(node) {
        Node::Leaf(rows) => match rows.binary_search_by(|(k, _)| k.cmp(&key)) {
            Ok(at) => (Some(std::mem::replace(&mut rows[at].1, value)), None),
            Err(at) => {
                rows.insert(at, (key, value));
                (None, split(rows, at).map(|(k, right)| (k, Arc::new(Node::Leaf(right)))))
            }
        },
        Node::Branch(rows) => {
            let at = rows.partition_point(|(k, _)| *k <= key).saturating_sub(1);
            if key < rows[at].0 {
                rows[at].0 = key.clone();
            }
            let (old, below) = insert_into(&mut rows[at].1, key, value);
            let Some(right) = below else { return (old, None) };
            rows.insert(at + 1, right);
            (old, split(rows, at + 1).map(|(k, right)| (k, Arc::new(Node::Branch(right)))))
        }
    }
}

/// Cuts a node that is too wide. A node that grew at its end is cut there, so that ascending inserts fill nodes.
fn split<K: Clone, T>(rows: &mut Vec<(K, T)>, grew_at: usize) -> Option<(K, Vec<(K, T)>)> {
    if rows.len() <= WIDTH {
        return None;
    }
    let at = if grew_at + 1 == rows.len() { WIDTH - 1 } else { WIDTH / 2 };
    let right = rows.split_off(at);
    rows.shrink_to_fit();
    right.first().map(|(k, _)| k.clone()).map(|k| (k, right))
}

fn remove_from<K: Ord + Clone, V: Clone>(node: &mut Arc<Node<K, V>>, key: &K) -> Option<V> {
    match Arc::make_mut(node) {
        Node::Leaf(rows) => {
            let at = rows.binary_search_by(|(k, _)| k.cmp(key)).ok()?;
            Some(rows.remove(at).1)
        }
        Node::Branch(rows) => {
            let at = rows.partition_point(|(k, _)| k <= key).saturating_sub(1);
            let old = remove_from(&mut rows.get_mut(at)?.1, key);
            if rows[at].1.len() == 0 {
                rows.remove(at);
            } else if rows[at].1.len() < SPARSE && rows.len() > 1 {
                let left = at.min(rows.len() - 2);
                if rows[left].1.len() + rows[left + 1].1.len() <= WIDTH {
                    let (_, right) = rows.remove(left + 1);
                    join(Arc::make_mut(&mut rows[left].1), &right);
                }
            }
            old
        }
    }
}

fn join<K: Clone, V: Clone>(left: &mut Node<K, V>, right: &Node<K, V>) {
    match (left, right) {
        (Node::Leaf(left), Node::Leaf(right)) => left.extend_from_slice(right),
        (Node::Branch(left), Node::Branch(right)) => left.extend_from_slice(right),
        // Both are children of one branch and so of one height.
        _ => {}
    }
}

/// The children of a branch that are still to come.
type Rest<'a, K, V> = std::slice::Iter<'a, (K, Arc<Node<K, V>>)>;

/// The entries of a map in order.
pub(crate) struct Iter<'a, K, V> {
    above: Vec<Rest<'a, K, V>>,
    leaf: std::slice::Iter<'a, (K, V)>,
}

impl<'a, K, V> Iterator for Iter<'a, K, V> {
    type Item = (&'a K, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((k, v)) = self.leaf.next() {
                return Some((k, v));
            }
            let mut node = loop {
                let level = self.above.last_mut()?;
                match level.next() {
                    Some((_, child)) => break &**child,
                    None => drop(self.above.pop()),
                }
            };
            while let Node::Branch(rows) = node {
                let mut rest = rows.iter();
                let (_, child) = rest.next()?;
                self.above.push(rest);
                node = child;
            }
            if let Node::Leaf(rows) = node {
                self.leaf = rows.iter();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_tree_is_a_sorted_map_and_old_clones_do_not_change(
            steps in prop::collection::vec((any::<bool>(), 0u16..600, any::<u8>()), 0..3000)
        ) {
            let (mut tree, mut map) = (PTree::default(), BTreeMap::new());
            let mut kept: Vec<(PTree<u16, u8>, BTreeMap<u16, u8>)> = Vec::new();
            for (i, (put, key, value)) in steps.into_iter().enumerate() {
                if put && i % 3 == 0 {
                    let (there, known) = (tree.get_mut(&key), map.get_mut(&key));
                    prop_assert_eq!(&there, &known);
                    if let (Some(there), Some(known)) = (there, known) {
                        (*there, *known) = (value, value);
                    }
                } else if put {
                    prop_assert_eq!(tree.insert(key, value), map.insert(key, value));
                } else {
                    prop_assert_eq!(tree.remove(&key), map.remove(&key));
                }
                if i % 500 == 0 {
                    kept.push((tree.clone(), map.clone()));
                }
            }
            kept.push((tree, map));
            for (tree, map) in kept {
                prop_assert_eq!(tree.len(), map.len());
                prop_assert!(tree.iter().eq(map.iter()));
                for from in [0u16, 1, 77, 300, 599, 600] {
                    prop_assert!(tree.iter_from(|k| *k < from).eq(map.range(from..)));
                    prop_assert_eq!(tree.get(&from), map.get(&from));
                }
            }
        }
    }

    #[test]
    fn ascending_inserts_fill_and_everything_can_be_removed() {
        let mut tree = PTree::default();
        for i in 0..10_000u32 {
            tree.insert(i, i);
        }
        assert!(tree.iter().map(|(k, _)| *k).eq(0..10_000));
        for i in (0..10_000u32).rev() {
            assert_eq!(tree.remove(&i), Some(i));
        }
        assert!(tree.is_empty() && tree.iter().next().is_none());
    }
}
