//! What would be trained: the backend's plan for everything that is there now. No step, no store, nothing in the job's folder.

use std::path::Path;

use agentwrite::ids::TrainingId;
use agentwrite::ports::TrainingRound;
use tokio_util::sync::CancellationToken;

use crate::TrainError;
use crate::backend::{BackendSettings, Planned, plan};
use crate::cache::Cache;
use crate::fetch::fetch_all;
use crate::files::replace;
use crate::recipe::{Start, recipe};
use crate::rounds::RoundDetail;
use crate::source::{Offer, Source};
use crate::spec::TrainingSpec;
use crate::trainer::{general, shard_detail, training_shard};

/// Asks the backend for its plan. `folder` is for the time of the call: shards that come from elsewhere are put into it.
pub async fn dry_run(
    spec: &TrainingSpec,
    source: &dyn Source,
    folder: &Path,
    backend: &BackendSettings,
    stop: &CancellationToken,
) -> Result<(Offer, Planned), TrainError> {
    let offer = source.offer().await?;
    if offer.shards.is_empty() {
        return Err(TrainError::NothingToTrain(offer.standing));
    }
    let paths = fetch_all(source, &Cache::new(folder.join("cache"), u64::MAX), &offer.shards).await?;
    let detail = RoundDetail {
        last: true,
        schedule: None,
        general_share: 1.0,
        shards: offer.shards.iter().map(shard_detail).collect(),
        general: general(spec, 1.0).await?,
    };
    let round = TrainingRound {
        number: 1,
        epochs: spec.epochs(),
        shards: offer.shards.iter().cloned().map(training_shard).collect(),
        detail: serde_json::Value::Null,
        order_hash: None,
        closed: false,
    };
    let here = TrainingSpec { out: folder.to_owned(), ..spec.clone() };
    let recipe = recipe(&TrainingId::new("dry-run"), &here, &round, &detail, &Start::default(), &paths);
    let path = folder.join("recipe.json");
    replace(&path, &serde_json::to_vec_pretty(&recipe).expect("plain values"))?;
    Ok((offer, plan(backend, &path, stop).await?))
}
