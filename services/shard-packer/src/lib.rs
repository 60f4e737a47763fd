//! Sample gates, shards, manifests.
