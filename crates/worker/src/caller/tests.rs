//! Calls over pools of endpoints that do as they are told.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use agentwrite::call::{Finish, StatedLimits};
use agentwrite::ids::{AttemptId, Hash, OwnerId, RunId};
use agentwrite::ports::{Budget, ChatModel};
use agentwrite::rate::Claim;
use agentwrite::task::{Hint, Kind, TaskKey};
use async_trait::async_trait;
use tokio::sync::Semaphore;

use super::*;
use crate::endpoints::Terms;
use crate::{CrashPoints, SystemClock};

/// How an endpoint answers.
enum Does {
    Answers(StatedLimits),
    Fails(ErrorCode),
    /// Says its first token, then waits for a permit.
    Holds(Semaphore),
    /// Waits for a permit, then refuses.
    HoldsAndRefuses(Semaphore),
}

struct Endpoint {
    does: Mutex<Arc<Does>>,
    asked: AtomicU32,
    models: Mutex<Vec<String>>,
}

impl Endpoint {
    fn new(does: Does) -> Arc<Self> {
        Arc::new(Self { does: Mutex::new(Arc::new(does)), asked: AtomicU32::new(0), models: Mutex::default() })
    }

    fn does(&self, does: Does) {
        *self.does.lock().unwrap() = Arc::new(does);
    }

    fn asked(&self) -> u32 {
        self.asked.load(Ordering::SeqCst)
    }

    fn release(&self, calls: usize) {
        if let Does::Holds(held) | Does::HoldsAndRefuses(held) = &**self.does.lock().unwrap() {
            held.add_permits(calls);
        }
    }
}

fn answer(limits: StatedLimits) -> ChatAnswer {
    ChatAnswer {
        text: "text".to_owned(),
        finish: Finish::Stop,
        usage: Usage::default(),
        had_reasoning: false,
        model: None,
        response_id: None,
        first_token: Duration::from_millis(1),
        total: Duration::from_millis(2),
        limits,
    }
}

#[async_trait]
impl ChatModel for Endpoint {
    async fn chat(&self, request: ChatRequest) -> Result<ChatAnswer, CallFailure> {
        self.chat_heard(request, &|| ()).await
    }

    async fn chat_heard(
        &self,
        request: ChatRequest,
        heard: &(dyn Fn() + Send + Sync),
    ) -> Result<ChatAnswer, CallFailure> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.models.lock().unwrap().push(request.model);
        let does = Arc::clone(&self.does.lock().unwrap());
        match &*does {
            Does::Answers(limits) => Ok(answer(*limits)),
            Does::Fails(code) => Err(CallFailure::new(*code, "told to")),
            Does::Holds(held) => {
                heard();
                held.acquire().await.unwrap().forget();
                Ok(answer(StatedLimits::default()))
            }
            Does::HoldsAndRefuses(held) => {
                held.acquire().await.unwrap().forget();
                Err(CallFailure::new(ErrorCode::RateLimited, "told to"))
            }
        }
    }
}

/// Shares nothing and remembers whose gate was closed.
#[derive(Default)]
struct Gates(Mutex<Vec<String>>);

#[async_trait]
impl TrafficStore for Gates {
    async fn reserve(&self, reserve: Reserve) -> Result<Reservation, StoreError> {
        Ok(Reservation::StartAt(reserve.now.into()))
    }
    async fn settle(&self, _: &RunId, _: &Budget, _: Unused, _: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }
    async fn returned(&self, claims: &[Claim]) -> Result<Vec<f64>, StoreError> {
        Ok(vec![0.0; claims.len()])
    }
    async fn close_gate(&self, endpoint: &str, _: Timestamp, reason: &str, _: Timestamp) -> Result<(), StoreError> {
        self.0.lock().unwrap().push(format!("{endpoint} {reason}"));
        Ok(())
    }
    async fn gate(&self, _: &str) -> Result<Option<(Timestamp, String)>, StoreError> {
        Ok(None)
    }
}

struct Scene {
    caller: Arc<Caller>,
    gates: Arc<Gates>,
    _limits: watch::Sender<Limits>,
}

/// A clock that is turned by hand.
struct Hands(Mutex<Timestamp>);

impl Hands {
    fn turn(&self, time: Duration) {
        let mut now = self.0.lock().unwrap();
        *now = now.after(time);
    }
}

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

fn scene(members: Vec<Arc<Member>>) -> Scene {
    scene_by(members, Arc::new(SystemClock))
}

fn scene_by(members: Vec<Arc<Member>>, clock: Arc<dyn Clock>) -> Scene {
    let gates = Arc::new(Gates::default());
    let (sender, limits) = watch::channel(Limits::default());
    let caller = Caller {
        endpoints: Endpoints::new(members).unwrap(),
        traffic: gates.clone(),
        limits,
        clock,
        drain: CancellationToken::new(),
        abort: CancellationToken::new(),
        crash: CrashPoints::default(),
    };
    Scene { caller: Arc::new(caller), gates, _limits: sender }
}

fn member(name: &str, endpoint: &Arc<Endpoint>, terms: Terms) -> Arc<Member> {
    Member::new(name, Arc::clone(endpoint) as Arc<dyn ChatModel>, terms)
}

impl Scene {
    async fn ask(&self, affinity: &str) -> Asked {
        ask(&self.caller, affinity).await
    }

    fn asks(&self, count: usize) -> tokio::task::JoinSet<Asked> {
        let mut calls = tokio::task::JoinSet::new();
        for call in 0..count {
            let caller = Arc::clone(&self.caller);
            calls.spawn(async move { ask(&caller, &format!("smp_{call}")).await });
        }
        calls
    }
}

async fn ask(caller: &Caller, affinity: &str) -> Asked {
    let request = ChatRequest {
        go_on: None,
        model: "the-run's".to_owned(),
        messages: Vec::new(),
        temperature: 1.0,
        top_p: None,
        max_tokens: 1,
        seed: 0,
        schema: None,
        extra_body: serde_json::Map::new(),
        affinity: affinity.to_owned(),
    };
    caller.ask(&task(), request).await
}

fn task() -> ClaimedTask {
    ClaimedTask {
        key: TaskKey { run: RunId::new("r"), kind: Kind::PLAN, subject: "s".into(), place: 0, revision: 0 },
        context_hash: Hash::of("t", &["x"]),
        owner: OwnerId::new("o"),
        fence: 1,
        attempt: AttemptId::new("a"),
        generation: 0,
        failures: 0,
        bad_answers: 0,
        crashes: 0,
        hint: Hint::default(),
    }
}

/// A sample whose home is the member with this name.
fn at_home(scene: &Scene, name: &str) -> String {
    let mut samples = (0..).map(|sample| format!("smp_{sample}"));
    samples.find(|sample| scene.caller.endpoints.order(sample)[0].name == name).unwrap()
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), wait).await.unwrap_or_else(|_| panic!("never: {what}"));
}

fn answers() -> Does {
    Does::Answers(StatedLimits::default())
}

#[tokio::test]
async fn a_refused_connection_closes_its_endpoint_and_the_retry_goes_to_the_next_at_once() {
    let (dead, alive) = (Endpoint::new(Does::Fails(ErrorCode::Connection)), Endpoint::new(answers()));
    let own = Terms { model: Some("own".to_owned()), ..Terms::default() };
    let scene = scene(vec![member("dead", &dead, Terms::default()), member("alive", &alive, own)]);
    let sample = at_home(&scene, "dead");
    let Asked::Failed(failure, end) = scene.ask(&sample).await else { panic!("it cannot be reached") };
    assert_eq!((failure.code, failure.retry_after), (ErrorCode::Connection, Some(Duration::ZERO)));
    assert_eq!((end.endpoint.as_str(), end.model.as_str()), ("dead", "the-run's"));
    assert_eq!(*scene.gates.0.lock().unwrap(), ["dead connection"]);
    let Asked::Answer(_, end) = scene.ask(&sample).await else { panic!("the other one answers") };
    assert_eq!((end.endpoint.as_str(), end.model.as_str()), ("alive", "own"));
    assert_eq!((dead.asked(), alive.models.lock().unwrap().as_slice()), (1, &["own".to_owned()][..]));
}

#[tokio::test]
async fn an_endpoint_that_can_serve_no_call_is_left_out_until_it_is_the_last() {
    for code in [ErrorCode::Auth, ErrorCode::Quota, ErrorCode::BadRequest] {
        let (refusing, alive) = (Endpoint::new(Does::Fails(code)), Endpoint::new(answers()));
        let members = vec![member("refusing", &refusing, Terms::default()), member("alive", &alive, Terms::default())];
        let scene = scene(members);
        let sample = at_home(&scene, "refusing");
        let Asked::LeftOut(failure, _) = scene.ask(&sample).await else { panic!("the other one serves") };
        assert_eq!(failure.code, code);
        let left_out = || scene.caller.endpoints.members().iter().map(|it| it.left_out(SystemClock.now()));
        assert_eq!(left_out().collect::<Vec<_>>(), [Some(code), None]);
        for _ in 0..5 {
            assert!(matches!(scene.ask(&sample).await, Asked::Answer(..)));
        }
        assert_eq!((refusing.asked(), alive.asked()), (1, 5));
        assert_eq!(*scene.gates.0.lock().unwrap(), Vec::<String>::new(), "each process finds out for itself");
        // The last one is not left out, and whoever mends one of them finds both asked again.
        alive.does(Does::Fails(code));
        assert!(matches!(scene.ask(&sample).await, Asked::Failed(..)));
        assert_eq!(left_out().collect::<Vec<_>>(), [None, None]);
        refusing.does(answers());
        assert!(matches!(scene.ask(&sample).await, Asked::Answer(..)));
        assert_eq!(refusing.asked(), 2);
    }
}

#[tokio::test]
async fn an_endpoint_that_was_left_out_is_asked_again_by_one_call() {
    let (refusing, alive) = (Endpoint::new(Does::Fails(ErrorCode::Quota)), Endpoint::new(answers()));
    let clock = Arc::new(Hands(Mutex::new(SystemClock.now())));
    let members = vec![member("refusing", &refusing, Terms::default()), member("alive", &alive, Terms::default())];
    let scene = scene_by(members, clock.clone());
    let sample = at_home(&scene, "refusing");
    assert!(matches!(scene.ask(&sample).await, Asked::LeftOut(..)));
    clock.turn(Duration::from_secs(301));
    assert!(matches!(scene.ask(&sample).await, Asked::LeftOut(..)), "it still refuses");
    assert!(matches!(scene.ask(&sample).await, Asked::Answer(..)));
    assert_eq!((refusing.asked(), alive.asked()), (2, 1));
    clock.turn(Duration::from_secs(301));
    refusing.does(answers());
    assert!(matches!(scene.ask(&sample).await, Asked::Answer(..)));
    assert!(matches!(scene.ask(&sample).await, Asked::Answer(..)));
    assert_eq!((refusing.asked(), alive.asked()), (4, 1), "its samples are back");
}

#[tokio::test]
async fn the_only_endpoint_keeps_its_own_waits() {
    let dead = Endpoint::new(Does::Fails(ErrorCode::Connection));
    let scene = scene(vec![member("dead", &dead, Terms::default())]);
    let Asked::Failed(failure, _) = scene.ask("smp_1").await else { panic!("it cannot be reached") };
    assert_eq!(failure.retry_after, None, "the policy's jitter decides");
}

#[tokio::test]
async fn an_endpoint_that_may_be_back_is_tried_by_one_call_until_its_first_token() {
    let endpoint = Endpoint::new(Does::Fails(ErrorCode::ServerError));
    let scene = scene(vec![member("e", &endpoint, Terms::default())]);
    for _ in 0..5 {
        scene.ask("smp_1").await;
    }
    assert_eq!(scene.gates.0.lock().unwrap().len(), 1, "five failures in a row open the breaker");
    let held = Does::Fails(ErrorCode::Connection);
    endpoint.does(held);
    let mut calls = scene.asks(20);
    until("a call tries", || endpoint.asked() == 6).await;
    let Some(Ok(Asked::Failed(..))) = calls.join_next().await else { panic!("the trial failed") };
    assert_eq!(endpoint.asked(), 6, "nobody else went with it");
    endpoint.does(Does::Holds(Semaphore::new(0)));
    until("all others go at its first token", || endpoint.asked() == 6 + 19).await;
    endpoint.release(20);
    let ended = calls.join_all().await;
    assert!(ended.iter().all(|asked| matches!(asked, Asked::Answer(..))));
}

#[tokio::test]
async fn a_call_that_waits_for_room_ends_with_the_drain() {
    let endpoint = Endpoint::new(Does::Holds(Semaphore::new(0)));
    let one = Terms { concurrency: Some(1), ..Terms::default() };
    let scene = scene(vec![member("e", &endpoint, one)]);
    let mut calls = scene.asks(8);
    until("one is in flight", || endpoint.asked() == 1).await;
    scene.caller.drain.cancel();
    for _ in 0..7 {
        let Some(Ok(Asked::Stopped(end))) = calls.join_next().await else { panic!("it waits no longer") };
        assert!(!end.called);
    }
    endpoint.release(1);
    let Some(Ok(Asked::Answer(..))) = calls.join_next().await else { panic!("what is in flight is finished") };
    assert_eq!((endpoint.asked(), scene.caller.endpoints.members()[0].in_flight()), (1, 0));
}

#[tokio::test]
async fn a_full_endpoint_s_samples_spill_over_and_room_is_taken_when_there_is_some() {
    let (small, large) = (Endpoint::new(Does::Holds(Semaphore::new(0))), Endpoint::new(Does::Holds(Semaphore::new(0))));
    let limited = |concurrency| Terms { concurrency: Some(concurrency), ..Terms::default() };
    let scene = scene(vec![member("small", &small, limited(2)), member("large", &large, limited(10))]);
    let calls = scene.asks(40);
    until("both are full", || small.asked() == 2 && large.asked() == 10).await;
    small.release(20);
    until("the small one takes what waits", || small.asked() == 22).await;
    large.release(20);
    small.release(20);
    assert_eq!(calls.join_all().await.len(), 40);
    assert_eq!(small.asked() + large.asked(), 40);
}

#[tokio::test]
async fn an_exhausted_limit_that_an_answer_states_closes_the_gate_for_all() {
    let stated = StatedLimits {
        remaining_requests: Some(0),
        reset_requests: Some(Duration::from_secs(60)),
        ..StatedLimits::default()
    };
    let (strict, open) = (Endpoint::new(Does::Answers(stated)), Endpoint::new(answers()));
    let known = Terms { rpm: Some(60), ..Terms::default() };
    let members = vec![member("strict", &strict, Terms::default()), member("open", &open, Terms::default())];
    let scene = scene(members);
    let sample = at_home(&scene, "strict");
    for _ in 0..5 {
        assert!(matches!(scene.ask(&sample).await, Asked::Answer(..)));
    }
    assert_eq!((strict.asked(), open.asked()), (1, 4));
    assert_eq!(*scene.gates.0.lock().unwrap(), ["strict rate_limited"]);
    // Where the rate is configured, calls come at that rate, and an empty bucket is what it looks like.
    let keeps = self::scene(vec![member("strict", &strict, known)]);
    for _ in 0..5 {
        assert!(matches!(keeps.ask(&sample).await, Asked::Answer(..)));
    }
    assert_eq!(keeps.gates.0.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn one_burst_of_refusals_closes_the_gate_once() {
    let endpoint = Endpoint::new(Does::HoldsAndRefuses(Semaphore::new(0)));
    let scene = scene(vec![member("e", &endpoint, Terms::default())]);
    let calls = scene.asks(50);
    until("all are in flight", || endpoint.asked() == 50).await;
    endpoint.release(50);
    let ended = calls.join_all().await;
    assert!(ended.iter().all(|asked| matches!(asked, Asked::Failed(..))));
    let left = scene.caller.endpoints.members()[0].closed_until().since(SystemClock.now());
    assert!(left <= Duration::from_millis(750), "the shortest wait, as for one: {left:?}");
}
