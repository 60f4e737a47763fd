//! The lead of a name: one owner at a time, lost by time or given up, each change of hands a new term.

use std::time::Duration;

use agentwrite::ids::OwnerId;

use crate::Fixture;
use crate::postgres_fixture::PostgresFixture;

#[tokio::test]
async fn one_leads_until_it_steps_down_or_lapses() {
    let fixture = PostgresFixture::fresh().await;
    let store = fixture.beside().await;
    let (a, b, long) = (OwnerId::new("a"), OwnerId::new("b"), Duration::from_secs(600));
    assert_eq!(store.lead("planner run_1", &a, long).await.unwrap(), Some(1));
    assert_eq!(store.lead("planner run_1", &b, long).await.unwrap(), None, "somebody leads");
    assert_eq!(store.lead("planner run_2", &b, long).await.unwrap(), Some(1), "names are apart");
    assert_eq!(store.lead("planner run_1", &a, long).await.unwrap(), Some(1), "renewed in the same term");
    store.step_down("planner run_1", &b).await.unwrap();
    assert_eq!(store.lead("planner run_1", &b, long).await.unwrap(), None, "b had nothing to give up");
    store.step_down("planner run_1", &a).await.unwrap();
    assert_eq!(store.lead("planner run_1", &b, Duration::ZERO).await.unwrap(), Some(2));
    assert_eq!(store.lead("planner run_1", &a, long).await.unwrap(), Some(3), "b's lease was over at once");
    assert_eq!(store.leader("planner run_1").await.unwrap(), Some(a));
    assert_eq!(store.leader("planner run_3").await.unwrap(), None);
    store.lead("planner run_3", &b, Duration::ZERO).await.unwrap();
    assert_eq!(store.leader("planner run_3").await.unwrap(), None, "its lease is over");
    assert!(store.time().await.unwrap().0 > 1_600_000_000_000);
    store.close().await;
}
