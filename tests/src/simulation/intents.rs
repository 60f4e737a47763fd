//! The ports of the shaken store, other than the worker's: each intent goes through the line as it is.

use std::time::Duration;

use agentwrite::config::{Limits, RunConfig};
use agentwrite::failure::ErrorCode;
use agentwrite::ids::{Hash, OwnerId, RunId, SampleId, Timestamp};
use agentwrite::ports::{
    Added, AdmissionView, Admit, Budget, ClosedShard, CompleteSample, Control, DispatchStore, Dispatched, FailureGroup,
    OperatorAction, OutboxRow, PackStore, PackedSample, PublishedShard, Range, ReportStore, Rescued, Reservation,
    Reserve, Retried, RetryPlan, Run, RunState, RunStore, SampleDetail, SampleFilter, SampleOutline, SamplePage,
    ShardFile, StatisticsRow, StoreError, Totals, TrafficStore, Unused, Verdict,
};
use agentwrite::rate::Claim;
use agentwrite::sample::{Input, SampleContext};
use async_trait::async_trait;

use super::store::{ShakenStore, Touch};

#[async_trait]
impl DispatchStore for ShakenStore {
    async fn admission_view(
        &self,
        run: &RunId,
        window: u64,
        most: u32,
        now: Timestamp,
    ) -> Result<AdmissionView, StoreError> {
        self.read("admission_view", self.ground().admission_view(run, window, most, now)).await
    }

    async fn admit(&self, run: &RunId, admits: &[Admit], ordered: bool, now: Timestamp) -> Result<u64, StoreError> {
        self.write("admit", self.ground().admit(run, admits, ordered, now)).await
    }

    async fn dispatch_ready(&self, run: &RunId, slots: u32, now: Timestamp) -> Result<Dispatched, StoreError> {
        self.write("dispatch_ready", self.ground().dispatch_ready(run, slots, now)).await
    }

    async fn rescue_stalled(&self, lost_after: Duration, now: Timestamp) -> Result<Rescued, StoreError> {
        let call = self.ground().rescue_stalled(lost_after, now);
        self.through(Touch::Writes, "rescue_stalled", self.life.owner.as_str(), call, |oracle, rescued| {
            oracle.rescued(rescued.leases, now);
        })
        .await
    }

    async fn free_dead_owners(&self, owner: &OwnerId, now: Timestamp) -> Result<Rescued, StoreError> {
        let call = self.ground().free_dead_owners(owner, now);
        self.through(Touch::Writes, "free_dead_owners", owner.as_str(), call, |oracle, _| oracle.freed(owner)).await
    }

    async fn take_outbox(&self, age: Duration, most: u32, now: Timestamp) -> Result<Vec<OutboxRow>, StoreError> {
        self.read("take_outbox", self.ground().take_outbox(age, most, now)).await
    }

    async fn delete_outbox(&self, ids: &[i64]) -> Result<(), StoreError> {
        self.write("delete_outbox", self.ground().delete_outbox(ids)).await
    }

    async fn record_statistics(&self, run: &RunId, now: Timestamp) -> Result<(), StoreError> {
        self.write("record_statistics", self.ground().record_statistics(run, now)).await
    }
}

#[async_trait]
impl PackStore for ShakenStore {
    async fn unjudged(&self, run: &RunId, most: u32) -> Result<Vec<SampleContext>, StoreError> {
        self.read("unjudged", self.ground().unjudged(run, most)).await
    }

    async fn record_verdict(
        &self,
        run: &RunId,
        sample: &SampleId,
        revision: u32,
        verdict: &Verdict,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let call = self.ground().record_verdict(run, sample, revision, verdict, now);
        self.through(Touch::Writes, "record_verdict", sample.as_str(), call, |_, ()| {}).await
    }

    async fn closable(&self, run: &RunId) -> Result<Vec<Range>, StoreError> {
        self.read("closable", self.ground().closable(run)).await
    }

    async fn range_samples(&self, run: &RunId, range: Range) -> Result<Vec<PackedSample>, StoreError> {
        self.read("range_samples", self.ground().range_samples(run, range)).await
    }

    async fn close_range(
        &self,
        run: &RunId,
        range: Range,
        rejects: &[(SampleId, ErrorCode, String)],
        now: Timestamp,
    ) -> Result<Option<ClosedShard>, StoreError> {
        self.write("close_range", self.ground().close_range(run, range, rejects, now)).await
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
        let call = self.ground().publish_shard(run, range, fence, rows, files, now);
        let about = range.file_stem();
        self.through(Touch::Writes, "publish_shard", &about, call, |oracle, published| {
            if *published {
                oracle.published(range, files);
            }
        })
        .await
    }

    async fn unpublished(&self, run: &RunId) -> Result<Vec<Range>, StoreError> {
        self.read("unpublished", self.ground().unpublished(run)).await
    }

    async fn published(&self, run: &RunId) -> Result<Vec<PublishedShard>, StoreError> {
        self.read("published", self.ground().published(run)).await
    }

    async fn packed_samples(&self, run: &RunId, range: Range) -> Result<Vec<PackedSample>, StoreError> {
        self.read("packed_samples", self.ground().packed_samples(run, range)).await
    }

    async fn complete_samples(
        &self,
        run: &RunId,
        after: Option<u64>,
        most: u32,
    ) -> Result<Vec<CompleteSample>, StoreError> {
        self.read("complete_samples", self.ground().complete_samples(run, after, most)).await
    }
}

#[async_trait]
impl RunStore for ShakenStore {
    async fn create_run(
        &self,
        id: &RunId,
        name: &str,
        config: &RunConfig,
        limits: &Limits,
        now: Timestamp,
    ) -> Result<Run, StoreError> {
        self.write("create_run", self.ground().create_run(id, name, config, limits, now)).await
    }

    async fn run(&self, id: &RunId) -> Result<Option<Run>, StoreError> {
        self.read("run", self.ground().run(id)).await
    }

    async fn config(&self, run: &RunId, version: u32) -> Result<Option<RunConfig>, StoreError> {
        self.read("config", self.ground().config(run, version)).await
    }

    async fn runs(&self) -> Result<Vec<Run>, StoreError> {
        self.read("runs", self.ground().runs()).await
    }

    async fn add_samples(&self, run: &RunId, inputs: &[(Input, u32)], now: Timestamp) -> Result<Added, StoreError> {
        self.write("add_samples", self.ground().add_samples(run, inputs, now)).await
    }

    async fn start_run(&self, run: &RunId, now: Timestamp) -> Result<(), StoreError> {
        self.write("start_run", self.ground().start_run(run, now)).await
    }

    async fn sample_keys(&self, run: &RunId) -> Result<Vec<Hash>, StoreError> {
        self.read("sample_keys", self.ground().sample_keys(run)).await
    }

    async fn control(
        &self,
        run: &RunId,
        who: &str,
        control: &Control,
        now: Timestamp,
    ) -> Result<Option<Run>, StoreError> {
        self.write("control", self.ground().control(run, who, control, now)).await
    }

    async fn retry(&self, run: &RunId, who: &str, plan: &RetryPlan, now: Timestamp) -> Result<Retried, StoreError> {
        self.write("retry", self.ground().retry(run, who, plan, now)).await
    }

    async fn finish_run(&self, run: &RunId, now: Timestamp) -> Result<RunState, StoreError> {
        self.write("finish_run", self.ground().finish_run(run, now)).await
    }
}

#[async_trait]
impl ReportStore for ShakenStore {
    async fn totals(&self, run: &RunId) -> Result<Totals, StoreError> {
        self.read("totals", self.ground().totals(run)).await
    }

    async fn samples(&self, run: &RunId, filter: &SampleFilter, most: u32) -> Result<SamplePage, StoreError> {
        self.read("samples", self.ground().samples(run, filter, most)).await
    }

    async fn sample(&self, run: &RunId, sample: &SampleId) -> Result<Option<SampleDetail>, StoreError> {
        self.read("sample", self.ground().sample(run, sample)).await
    }

    async fn outlines(&self, run: &RunId, samples: &[SampleId]) -> Result<Vec<SampleOutline>, StoreError> {
        self.read("outlines", self.ground().outlines(run, samples)).await
    }

    async fn failures(&self, run: &RunId) -> Result<Vec<FailureGroup>, StoreError> {
        self.read("failures", self.ground().failures(run)).await
    }

    async fn attempt_codes(&self, run: &RunId) -> Result<Vec<(String, u64)>, StoreError> {
        self.read("attempt_codes", self.ground().attempt_codes(run)).await
    }

    async fn statistics(&self, run: &RunId, since: Timestamp) -> Result<Vec<StatisticsRow>, StoreError> {
        self.read("statistics", self.ground().statistics(run, since)).await
    }

    async fn actions(&self, run: &RunId) -> Result<Vec<OperatorAction>, StoreError> {
        self.read("actions", self.ground().actions(run)).await
    }

    async fn violations(&self, run: &RunId) -> Result<Vec<(String, String, String)>, StoreError> {
        self.read("violations", self.ground().violations(run)).await
    }
}

#[async_trait]
impl TrafficStore for ShakenStore {
    async fn reserve(&self, reserve: Reserve) -> Result<Reservation, StoreError> {
        self.write("reserve", self.ground().reserve(reserve)).await
    }

    async fn settle(&self, run: &RunId, budget: &Budget, unused: Unused, now: Timestamp) -> Result<(), StoreError> {
        self.write("settle", self.ground().settle(run, budget, unused, now)).await
    }

    async fn returned(&self, claims: &[Claim]) -> Result<Vec<f64>, StoreError> {
        self.read("returned", self.ground().returned(claims)).await
    }

    async fn close_gate(
        &self,
        endpoint: &str,
        until: Timestamp,
        reason: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write("close_gate", self.ground().close_gate(endpoint, until, reason, now)).await
    }

    async fn gate(&self, endpoint: &str) -> Result<Option<(Timestamp, String)>, StoreError> {
        self.read("gate", self.ground().gate(endpoint)).await
    }
}
