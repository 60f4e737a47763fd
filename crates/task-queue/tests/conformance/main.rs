//! The conformance suite of the queue port: every adapter is put through it.
#![expect(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use agentwrite::ids::RunId;
use agentwrite::ports::{TaskMessage, TaskQueue};
use agentwrite::task::{Kind, TaskKey};
use task_queue::{InProcessQueue, RabbitMq, RabbitMqSettings};

const PATIENCE: Duration = Duration::from_secs(5);
const SOON: Duration = Duration::from_millis(50);

fn message(kind: &str, subject: u32) -> TaskMessage {
    let subject = format!("s{subject}");
    // In its second generation: the trace travels with the message.
    TaskMessage::traced(TaskKey { run: RunId::new("run"), kind: Kind::new(kind), subject, place: 0, revision: 0 }, 1)
}

async fn delivers_in_order_and_by_kind(queue: Arc<dyn TaskQueue>) {
    let sent: Vec<TaskMessage> = (0..6).map(|n| message(if n % 2 == 0 { "plan" } else { "section" }, n)).collect();
    queue.publish(&sent).await.unwrap();
    let mut plans = queue.consume(&[Kind::PLAN], 10).await.unwrap();
    let mut got = Vec::new();
    for _ in 0..3 {
        let delivery = tokio::time::timeout(PATIENCE, plans.next()).await.unwrap().unwrap();
        got.push(delivery.message().clone());
        delivery.ack().await.unwrap();
    }
    assert_eq!(got, [sent[0].clone(), sent[2].clone(), sent[4].clone()]);
    assert!(tokio::time::timeout(SOON, plans.next()).await.is_err(), "no section comes to a consumer of plans");
}

async fn an_unacked_message_comes_back(queue: Arc<dyn TaskQueue>) {
    queue.publish(&[message("plan", 1)]).await.unwrap();
    let mut consumer = queue.consume(&[Kind::PLAN], 1).await.unwrap();
    drop(tokio::time::timeout(PATIENCE, consumer.next()).await.unwrap().unwrap());
    let again = tokio::time::timeout(PATIENCE, consumer.next()).await.unwrap().unwrap();
    again.requeue().await.unwrap();
    let last = tokio::time::timeout(PATIENCE, consumer.next()).await.unwrap().unwrap();
    assert_eq!(*last.message(), message("plan", 1));
    last.ack().await.unwrap();
    assert!(tokio::time::timeout(SOON, consumer.next()).await.is_err(), "an acked message is gone");
}

async fn prefetch_bounds_what_is_held(queue: Arc<dyn TaskQueue>) {
    queue.publish(&[message("plan", 1), message("plan", 2), message("plan", 3)]).await.unwrap();
    let mut consumer = queue.consume(&[Kind::PLAN], 2).await.unwrap();
    let first = tokio::time::timeout(PATIENCE, consumer.next()).await.unwrap().unwrap();
    let _second = tokio::time::timeout(PATIENCE, consumer.next()).await.unwrap().unwrap();
    assert!(tokio::time::timeout(SOON, consumer.next()).await.is_err());
    first.ack().await.unwrap();
    assert!(tokio::time::timeout(PATIENCE, consumer.next()).await.unwrap().is_some());
}

async fn a_late_message_wakes_a_waiting_consumer(queue: Arc<dyn TaskQueue>) {
    let mut consumer = queue.consume(&[Kind::PLAN, Kind::SECTION], 1).await.unwrap();
    let (got, ()) = tokio::join!(tokio::time::timeout(PATIENCE, consumer.next()), async {
        tokio::task::yield_now().await;
        queue.publish(&[message("section", 9)]).await.unwrap();
    });
    assert_eq!(*got.unwrap().unwrap().message(), message("section", 9));
}

async fn competing_consumers_share_without_loss_or_double(queue: Arc<dyn TaskQueue>) {
    let sent: Vec<TaskMessage> = (0..200).map(|n| message("plan", n)).collect();
    queue.publish(&sent).await.unwrap();
    let mut all = Vec::new();
    let mut one = queue.consume(&[Kind::PLAN], 4).await.unwrap();
    let mut two = queue.consume(&[Kind::PLAN], 4).await.unwrap();
    while all.len() < 200 {
        // Who gets which is the queue's affair.
        let either = async {
            tokio::select! {
                delivery = one.next() => delivery,
                delivery = two.next() => delivery,
            }
        };
        let delivery = tokio::time::timeout(PATIENCE, either).await.unwrap().unwrap();
        all.push(delivery.message().task.subject.clone());
        delivery.ack().await.unwrap();
    }
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 200);
}

macro_rules! conformance {
    ($adapter:ident, $fresh:expr, [$($behaviour:ident),+ $(,)?]) => {
        mod $adapter {
            $(#[tokio::test]
            async fn $behaviour() {
                super::$behaviour(std::sync::Arc::new($fresh)).await;
            })+
        }
    };
}

/// An installation of its own on the broker that this test process shares.
async fn rabbitmq() -> RabbitMq {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let mut settings = RabbitMqSettings::new(servers::rabbitmq::RabbitMq::shared().url());
    settings.prefix = format!("conformance-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    RabbitMq::connect(settings).await.unwrap()
}

macro_rules! every_adapter {
    ($($behaviour:ident),+ $(,)?) => {
        conformance!(in_process, super::InProcessQueue::new(), [$($behaviour),+]);
        conformance!(rabbitmq, super::rabbitmq().await, [$($behaviour),+]);
    };
}

every_adapter!(
    delivers_in_order_and_by_kind,
    an_unacked_message_comes_back,
    prefetch_bounds_what_is_held,
    a_late_message_wakes_a_waiting_consumer,
    competing_consumers_share_without_loss_or_double,
);
