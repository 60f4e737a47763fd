//! The broker is killed, wiped, hung, blocked; connections are closed and queues deleted. Nothing confirmed is lost.

use super::*;

fn node() -> &'static servers::rabbitmq::RabbitMq {
    servers::rabbitmq::RabbitMq::private()
}

async fn connected() -> RabbitMq {
    RabbitMq::connect(settings(node().url())).await.unwrap()
}

#[tokio::test]
async fn a_killed_broker_loses_nothing_that_was_confirmed() {
    let _turn = TURN.write().await;
    let queue = connected().await;
    let sent = plans(0..300);
    queue.publish(&sent).await.unwrap();
    let mut consumer = queue.consume(&[Kind::PLAN], 20).await.unwrap();
    let mut missing = subjects(&sent);
    for _ in 0..50 {
        let delivery = next(&mut consumer).await;
        delivery.ack().await.unwrap();
    }
    // The first fifty are settled, as far as this side knows; an ack on its way may be lost and its message come again.
    for subject in subjects(&sent[..50]) {
        missing.remove(&subject);
    }
    let held = next(&mut consumer).await;
    node().kill();
    let error = tokio::time::timeout(PATIENCE, queue.publish(&plans(300..301))).await.unwrap().unwrap_err();
    assert!(matches!(cause(&error), RabbitMqError::Disconnected(_)), "{error}");
    node().start_again();
    let error = held.ack().await.unwrap_err();
    assert!(matches!(cause(&error), RabbitMqError::WillBeRedelivered(_)), "{error}");
    publish_at_last(&queue, &plans(300..301)).await;
    missing.extend(subjects(&plans(300..301)));
    drain(&mut consumer, missing).await;
    assert!(queue.counts().redelivered > 0, "what was in hand came back, marked");
    assert!(queue.counts().reconnects >= 2, "publisher and consumer");
}

#[tokio::test]
async fn a_wiped_broker_is_furnished_again() {
    let _turn = TURN.write().await;
    let queue = connected().await;
    let mut consumer = queue.consume(&[Kind::PLAN], 2).await.unwrap();
    node().kill();
    node().wipe();
    node().start_again();
    publish_at_last(&queue, &plans(0..3)).await;
    drain(&mut consumer, subjects(&plans(0..3))).await;
}

#[tokio::test]
async fn closed_connections_are_made_again() {
    let _turn = TURN.write().await;
    let queue = connected().await;
    queue.publish(&plans(0..5)).await.unwrap();
    let mut consumer = queue.consume(&[Kind::PLAN], 2).await.unwrap();
    let held = next(&mut consumer).await;
    node().close_connections();
    let both_again = async {
        while queue.counts().reconnects < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, both_again).await.expect("publisher and consumer come back by themselves");
    let error = held.ack().await.unwrap_err();
    assert!(matches!(cause(&error), RabbitMqError::WillBeRedelivered(_)), "{error}");
    queue.publish(&plans(5..6)).await.unwrap();
    drain(&mut consumer, subjects(&plans(0..6))).await;
}

/// The client library ends the consumer's stream without a word, on a channel that looks healthy.
#[tokio::test]
async fn a_deleted_queue_is_declared_again_under_its_consumer() {
    let _turn = TURN.write().await;
    let settings = settings(node().url());
    let queue = RabbitMq::connect(settings.clone()).await.unwrap();
    let mut consumer = queue.consume(&[Kind::PLAN], 2).await.unwrap();
    node().delete_queue(&format!("{}.task.plan", settings.prefix));
    publish_at_last(&queue, &plans(0..3)).await;
    drain(&mut consumer, subjects(&plans(0..3))).await;
}

#[tokio::test]
async fn under_a_memory_alarm_publishing_fails_and_consuming_goes_on() {
    let _turn = TURN.write().await;
    let queue = connected().await;
    queue.publish(&plans(0..3)).await.unwrap();
    let mut consumer = queue.consume(&[Kind::PLAN], 1).await.unwrap();
    node().set_memory_alarm();
    let error = tokio::time::timeout(PATIENCE, queue.publish(&plans(3..4))).await.unwrap().unwrap_err();
    assert!(matches!(cause(&error), RabbitMqError::Blocked(_)), "{error}");
    let since = tokio::time::Instant::now();
    let error = queue.publish(&plans(4..5)).await.unwrap_err();
    assert!(matches!(cause(&error), RabbitMqError::Blocked(_)), "{error}");
    assert!(since.elapsed() < Duration::from_secs(3), "patience counts from the alarm");
    // With a prefetch of one, the next comes only because the broker read the ack of the one before.
    for _ in 0..3 {
        next(&mut consumer).await.ack().await.unwrap();
    }
    node().clear_memory_alarm();
    publish_at_last(&queue, &plans(5..6)).await;
    drain(&mut consumer, subjects(&plans(5..6))).await;
}

#[tokio::test]
async fn a_hung_broker_makes_publishing_fail_in_time() {
    let _turn = TURN.write().await;
    let mut settings = settings(node().url());
    settings.connect_timeout = Duration::from_secs(1);
    settings.publish_timeout = Duration::from_secs(1);
    settings.heartbeat = Duration::from_secs(1);
    let queue = RabbitMq::connect(settings).await.unwrap();
    let mut consumer = queue.consume(&[Kind::PLAN], 1).await.unwrap();
    node().pause();
    let error = tokio::time::timeout(PATIENCE, queue.publish(&plans(0..1))).await.unwrap().unwrap_err();
    let hung = matches!(cause(&error), RabbitMqError::Timeout { .. } | RabbitMqError::Disconnected(_));
    // Until the connection is given up, and after that.
    let lost = tokio::time::timeout(PATIENCE, async {
        loop {
            let error = queue.publish(&plans(1..2)).await.unwrap_err();
            if matches!(cause(&error), RabbitMqError::Disconnected(_)) {
                break;
            }
        }
    });
    let lost = lost.await;
    node().resume();
    assert!(hung, "{error}");
    lost.expect("the connection is given up");
    publish_at_last(&queue, &plans(2..3)).await;
    drain(&mut consumer, subjects(&plans(2..3))).await;
}
