//! The shard packer's view: verdicts, closed ranges, published shards.

use agentwrite::config::Limits;
use agentwrite::failure::ErrorCode;
use agentwrite::ports::{PackStore, Range, RetryPlan, RunStore, ShardFile};
use agentwrite::sample::SampleState;

use crate::material::{passes, rejects, sample, sharded};
use crate::scene::Scene;
use crate::{Fixture, Stores};

const FIRST: Range = Range::Main(0);

fn files(hash: &str) -> Vec<ShardFile> {
    vec![ShardFile {
        name: "shard-00000.parquet".to_owned(),
        format: "parquet".to_owned(),
        bytes: 1234,
        sha256: hash.to_owned(),
    }]
}

async fn of_four<S: Stores>(store: &S) -> Scene<'_, S> {
    Scene::with(store, "run_s", &sharded(4), &Limits::default(), 6).await
}

/// Written samples without a verdict are to be judged, in input order, as many as asked for, with all their text.
pub async fn written_samples_are_to_be_judged<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = of_four(fixture.store()).await;
    for index in [2, 0, 3] {
        scene.written(index, 2).await;
    }
    let all = scene.store.unjudged(&scene.run, 10).await.expect("unjudged");
    let ordinals: Vec<u64> = all.iter().map(|context| context.ordinal).collect();
    assert_eq!(ordinals, [0, 2, 3]);
    assert!(all.iter().all(|context| context.sections.len() == 2 && context.plan.is_some()));
    assert_eq!(scene.store.unjudged(&scene.run, 2).await.expect("unjudged").len(), 2);
    scene.verdict(0, &passes()).await;
    assert_eq!(scene.store.unjudged(&scene.run, 10).await.expect("unjudged").len(), 2);
}

/// A verdict stands with its sample; recording it again changes nothing.
pub async fn a_verdict_is_repeatable<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = of_four(fixture.store()).await;
    scene.written(0, 1).await;
    for _ in 0..2 {
        scene.verdict(0, &passes()).await;
        let detail = scene.detail(0).await;
        assert_eq!((detail.row.state, detail.verdict), (SampleState::Written, Some(passes())));
    }
}

/// A rejecting verdict rejects, with code and reason, and is kept; text stays.
pub async fn a_rejecting_verdict_rejects<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = of_four(fixture.store()).await;
    scene.written(0, 1).await;
    for _ in 0..2 {
        scene.verdict(0, &rejects(ErrorCode::TooShort)).await;
        let detail = scene.detail(0).await;
        assert_eq!((detail.row.state, detail.row.code.as_deref()), (SampleState::Rejected, Some("too_short")));
        assert_eq!(detail.row.reason.as_deref(), Some("too little"));
        assert_eq!(detail.verdict, Some(rejects(ErrorCode::TooShort)));
        assert_eq!(detail.context.sections.len(), 1);
    }
    scene.verdict(0, &passes()).await;
    assert_eq!(scene.state(0).await, SampleState::Rejected, "a verdict is for a written sample");
    scene.sound().await;
}

/// A verdict on another revision than stands, or on a sample that is not written, is nothing.
pub async fn a_verdict_is_for_the_standing_revision<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = of_four(fixture.store()).await;
    scene.written(0, 1).await;
    scene.planned(1, 1).await;
    let verdict = rejects(ErrorCode::TooShort);
    for (index, revision) in [(0, 1), (1, 0)] {
        let now = scene.tick();
        scene.store.record_verdict(&scene.run, &sample(index), revision, &verdict, now).await.expect("record_verdict");
        assert_eq!(scene.detail(index).await.verdict, None);
    }
    assert_eq!(scene.state(0).await, SampleState::Written);
}

/// A range is closable when each of its samples is terminal, or written with a verdict.
pub async fn a_settled_range_is_closable<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = of_four(fixture.store()).await;
    let closable = async || scene.store.closable(&scene.run).await.expect("closable");
    scene.judged(0, 1).await;
    scene.judged(1, 1).await;
    scene.failed(2, ErrorCode::PlanEmpty).await;
    scene.written(3, 1).await;
    assert!(closable().await.is_empty(), "one has no verdict");
    let early = scene.store.close_range(&scene.run, FIRST, &[], scene.tick()).await.expect("close_range");
    assert_eq!(early, None);
    scene.verdict(3, &passes()).await;
    assert_eq!(closable().await, [FIRST]);
    scene.failed(5, ErrorCode::PlanEmpty).await;
    scene.failed(4, ErrorCode::PlanEmpty).await;
    assert_eq!(closable().await, [FIRST, Range::Main(1)]);
    let unknown = scene.store.close_range(&scene.run, Range::Main(9), &[], scene.tick()).await.expect("close_range");
    assert_eq!(unknown, None);
}

/// Closing freezes the members in input order; they are packed, which is final.
pub async fn closing_freezes_the_members<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = of_four(fixture.store()).await;
    for index in [3, 1, 0] {
        scene.judged(index, 2).await;
    }
    scene.failed(2, ErrorCode::PlanEmpty).await;
    let range = scene.store.range_samples(&scene.run, FIRST).await.expect("range_samples");
    let shard = scene.store.close_range(&scene.run, FIRST, &[], scene.tick()).await.expect("close_range");
    let shard = shard.expect("closable");
    assert_eq!((shard.range, shard.ordinals, shard.fence), (FIRST, (0, 3), 1));
    assert_eq!(shard.members, [0, 1, 3].map(sample));
    for index in [0, 1, 3] {
        assert_eq!(scene.state(index).await, SampleState::Packed);
    }
    assert_eq!(scene.store.closable(&scene.run).await.expect("closable"), []);
    assert_eq!(scene.store.unpublished(&scene.run).await.expect("unpublished"), [FIRST]);
    assert_eq!(scene.store.published(&scene.run).await.expect("published"), []);
    let packed = scene.store.packed_samples(&scene.run, FIRST).await.expect("packed_samples");
    assert_eq!(packed, range, "what the gates saw is what is packed");
    let ordinals: Vec<u64> = packed.iter().map(|sample| sample.context.ordinal).collect();
    assert_eq!(ordinals, [0, 1, 3]);
    assert!(packed.iter().all(|sample| sample.verdict == passes() && sample.config_version == 1));
    assert_eq!(scene.store.range_samples(&scene.run, FIRST).await.expect("range_samples"), []);
    scene.sound().await;
}

/// A gate that compares samples turns some down as the range closes; a sample of another range is not its to judge.
pub async fn closing_can_reject<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = of_four(fixture.store()).await;
    for index in 0..5 {
        scene.judged(index, 1).await;
    }
    let reject = |index| (sample(index), ErrorCode::Duplicate, format!("like sample {index}"));
    let rejected = [reject(2), reject(4)];
    let shard = scene.store.close_range(&scene.run, FIRST, &rejected, scene.tick()).await.expect("close_range");
    assert_eq!(shard.expect("closable").members, [0, 1, 3].map(sample));
    let row = scene.detail(2).await.row;
    assert_eq!((row.state, row.code.as_deref()), (SampleState::Rejected, Some("duplicate")));
    assert_eq!(row.reason.as_deref(), Some("like sample 2"));
    assert_eq!(scene.state(4).await, SampleState::Written);
    scene.sound().await;
}

/// Closing again returns what the range was closed with, whatever is asked, under a higher fence.
pub async fn closing_again_returns_the_same<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = of_four(fixture.store()).await;
    for index in 0..4 {
        scene.judged(index, 1).await;
    }
    let first = scene.store.close_range(&scene.run, FIRST, &[], scene.tick()).await.expect("close_range");
    let first = first.expect("closable");
    let rejected = [(sample(0), ErrorCode::Duplicate, "too late".to_owned())];
    let second = scene.store.close_range(&scene.run, FIRST, &rejected, scene.tick()).await.expect("close_range");
    let second = second.expect("closed");
    assert_eq!((&second.members, second.ordinals), (&first.members, first.ordinals));
    assert_eq!(second.fence, first.fence + 1);
    assert_eq!(scene.state(0).await, SampleState::Packed);
    scene.sound().await;
}

/// Publishing is fenced: a packer that was overtaken publishes nothing.
pub async fn publishing_is_fenced<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = of_four(fixture.store()).await;
    for index in 0..4 {
        scene.judged(index, 1).await;
    }
    let close = async || scene.store.close_range(&scene.run, FIRST, &[], scene.tick()).await.expect("close_range");
    let old = close().await.expect("closable").fence;
    let new = close().await.expect("closed").fence;
    let publish = async |fence, hash| {
        scene.store.publish_shard(&scene.run, FIRST, fence, 4, &files(hash), scene.tick()).await.expect("publish_shard")
    };
    assert!(!publish(old, "aa").await);
    assert_eq!(scene.store.unpublished(&scene.run).await.expect("unpublished"), [FIRST]);
    assert!(publish(new, "bb").await);
    assert!(scene.store.unpublished(&scene.run).await.expect("unpublished").is_empty());
    let published = scene.store.published(&scene.run).await.expect("published");
    assert_eq!(published.len(), 1);
    assert_eq!((published[0].range, published[0].rows, published[0].ordinals), (FIRST, 4, (0, 3)));
    assert_eq!(published[0].files, files("bb"));
    assert!(publish(new, "bb").await, "repeatable with the same hashes");
    assert!(!publish(new, "cc").await, "a published shard never changes (I7)");
    assert_eq!(scene.store.published(&scene.run).await.expect("published"), published);
}

/// A range that is not closed cannot be published.
pub async fn an_open_range_cannot_be_published<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = of_four(fixture.store()).await;
    let done = scene.store.publish_shard(&scene.run, FIRST, 1, 0, &[], scene.tick()).await.expect("publish_shard");
    assert!(!done);
    assert!(scene.store.published(&scene.run).await.expect("published").is_empty());
}

/// A range without rows is recorded as empty: there are no files to wait for.
pub async fn an_empty_range_is_recorded<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = of_four(fixture.store()).await;
    for index in 0..4 {
        scene.failed(index, ErrorCode::PlanEmpty).await;
    }
    let shard = scene.store.close_range(&scene.run, FIRST, &[], scene.tick()).await.expect("close_range");
    let shard = shard.expect("closable");
    assert!(shard.members.is_empty());
    assert!(scene.store.unpublished(&scene.run).await.expect("unpublished").is_empty());
    let published = scene.store.published(&scene.run).await.expect("published");
    assert_eq!((published.len(), published[0].rows, published[0].files.len()), (1, 0, 0));
    let now = scene.tick();
    assert!(scene.store.publish_shard(&scene.run, FIRST, shard.fence, 0, &[], now).await.expect("publish_shard"));
}

/// A packed sample is a member of one shard for good: no retry takes it out (I3).
pub async fn a_packed_sample_is_in_one_shard<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = of_four(fixture.store()).await;
    for index in 0..4 {
        scene.judged(index, 1).await;
    }
    scene.store.close_range(&scene.run, FIRST, &[], scene.tick()).await.expect("close_range");
    let plan = agentwrite::ports::RetryPlan { samples: vec![sample(0)], ..Default::default() };
    let retried = scene.store.retry(&scene.run, "operator", &plan, scene.tick()).await.expect("retry");
    assert!(retried.samples.is_empty());
    scene.control(agentwrite::ports::Control::Cancel).await;
    assert_eq!(scene.state(0).await, SampleState::Packed);
    let everything =
        scene.store.retry(&scene.run, "operator", &RetryPlan::default(), scene.tick()).await.expect("retry");
    assert_eq!(everything.samples, [4, 5].map(sample));
    scene.sound().await;
}
