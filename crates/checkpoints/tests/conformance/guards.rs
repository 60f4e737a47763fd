//! The suite notices: each test of the store in memory that can be switched off has a check that fails without it.

use checkpoints::memory::{Guards, MemoryStore};
use futures_util::future::BoxFuture;

use crate::checks::{self, Check};

type Run = for<'a> fn(&'a MemoryStore) -> BoxFuture<'a, Check>;

/// Guard off -> the check that catches it.
const CAUGHT_BY: &[(&str, Guards, Run)] = &[
    ("fence", Guards { fence: false, ..ON }, |store| Box::pin(checks::a_stale_fence_is_refused(store))),
    ("context_hash", Guards { context_hash: false, ..ON }, |store| Box::pin(checks::another_context_is_wasted(store))),
    ("unique_place", Guards { unique_place: false, ..ON }, |store| Box::pin(checks::a_second_result_is_wasted(store))),
    ("outbox_row", Guards { outbox_row: false, ..ON }, |store| {
        Box::pin(checks::a_published_task_has_an_outbox_row(store))
    }),
    ("lease_test", Guards { lease_test: false, ..ON }, |store| Box::pin(checks::a_claimed_task_stays_claimed(store))),
    ("rescue", Guards { rescue: false, ..ON }, |store| Box::pin(checks::stalled_work_is_rescued(store))),
];

const ON: Guards =
    Guards { fence: true, context_hash: true, unique_place: true, outbox_row: true, lease_test: true, rescue: true };

#[tokio::test]
async fn each_guard_that_is_off_is_noticed() {
    assert_eq!(Guards::default(), ON);
    for (guard, off, check) in CAUGHT_BY {
        assert_eq!(check(&MemoryStore::new()).await, Ok(()), "{guard} on");
        let noticed = check(&MemoryStore::with_guards(*off)).await;
        assert!(noticed.is_err(), "nobody notices that {guard} is off");
    }
}
