//! A store that dies at a wanted place: the files of a shard are in place, their publication is not recorded.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use agentwrite::failure::ErrorCode;
use agentwrite::ids::{RunId, SampleId, Timestamp};
use agentwrite::ports::{
    ClosedShard, CompleteSample, PackStore, PackedSample, PublishedShard, Range, ShardFile, StoreError, Verdict,
};
use agentwrite::sample::SampleContext;
use async_trait::async_trait;

/// Refuses so many publications.
pub struct FailingPublish {
    pub store: Arc<dyn PackStore>,
    pub left: AtomicU32,
}

#[async_trait]
impl PackStore for FailingPublish {
    async fn unjudged(&self, run: &RunId, most: u32) -> Result<Vec<SampleContext>, StoreError> {
        self.store.unjudged(run, most).await
    }

    async fn record_verdict(
        &self,
        run: &RunId,
        sample: &SampleId,
        revision: u32,
        verdict: &Verdict,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.store.record_verdict(run, sample, revision, verdict, now).await
    }

    async fn closable(&self, run: &RunId) -> Result<Vec<Range>, StoreError> {
        self.store.closable(run).await
    }

    async fn range_samples(&self, run: &RunId, range: Range) -> Result<Vec<PackedSample>, StoreError> {
        self.store.range_samples(run, range).await
    }

    async fn close_range(
        &self,
        run: &RunId,
        range: Range,
        rejects: &[(SampleId, ErrorCode, String)],
        now: Timestamp,
    ) -> Result<Option<ClosedShard>, StoreError> {
        self.store.close_range(run, range, rejects, now).await
    }

    async fn publish_shard(
        &self,
        run: &RunId,
        range: Range,
        fence: i64,
        rows: u64,
        files: &[ShardFile],
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        if self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
            return Err(StoreError::new("publish_shard", "the process died here"));
        }
        self.store.publish_shard(run, range, fence, rows, files, now).await
    }

    async fn unpublished(&self, run: &RunId) -> Result<Vec<Range>, StoreError> {
        self.store.unpublished(run).await
    }

    async fn published(&self, run: &RunId) -> Result<Vec<PublishedShard>, StoreError> {
        self.store.published(run).await
    }

    async fn packed_samples(&self, run: &RunId, range: Range) -> Result<Vec<PackedSample>, StoreError> {
        self.store.packed_samples(run, range).await
    }

    async fn complete_samples(
        &self,
        run: &RunId,
        after: Option<u64>,
        most: u32,
    ) -> Result<Vec<CompleteSample>, StoreError> {
        self.store.complete_samples(run, after, most).await
    }
}
