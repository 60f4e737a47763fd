//! Budgets and gates: every call reserves before it starts.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use agentwrite::config::{Limits, RunConfig};
use agentwrite::failure::ErrorCode;
use agentwrite::ids::{AttemptId, Timestamp};
use agentwrite::ports::{Budget, Control, DispatchStore, Reservation, Reserve, TrafficStore, Unused};
use agentwrite::rate::{Claim, Start};
use agentwrite::shares::{Demand, TURN, share, turn};
use agentwrite::task::ClaimedTask;
use futures_util::future::join_all;

use crate::material::{COST, LEASE, again};
use crate::scene::Scene;
use crate::{Fixture, Stores};

/// The shape of a run for these behaviours.
async fn limited<S: Stores>(store: &S, limits: Limits, samples: u64) -> Scene<'_, S> {
    Scene::with(store, "run_t", &RunConfig::default(), &limits, samples).await
}

fn wish<S: Stores>(scene: &Scene<'_, S>, attempt: &AttemptId, tokens: u64, worst: Option<u64>) -> Reserve {
    Reserve {
        run: scene.run.clone(),
        budget: Budget::of("default"),
        attempt: attempt.clone(),
        tokens,
        worst_nanousd: worst,
        now: scene.now(),
    }
}

async fn started<S: Stores>(scene: &Scene<'_, S>, index: u64) -> ClaimedTask {
    scene.admit(index, false, false).await;
    scene.claim(&scene.plan_key(index)).await
}

/// Reserves one call without a price; after how many milliseconds it may start.
async fn wait<S: Stores>(scene: &Scene<'_, S>, tokens: u64) -> i64 {
    let reserve = wish(scene, &AttemptId::new("att_free"), tokens, None);
    match scene.store.reserve(reserve).await.expect("reserve") {
        Reservation::StartAt(start) => start.at().0 - scene.now().0,
        Reservation::OverBudget => panic!("no cap is set"),
    }
}

async fn pay<S: Stores>(scene: &Scene<'_, S>, attempt: &AttemptId, worst: Option<u64>) -> Reservation {
    scene.store.reserve(wish(scene, attempt, 100, worst)).await.expect("reserve")
}

/// Without limits every call starts at once.
pub async fn without_limits_calls_start_at_once<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = limited(fixture.store(), Limits::default(), 0).await;
    for _ in 0..100 {
        assert_eq!(wait(&scene, 1_000_000).await, 0);
    }
}

/// 60 calls at 60 a minute are spread over the minute; the burst of one second is the first call itself.
pub async fn requests_are_paced<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = limited(fixture.store(), Limits { rpm: Some(60), ..Limits::default() }, 0).await;
    for call in 0..60 {
        assert_eq!(wait(&scene, 10).await, call * 1_000);
    }
}

/// A faster rate lets one second's worth start at once, and paces the rest.
pub async fn a_seconds_worth_starts_at_once<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = limited(fixture.store(), Limits { rpm: Some(1_200), ..Limits::default() }, 0).await;
    let mut starts = Vec::new();
    for _ in 0..40 {
        starts.push(wait(&scene, 10).await);
    }
    assert_eq!(starts.iter().filter(|start| **start == 0).count(), 20);
    assert_eq!(starts[20..], (1..=20).map(|call| call * 50).collect::<Vec<i64>>());
}

/// A quiet time does not save up more than the burst.
pub async fn quiet_times_are_not_saved_up<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = limited(fixture.store(), Limits { rpm: Some(120), ..Limits::default() }, 0).await;
    assert_eq!(wait(&scene, 10).await, 0);
    scene.pass(Duration::from_mins(10));
    let mut starts = Vec::new();
    for _ in 0..5 {
        starts.push(wait(&scene, 10).await);
    }
    assert_eq!(starts, [0, 0, 500, 1_000, 1_500]);
}

/// Of concurrent reservations no two get the same place in the schedule.
pub async fn concurrent_calls_are_paced<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = limited(fixture.store(), Limits { rpm: Some(60), ..Limits::default() }, 0).await;
    let mut starts = join_all((0..64).map(|_| wait(&scene, 10))).await;
    starts.sort_unstable();
    assert_eq!(starts, (0..64).map(|call| call * 1_000).collect::<Vec<i64>>());
}

/// Runs whose slots are shared by weight use a limit by weight, exactly in the long run: slots in a closed loop, each of which
/// asks for its next call when one has ended. Two runs of 64 slots, of weights that do not divide it, with calls of two to four
/// seconds, on 600 requests a minute: there is always somebody who waits.
pub async fn runs_use_a_limit_by_weight<F: Fixture>() {
    const SLOTS: u32 = 64;
    for weights in [[2, 1], [3, 1], [5, 2]] {
        let fixture = F::fresh().await;
        let limits = |weight| Limits { rpm: Some(600), weight, ..Limits::default() };
        let mut scenes = Vec::new();
        for (run, weight) in ["run_a", "run_b"].into_iter().zip(weights) {
            scenes.push(Scene::with(fixture.store(), run, &RunConfig::default(), &limits(weight), 0).await);
        }
        let demands = weights.map(|weight| Demand { weight, most: SLOTS });
        // A round of turns, from when the first turn is over.
        let round = TURN.as_millis() as i64 * i64::from(weights[0] + weights[1]);
        let window = TURN.as_millis() as i64..TURN.as_millis() as i64 + round;
        let (mut in_flight, mut ends, mut started) = ([0; 2], BinaryHeap::new(), [0_u32; 2]);
        let mut now = 0;
        while now < window.end {
            let shares = share(SLOTS, &demands, turn(Timestamp(now)));
            for run in [0, 1] {
                while in_flight[run] < shares[run] {
                    let mut reserve = wish(&scenes[run], &AttemptId::new("att_free"), 10, None);
                    reserve.now = Timestamp(now);
                    let Reservation::StartAt(start) = fixture.store().reserve(reserve).await.expect("reserve") else {
                        panic!("no cap is set")
                    };
                    let start = start.at().0;
                    started[run] += u32::from(window.contains(&start));
                    in_flight[run] += 1;
                    // Lengths without a pattern: those of the start times' digits.
                    ends.push(Reverse((start + 2_000 + start * 7_919 % 2_003, run)));
                }
            }
            let Reverse((ended, run)) = ends.pop().expect("there are calls");
            in_flight[run] -= 1;
            now = ended;
        }
        let [heavy, light] = started.map(f64::from);
        let off = heavy / light * f64::from(weights[1]) / f64::from(weights[0]);
        assert!((0.99..=1.01).contains(&off), "{started:?} for {weights:?}");
        let taken = (heavy + light) / (round as f64 / 100.0);
        assert!((0.99..=1.01).contains(&taken), "{started:?} of a limit in {window:?}");
    }
}

/// Tokens are paced by their number; what a call did not use comes back, what it used beyond is owed.
pub async fn tokens_are_paced_and_settled<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = limited(fixture.store(), Limits { tpm: Some(60_000), ..Limits::default() }, 0).await;
    let settle = async |unused| {
        scene.store.settle(&scene.run, &Budget::of("default"), unused, scene.now()).await.expect("settle");
    };
    assert_eq!(wait(&scene, 10_000).await, 0);
    assert_eq!(
        wait(&scene, 500).await,
        9_600,
        "ten seconds' worth, less the half burst that it does not need, and slack"
    );
    settle(Unused::Tokens(8_000)).await;
    assert_eq!(wait(&scene, 500).await, 2_100);
    settle(Unused::Tokens(-5_000)).await;
    assert_eq!(wait(&scene, 500).await, 7_600);
    settle(Unused::Call { tokens: 500 }).await;
    assert_eq!(wait(&scene, 500).await, 7_600, "the place is free again");
}

/// A call that waits starts earlier once others give back what they did not use; what finds the bucket full is lost.
pub async fn what_comes_back_moves_those_who_wait<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = limited(fixture.store(), Limits { tpm: Some(60_000), ..Limits::default() }, 0).await;
    let reserve = async || match scene.store.reserve(wish(&scene, &AttemptId::new("att_free"), 5_000, None)).await {
        Ok(Reservation::StartAt(start)) => start,
        other => panic!("{other:?}"),
    };
    let settle = async |tokens| {
        let unused = Unused::Tokens(tokens);
        scene.store.settle(&scene.run, &Budget::of("default"), unused, scene.now()).await.expect("settle");
    };
    let look = async |start: &mut Start, claims: Vec<Claim>| {
        start.look(scene.store.returned(&claims).await.expect("returned"));
        start.at().0 - scene.now().0
    };
    let [first, mut second, mut third] = [reserve().await, reserve().await, reserve().await];
    assert_eq!([&first, &second, &third].map(|start| start.at().0 - scene.now().0), [0, 5_100, 10_200]);
    let looks = second.looks();
    assert_eq!(look(&mut second, looks.clone()).await, 5_100);
    settle(2_000).await;
    assert_eq!((look(&mut second, looks.clone()).await, look(&mut third, looks.clone()).await), (3_100, 8_200));
    // So much that the bucket is full before the second starts: the third has nothing of what is beyond.
    settle(20_000).await;
    let claims = second.claims(scene.now(), &third.places());
    assert_eq!((look(&mut second, claims).await, look(&mut third, looks).await), (0, 5_100));
}

/// Endpoints have budgets of their own.
pub async fn endpoints_are_apart<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = limited(fixture.store(), Limits { rpm: Some(60), ..Limits::default() }, 0).await;
    assert_eq!(wait(&scene, 10).await, 0);
    let other = Reserve { budget: Budget::of("other"), ..wish(&scene, &AttemptId::new("att_o"), 10, None) };
    assert_eq!(scene.store.reserve(other).await.expect("reserve"), Reservation::StartAt(scene.now().into()));
    assert_eq!(wait(&scene, 10).await, 1_000);
}

/// New limits hold from the next reservation on.
pub async fn new_limits_hold_at_once<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = limited(fixture.store(), Limits::default(), 0).await;
    assert_eq!((wait(&scene, 10).await, wait(&scene, 10).await), (0, 0));
    scene.control(Control::Limits(Limits { rpm: Some(60), ..Limits::default() })).await;
    assert_eq!((wait(&scene, 10).await, wait(&scene, 10).await), (0, 1_000));
}

/// A closed gate delays everybody, and is only ever prolonged: one burst of refusals counts once.
pub async fn a_gate_is_only_prolonged<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = limited(fixture.store(), Limits::default(), 0).await;
    assert_eq!(scene.store.gate("default").await.expect("gate"), None);
    let close = async |seconds, reason| {
        let until = scene.now().after(Duration::from_secs(seconds));
        scene.store.close_gate("default", until, reason, scene.now()).await.expect("close_gate");
    };
    close(20, "rate_limited").await;
    assert_eq!(wait(&scene, 10).await, 20_000);
    close(5, "overloaded").await;
    let until = scene.now().after(Duration::from_secs(20));
    assert_eq!(scene.store.gate("default").await.expect("gate"), Some((until, "rate_limited".to_owned())));
    close(30, "overloaded").await;
    assert_eq!(wait(&scene, 10).await, 30_000);
    scene.pass(Duration::from_secs(31));
    assert_eq!(wait(&scene, 10).await, 0, "it opens by itself");
}

/// Calls that were held back by a gate do not start all at once when it opens: the schedule goes on from there.
pub async fn a_gate_opens_onto_no_burst<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = limited(fixture.store(), Limits { rpm: Some(60), ..Limits::default() }, 0).await;
    let until = scene.now().after(Duration::from_secs(30));
    scene.store.close_gate("default", until, "rate_limited", scene.now()).await.expect("close_gate");
    for call in 0..30 {
        assert_eq!(wait(&scene, 10).await, 30_000 + call * 1_000);
    }
}

/// The cap is never passed, whatever is asked at once: settled + reserved + the worst case stays below it.
pub async fn the_cap_is_never_passed<F: Fixture>() {
    let fixture = F::fresh().await;
    let cap = 10 * COST;
    let scene = limited(fixture.store(), Limits { max_cost_nanousd: Some(cap), ..Limits::default() }, 64).await;
    let mut attempts = Vec::new();
    for index in 0..64 {
        attempts.push(started(&scene, index).await.attempt);
    }
    let answers = join_all(attempts.iter().map(|attempt| pay(&scene, attempt, Some(3 * COST)))).await;
    let granted = answers.iter().filter(|answer| matches!(answer, Reservation::StartAt(_))).count();
    assert_eq!(granted, 3);
    let totals = scene.totals().await;
    assert_eq!((totals.reserved_nanousd, totals.settled_nanousd), (9 * COST, 0));
    assert_eq!(
        pay(&scene, &attempts[63], Some(COST)).await,
        Reservation::StartAt(scene.now().into()),
        "what fits, fits"
    );
    assert_eq!(pay(&scene, &attempts[62], Some(1)).await, Reservation::OverBudget);
    scene.sound().await;
}

/// Under a cap a call without a price may not start.
pub async fn a_cap_needs_a_price<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = limited(fixture.store(), Limits { max_cost_nanousd: Some(COST), ..Limits::default() }, 1).await;
    let task = started(&scene, 0).await;
    assert_eq!(pay(&scene, &task.attempt, None).await, Reservation::OverBudget);
    assert_eq!(pay(&scene, &task.attempt, Some(COST)).await, Reservation::StartAt(scene.now().into()));
}

/// The reservation is released when its attempt ends, and what was paid takes its place.
pub async fn a_reservation_ends_with_its_attempt<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = limited(fixture.store(), Limits { max_cost_nanousd: Some(4 * COST), ..Limits::default() }, 2).await;
    let first = started(&scene, 0).await;
    let second = started(&scene, 1).await;
    assert!(matches!(pay(&scene, &first.attempt, Some(3 * COST)).await, Reservation::StartAt(_)));
    assert_eq!(pay(&scene, &second.attempt, Some(3 * COST)).await, Reservation::OverBudget);
    scene.accept(&scene.plan_result(&first, 2)).await;
    let totals = scene.totals().await;
    assert_eq!((totals.reserved_nanousd, totals.settled_nanousd), (0, COST));
    assert!(matches!(pay(&scene, &second.attempt, Some(3 * COST)).await, Reservation::StartAt(_)));
    scene.fail(&second, again(ErrorCode::Reset, scene.now())).await;
    assert_eq!(scene.totals().await.reserved_nanousd, 0);
    scene.sound().await;
}

/// An orphan's reservation stays: the cap holds also for what may have been paid.
pub async fn an_orphans_reservation_counts_on<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = limited(fixture.store(), Limits { max_cost_nanousd: Some(4 * COST), ..Limits::default() }, 1).await;
    let task = started(&scene, 0).await;
    pay(&scene, &task.attempt, Some(3 * COST)).await;
    scene.store.rescue_stalled(LEASE, scene.pass(LEASE * 2)).await.expect("rescue_stalled");
    let again = scene.claim(&task.key).await;
    assert_eq!(pay(&scene, &again.attempt, Some(3 * COST)).await, Reservation::OverBudget);
    assert_eq!(scene.totals().await.reserved_nanousd, 3 * COST);
    scene.sound().await;
}

/// Reserving again for one attempt replaces what it had reserved: the intent may be repeated, also close to the cap.
pub async fn reserving_again_replaces<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = limited(fixture.store(), Limits { max_cost_nanousd: Some(5 * COST), ..Limits::default() }, 1).await;
    let task = started(&scene, 0).await;
    for worst in [4, 4, 5, 2] {
        assert_eq!(pay(&scene, &task.attempt, Some(worst * COST)).await, Reservation::StartAt(scene.now().into()));
        assert_eq!(scene.totals().await.reserved_nanousd, worst * COST);
    }
    assert_eq!(pay(&scene, &task.attempt, Some(6 * COST)).await, Reservation::OverBudget);
    assert_eq!(scene.totals().await.reserved_nanousd, 2 * COST);
    scene.sound().await;
}

/// Nothing is reserved for an attempt that has ended or never started: such a call would stand in no ledger.
pub async fn only_open_attempts_reserve<F: Fixture>() {
    let fixture = F::fresh().await;
    let scene = limited(fixture.store(), Limits::default(), 1).await;
    let task = started(&scene, 0).await;
    scene.fail(&task, again(ErrorCode::Reset, Timestamp(0))).await;
    for attempt in [task.attempt, AttemptId::new("att_unknown")] {
        assert!(scene.store.reserve(wish(&scene, &attempt, 1, Some(COST))).await.is_err());
    }
    assert_eq!(scene.totals().await.reserved_nanousd, 0);
}
