//! A block-wise LRU prefix cache, as vLLM keeps one: full blocks only, each hash chained on its parent, the last blocks
//! of a prompt leave before its first ones.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::tokens::Weight;

/// One full block of a token stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Block {
    hash: u64,
    tokens: u32,
}

/// Cuts a stream of bytes into chained blocks and weighs it on the way; bytes are copied only where a block spans pieces.
#[derive(Debug)]
pub(crate) struct Chain {
    block_bytes: usize,
    partial: Vec<u8>,
    parent: u64,
    weight: Weight,
    tokens: u64,
    blocks: Vec<Block>,
}

impl Chain {
    /// `block_bytes` 0 = weigh only.
    pub(crate) fn new(block_bytes: usize) -> Self {
        let (partial, blocks) = (Vec::with_capacity(block_bytes), Vec::new());
        Self { block_bytes, partial, parent: 0, weight: Weight::default(), tokens: 0, blocks }
    }

    /// Adds a piece of the stream.
    pub(crate) fn feed(&mut self, mut bytes: &[u8]) {
        if self.block_bytes == 0 {
            self.weight.add(bytes);
            return;
        }
        if !self.partial.is_empty() {
            let taken = (self.block_bytes - self.partial.len()).min(bytes.len());
            self.partial.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            if self.partial.len() < self.block_bytes {
                return;
            }
            let mut full = std::mem::take(&mut self.partial);
            self.close(&full);
            full.clear();
            self.partial = full;
        }
        let mut blocks = bytes.chunks_exact(self.block_bytes);
        for block in &mut blocks {
            self.close(block);
        }
        self.partial.extend_from_slice(blocks.remainder());
    }

    fn close(&mut self, block: &[u8]) {
        self.weight.add(block);
        let before = std::mem::replace(&mut self.tokens, self.weight.tokens());
        self.parent = xxh3_64_with_seed(block, self.parent);
        self.blocks.push(Block { hash: self.parent, tokens: (self.tokens - before) as u32 });
    }

    /// Tokens fed so far.
    pub(crate) fn tokens(&self) -> u64 {
        let mut weight = self.weight;
        weight.add(&self.partial);
        weight.tokens()
    }

    /// The full blocks fed so far.
    pub(crate) fn blocks(&self) -> &[Block] {
        &self.blocks
    }
}

/// What of a prompt was there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Hit {
    /// Tokens served from the cache.
    pub(crate) cached: u64,
    /// Tokens that a cache without end would have served.
    pub(crate) cacheable: u64,
}

const NONE: u32 = u32::MAX;

#[derive(Debug, Clone, Copy)]
struct Node {
    block: Block,
    newer: u32,
    older: u32,
}

/// The keys are hashes already.
#[derive(Debug, Default)]
pub(crate) struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |hash, &byte| hash.rotate_left(8) ^ u64::from(byte));
    }
    fn write_u64(&mut self, key: u64) {
        self.0 = self.0.rotate_left(23) ^ key;
    }
}

/// A map whose keys are hashes.
pub(crate) type HashedMap<K, V> = HashMap<K, V, BuildHasherDefault<AsIs>>;

/// A set of hashes.
pub(crate) type HashedSet = HashSet<u64, BuildHasherDefault<AsIs>>;

/// The cache itself: a map from block to node, the nodes linked by age through their indices.
#[derive(Debug)]
pub(crate) struct PrefixCache {
    capacity: u64,
    used: u64,
    /// `NONE` = seen once, evicted since.
    places: HashedMap<u64, u32>,
    nodes: Vec<Node>,
    free: Vec<u32>,
    newest: u32,
    oldest: u32,
}

impl PrefixCache {
    /// Holds at most `capacity` tokens.
    pub(crate) fn new(capacity: u64) -> Self {
        let (places, nodes, free) = (HashedMap::default(), Vec::new(), Vec::new());
        Self { capacity, used: 0, places, nodes, free, newest: NONE, oldest: NONE }
    }

    /// Measures what of a prompt is there.
    pub(crate) fn look_up(&self, blocks: &[Block]) -> Hit {
        let (mut hit, mut unbroken) = (Hit::default(), true);
        for block in blocks {
            let Some(&place) = self.places.get(&block.hash) else { break };
            unbroken &= place != NONE;
            hit.cacheable += u64::from(block.tokens);
            if unbroken {
                hit.cached += u64::from(block.tokens);
            }
        }
        hit
    }

    /// Puts blocks in, or makes them new again, the last first: the head of a prompt outlives its end.
    pub(crate) fn store(&mut self, blocks: &[Block]) {
        for &block in blocks.iter().rev() {
            match self.places.get(&block.hash).copied() {
                Some(place) if place != NONE => {
                    self.unlink(place);
                    self.link(place);
                }
                _ => self.insert(block),
            }
        }
    }

    fn insert(&mut self, block: Block) {
        let tokens = u64::from(block.tokens);
        while self.used + tokens > self.capacity && self.oldest != NONE {
            let oldest = self.oldest;
            self.unlink(oldest);
            let gone = self.nodes[oldest as usize].block;
            self.used -= u64::from(gone.tokens);
            self.places.insert(gone.hash, NONE);
            self.free.push(oldest);
        }
        if tokens > self.capacity {
            self.places.insert(block.hash, NONE);
            return;
        }
        let node = Node { block, newer: NONE, older: NONE };
        let place = self.free.pop().unwrap_or_else(|| {
            self.nodes.push(node);
            (self.nodes.len() - 1) as u32
        });
        self.nodes[place as usize] = node;
        self.used += tokens;
        self.places.insert(block.hash, place);
        self.link(place);
    }

    fn link(&mut self, place: u32) {
        let older = std::mem::replace(&mut self.newest, place);
        self.nodes[place as usize].older = older;
        self.nodes[place as usize].newer = NONE;
        match older {
            NONE => self.oldest = place,
            older => self.nodes[older as usize].newer = place,
        }
    }

    fn unlink(&mut self, place: u32) {
        let Node { newer, older, .. } = self.nodes[place as usize];
        match newer {
            NONE => self.newest = older,
            newer => self.nodes[newer as usize].older = older,
        }
        match older {
            NONE => self.oldest = newer,
            older => self.nodes[older as usize].newer = newer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(pieces: &[&str]) -> Chain {
        let mut chain = Chain::new(512);
        for piece in pieces {
            chain.feed(piece.as_bytes());
        }
        chain
    }

    fn text(seed: usize, bytes: usize) -> String {
        (0..bytes).map(|at| char::from(b'a' + ((at * at + seed * 31 + at / 97) % 26) as u8)).collect()
    }

    #[test]
    fn blocks_do_not_depend_on_how_the_stream_is_cut() {
        let whole = text(1, 5000);
        let one = chain(&[&whole]);
        let many = chain(&[&whole[..3], &whole[3..700], &whole[700..701], &whole[701..4096], &whole[4096..]]);
        assert_eq!(one.blocks(), many.blocks());
        assert_eq!((one.blocks().len(), one.tokens(), many.tokens()), (9, 1250, 1250));
    }

    #[test]
    fn a_longer_prompt_hits_the_full_blocks_of_a_shorter_one() {
        let mut cache = PrefixCache::new(100_000);
        let long = text(1, 8000);
        cache.store(chain(&[&long[..5000]]).blocks());
        assert_eq!(cache.look_up(chain(&[&long]).blocks()), Hit { cached: 9 * 128, cacheable: 9 * 128 });
        let other = format!("x{long}");
        assert_eq!(cache.look_up(chain(&[&other]).blocks()), Hit::default());
    }

    #[test]
    fn the_least_recently_used_leaves_first_and_from_its_end() {
        let mut cache = PrefixCache::new(10 * 128);
        let (first, second) = (text(1, 512 * 8), text(2, 512 * 4));
        cache.store(chain(&[&first]).blocks());
        cache.store(chain(&[&second]).blocks());
        assert_eq!(cache.look_up(chain(&[&second]).blocks()).cached, 4 * 128);
        assert_eq!(cache.look_up(chain(&[&first]).blocks()), Hit { cached: 6 * 128, cacheable: 8 * 128 });
        assert!(cache.used <= cache.capacity);
    }

    #[test]
    fn links_hold_under_many_evictions() {
        let mut cache = PrefixCache::new(7 * 128);
        for round in 0..200 {
            let prompt = text(round % 13, 512 * (1 + round % 9));
            cache.store(chain(&[&prompt]).blocks());
            let (mut at, mut seen) = (cache.newest, 0_u64);
            while at != NONE {
                seen += u64::from(cache.nodes[at as usize].block.tokens);
                at = cache.nodes[at as usize].older;
            }
            assert_eq!(seen, cache.used);
            assert!(seen <= cache.capacity);
        }
    }
}
