//! placeholder
use std::sync::Arc;
use agentwrite::ids::RunId; use agentwrite::ports::*; use dataset::DatasetFolder; use tokio_util::sync::CancellationToken; use worker::*;
pub struct PackerParts { pub store: Arc<dyn PackStore>, pub runs: Arc<dyn RunStore>, pub report: Arc<dyn ReportStore>, pub folder: Arc<DatasetFolder>, pub clock: Arc<dyn Clock>, pub run: RunId, pub bell: Doorbell, pub planner: Doorbell, pub crash: CrashPoints }
pub struct Packer(PackerParts);
impl Packer { pub fn new(p: PackerParts) -> Self { Self(p) }
 pub async fn run(&self, stop: &CancellationToken) -> Result<(), StoreError> {
   loop {
     for c in self.0.store.unjudged(&self.0.run, 64).await? { let v = Verdict { rejected: None, flags: vec![], length_score: None, words: 1, words_unicode: 1, language: None, signature: vec![] }; self.0.store.record_verdict(&self.0.run, &c.sample, c.revision, &v, self.0.clock.now()).await?; }
     for r in self.0.store.closable(&self.0.run).await? { if let Some(c) = self.0.store.close_range(&self.0.run, r, &[], self.0.clock.now()).await? { self.0.store.publish_shard(&self.0.run, r, c.fence, c.members.len() as u64, &[], self.0.clock.now()).await?; self.0.planner.ring(); } }
     if stop.is_cancelled() { return Ok(()); }
     tokio::select! { () = stop.cancelled() => {}, () = self.0.bell.heard_within(std::time::Duration::from_millis(500)) => {} }
   } } }
