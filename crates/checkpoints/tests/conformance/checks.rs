//! The core promises as plain checks: behaviours expect them to hold, and `guards` shows that each fails where the store
//! does not keep it.

use std::time::Duration;

use agentwrite::failure::ErrorCode;
use agentwrite::ports::{RecordResult, Recorded};
use agentwrite::sample::SampleState;

use crate::Stores;
use crate::material::{LEASE, again, strange, text};
use crate::scene::Scene;

/// Whether a promise was kept, or what was seen instead.
pub type Check = Result<(), String>;

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Check {
    if holds { Ok(()) } else { Err(what()) }
}

/// A stale fence ends the attempt and leaves the task alone.
pub async fn a_stale_fence_is_refused<S: Stores>(store: &S) -> Check {
    let scene = Scene::of(store, 1).await;
    let stale = scene.writing(0, 1).await;
    scene.store.rescue_stalled(LEASE, scene.pass(LEASE * 2)).await.expect("rescue_stalled");
    let holder = scene.claim(&stale.key).await;
    let held = scene.fail(&stale, again(ErrorCode::ServerError, scene.now())).await;
    ensure(!held, || "a stale fence held".to_owned())?;
    let (outcome, code) = scene.outcome(0, &stale.attempt).await;
    ensure(outcome == "failed" && code.as_deref() == Some("server_error"), || format!("the attempt is {outcome}"))?;
    ensure(scene.try_claim(&stale.key).await.is_none(), || "the holder lost its claim".to_owned())?;
    ensure(scene.fail(&holder, again(ErrorCode::ServerError, scene.now())).await, || "the holder's fence".to_owned())
}

/// A result for another context changes nothing but the ledger.
pub async fn another_context_is_wasted<S: Stores>(store: &S) -> Check {
    let scene = Scene::of(store, 1).await;
    let task = scene.writing(0, 1).await;
    let record = RecordResult { context_hash: strange(), ..scene.section_result(&task, &text(0, 0)).await };
    let recorded = scene.record(&record).await;
    ensure(recorded == Recorded::Wasted, || format!("{recorded:?}"))?;
    let detail = scene.detail(0).await;
    ensure(detail.context.sections.is_empty(), || "a text stands that was made for another context".to_owned())?;
    ensure(detail.row.state == SampleState::Writing, || format!("the sample is {:?}", detail.row.state))
}

/// A second result for a filled place is wasted; the first stands.
pub async fn a_second_result_is_wasted<S: Stores>(store: &S) -> Check {
    let scene = Scene::of(store, 1).await;
    let first = scene.writing(0, 1).await;
    scene.store.rescue_stalled(LEASE, scene.pass(LEASE * 2)).await.expect("rescue_stalled");
    let second = scene.claim(&first.key).await;
    let records = [scene.section_result(&first, "One.").await, scene.section_result(&second, "Two.").await];
    scene.accept(&records[0]).await;
    let recorded = scene.record(&records[1]).await;
    ensure(recorded == Recorded::Wasted, || format!("{recorded:?}"))?;
    let stands = scene.detail(0).await.context.sections[0].text.clone();
    ensure(stands == "One.", || format!("{stands:?} stands"))?;
    ensure(scene.totals().await.sections == 1, || "two sections are counted".to_owned())
}

/// A task that is marked published has an outbox row: from the commit that makes it, and from dispatch.
pub async fn a_published_task_has_an_outbox_row<S: Stores>(store: &S) -> Check {
    let scene = Scene::of(store, 2).await;
    let task = scene.writing(0, 2).await;
    let (next, publish) = scene.accept(&scene.section_result(&task, &text(0, 0)).await).await;
    ensure(next.is_none(), || "claimed without being asked".to_owned())?;
    let published: Vec<_> = publish.iter().map(|row| row.message.task.clone()).collect();
    ensure(published == [scene.section_key(0, 1)], || format!("published {published:?}"))?;
    ensure(scene.outbox().await == published, || "the outbox does not hold what was returned".to_owned())?;
    let dispatched = scene.store.dispatch_ready(&scene.run, 8, scene.tick()).await.expect("dispatch_ready");
    ensure(dispatched.rows.is_empty(), || "it was published twice".to_owned())?;
    scene.admit(1, false, false).await;
    let dispatched = scene.store.dispatch_ready(&scene.run, 8, scene.tick()).await.expect("dispatch_ready");
    ensure(dispatched.rows.len() == 1, || format!("dispatched {:?}", dispatched.rows))?;
    ensure(scene.outbox().await.contains(&scene.plan_key(1)), || "dispatched without a row".to_owned())
}

/// A claimed task stays claimed, also when its lease has lapsed.
pub async fn a_claimed_task_stays_claimed<S: Stores>(store: &S) -> Check {
    let scene = Scene::of(store, 1).await;
    scene.admit(0, false, false).await;
    scene.claim(&scene.plan_key(0)).await;
    ensure(scene.try_claim(&scene.plan_key(0)).await.is_none(), || "claimed twice".to_owned())?;
    scene.pass(LEASE * 10);
    ensure(scene.try_claim(&scene.plan_key(0)).await.is_none(), || "a lapsed lease was claimed".to_owned())
}

/// Rescue frees a lapsed lease and sends a lost message again.
pub async fn stalled_work_is_rescued<S: Stores>(store: &S) -> Check {
    let scene = Scene::of(store, 2).await;
    scene.admit(0, false, false).await;
    scene.admit(1, false, false).await;
    let task = scene.claim(&scene.plan_key(0)).await;
    scene.store.dispatch_ready(&scene.run, 8, scene.tick()).await.expect("dispatch_ready");
    let now = scene.pass(LEASE * 2);
    let rescued = scene.store.rescue_stalled(Duration::from_mins(1), now).await.expect("rescue_stalled");
    ensure((rescued.leases, rescued.messages, rescued.died) == (1, 1, 0), || format!("{rescued:?}"))?;
    let again = scene.try_claim(&task.key).await.ok_or("the freed task is not claimable")?;
    ensure(again.fence == 2 && again.crashes == 1, || format!("{again:?}"))?;
    let dispatched = scene.store.dispatch_ready(&scene.run, 8, scene.tick()).await.expect("dispatch_ready");
    ensure(dispatched.rows.len() == 1, || "the lost message was not sent again".to_owned())
}
