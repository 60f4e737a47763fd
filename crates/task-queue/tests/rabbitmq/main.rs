//! What is special about RabbitMQ, on a real broker: refusals, limits, and everything that can happen to it meanwhile.
#![expect(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

mod disturbed;
mod refused;
mod settled;
mod throughput;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use agentwrite::ids::RunId;
use agentwrite::ports::{Consumer, Delivery, QueueError, TaskMessage, TaskQueue};
use agentwrite::task::{Kind, TaskKey};
use task_queue::{RabbitMq, RabbitMqError, RabbitMqSettings};
use tokio::sync::RwLock;

/// Bound on whatever must happen.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long something is watched that must not happen.
const SOON: Duration = Duration::from_millis(100);

/// Tests read-lock it; those that disturb the broker write-lock it.
static TURN: RwLock<()> = RwLock::const_new(());

fn settings(url: String) -> RabbitMqSettings {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let mut settings = RabbitMqSettings::new(url);
    settings.prefix = format!("test-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    "task-queue-test".clone_into(&mut settings.process);
    settings.publish_timeout = Duration::from_secs(3);
    settings.connect_timeout = Duration::from_secs(5);
    settings.longest_backoff = Duration::from_millis(400);
    settings
}

fn shared_settings() -> RabbitMqSettings {
    settings(servers::rabbitmq::RabbitMq::shared().url())
}

fn message(kind: &Kind, subject: u32) -> TaskMessage {
    let subject = format!("s{subject:04}");
    TaskMessage::about(TaskKey { run: RunId::new("run"), kind: kind.clone(), subject, place: 0, revision: 0 })
}

fn plans(numbers: std::ops::Range<u32>) -> Vec<TaskMessage> {
    numbers.map(|number| message(&Kind::PLAN, number)).collect()
}

async fn next(consumer: &mut Box<dyn Consumer>) -> Box<dyn Delivery> {
    tokio::time::timeout(PATIENCE, consumer.next()).await.expect("a message in time").expect("an open queue")
}

/// Acks messages until all of these subjects have come; duplicates may come with them.
async fn drain(consumer: &mut Box<dyn Consumer>, mut missing: BTreeSet<String>) {
    while !missing.is_empty() {
        let delivery = next(consumer).await;
        missing.remove(&delivery.message().task.subject);
        // A delivery of a connection that is gone comes again; it was seen all the same.
        delivery.ack().await.ok();
    }
}

fn subjects(messages: &[TaskMessage]) -> BTreeSet<String> {
    messages.iter().map(|message| message.task.subject.clone()).collect()
}

/// As the relay does: the same messages again until the broker has them. Each try is bounded by the adapter itself.
async fn publish_at_last(queue: &RabbitMq, messages: &[TaskMessage]) {
    let tries = async {
        while queue.publish(messages).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, tries).await.expect("the broker takes messages again");
}

fn cause(error: &QueueError) -> &RabbitMqError {
    error.source.downcast_ref().expect("the adapter's own error")
}

/// Waits until the dead-letter queue holds so many.
async fn dead_letters(queue: &RabbitMq, wanted: u32) {
    let waiting = async {
        while queue.dead_letters().await.unwrap() != wanted {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("so many dead letters");
}

/// A bare channel, for what the adapter would never do.
async fn bare_channel(settings: &RabbitMqSettings) -> (lapin::Connection, lapin::Channel) {
    let connection = lapin::Connection::connect(&settings.url, lapin::ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    (connection, channel)
}
