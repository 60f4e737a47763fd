//! Shards, manifest and dataset card.
