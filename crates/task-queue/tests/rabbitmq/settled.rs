//! Acks, returns, dead letters, prefetch.

use lapin::BasicProperties;
use lapin::options::{BasicPublishOptions, QueueDeleteOptions};

use super::*;

#[tokio::test]
async fn a_returned_message_is_marked_as_delivered_before() {
    let _turn = TURN.read().await;
    let queue = RabbitMq::connect(shared_settings()).await.unwrap();
    queue.publish(&plans(0..1)).await.unwrap();
    let mut consumer = queue.consume(&[Kind::PLAN], 1).await.unwrap();
    let first = next(&mut consumer).await;
    assert_eq!(queue.counts().redelivered, 0);
    first.requeue().await.unwrap();
    next(&mut consumer).await.ack().await.unwrap();
    assert_eq!(queue.counts().redelivered, 1);
    assert!(tokio::time::timeout(SOON, consumer.next()).await.is_err(), "an acked message is gone");
}

#[tokio::test]
async fn what_comes_back_too_often_is_a_dead_letter() {
    let _turn = TURN.read().await;
    let queue = RabbitMq::connect(RabbitMqSettings { delivery_limit: 2, ..shared_settings() }).await.unwrap();
    queue.publish(&plans(0..1)).await.unwrap();
    let mut consumer = queue.consume(&[Kind::PLAN], 1).await.unwrap();
    // A limit of two returns is three deliveries.
    for _ in 0..3 {
        next(&mut consumer).await.requeue().await.unwrap();
    }
    dead_letters(&queue, 1).await;
    assert!(tokio::time::timeout(SOON, consumer.next()).await.is_err());
    assert_eq!(queue.purge_dead_letters().await.unwrap(), 1);
    dead_letters(&queue, 0).await;
}

#[tokio::test]
async fn a_message_that_is_no_task_is_a_dead_letter() {
    let _turn = TURN.read().await;
    let settings = shared_settings();
    let queue = RabbitMq::connect(settings.clone()).await.unwrap();
    let (_connection, channel) = bare_channel(&settings).await;
    let exchange = format!("{}.tasks", settings.prefix);
    let of_another_kind = serde_json::to_vec(&message(&Kind::SECTION, 1)).unwrap();
    for body in [b"not JSON".as_slice(), b"{}", &of_another_kind] {
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        channel.basic_publish(exchange.as_str().into(), "plan".into(), options, body, properties).await.unwrap();
    }
    let mut consumer = queue.consume(&[Kind::PLAN], 1).await.unwrap();
    dead_letters(&queue, 3).await;
    assert_eq!(queue.counts().malformed, 3);
    queue.publish(&plans(0..1)).await.unwrap();
    next(&mut consumer).await.ack().await.unwrap();
}

/// Builds of several ages share a broker while a fleet is upgraded.
#[tokio::test]
async fn messages_of_older_and_newer_builds_are_understood() {
    /// What every build has sent; never changes.
    const FIRST: &str = r#"{"task":{"run":"run","kind":"plan","subject":"s0001","place":0,"revision":0}}"#;
    /// What one to come may add.
    const LATER: &str =
        r#"{"v":2,"task":{"run":"run","kind":"plan","subject":"s0001","place":0,"revision":0,"lane":7},"why":"x"}"#;
    let _turn = TURN.read().await;
    let settings = shared_settings();
    let queue = RabbitMq::connect(settings.clone()).await.unwrap();
    let (_connection, channel) = bare_channel(&settings).await;
    let exchange = format!("{}.tasks", settings.prefix);
    assert_eq!(serde_json::to_string(&message(&Kind::PLAN, 1)).unwrap(), FIRST);
    let mut consumer = queue.consume(&[Kind::PLAN], 1).await.unwrap();
    for body in [FIRST, LATER] {
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        let publish =
            channel.basic_publish(exchange.as_str().into(), "plan".into(), options, body.as_bytes(), properties);
        publish.await.unwrap();
        let delivery = next(&mut consumer).await;
        assert_eq!(*delivery.message(), message(&Kind::PLAN, 1));
        delivery.ack().await.unwrap();
    }
    assert_eq!(queue.counts().malformed, 0);
}

#[tokio::test]
async fn a_message_without_a_queue_is_an_error_and_the_next_one_finds_it_again() {
    let _turn = TURN.read().await;
    let settings = shared_settings();
    let queue = RabbitMq::connect(settings.clone()).await.unwrap();
    let (_connection, channel) = bare_channel(&settings).await;
    channel.queue_delete(format!("{}.task.plan", settings.prefix).into(), QueueDeleteOptions::default()).await.unwrap();
    let error = queue.publish(&plans(0..2)).await.unwrap_err();
    assert_eq!(*cause(&error), RabbitMqError::Unroutable { count: 2 });
    queue.publish(&plans(0..2)).await.unwrap();
    assert_eq!(queue.depths().await.unwrap()[0].ready, 2);
}

/// The client library attaches returns to the wrong confirms of a pipelined channel; whoever is told "published" must be.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn among_many_callers_only_the_unrouted_hear_of_it() {
    let _turn = TURN.read().await;
    let settings = shared_settings();
    let queue = RabbitMq::connect(settings.clone()).await.unwrap();
    let (_connection, channel) = bare_channel(&settings).await;
    let section = format!("{}.task.section", settings.prefix);
    // Enough for confirms in bunches, which is where the client library mixes them up.
    let kind = |number: u32| if number % 7 == 3 { Kind::SECTION } else { Kind::PLAN };
    let mut told = (0, 0);
    for _ in 0..5 {
        // Declared as far as the adapter knows, and gone.
        publish_at_last(&queue, &[message(&Kind::SECTION, 0)]).await;
        let delete = channel.queue_delete(section.as_str().into(), QueueDeleteOptions::default());
        delete.await.unwrap();
        let sent = (0..980).map(|number| {
            let (queue, message) = (&queue, message(&kind(number), number));
            async move { (message.task.kind.clone(), queue.publish(std::slice::from_ref(&message)).await) }
        });
        let answers = futures_util::future::join_all(sent).await;
        let good = |kind: &Kind| answers.iter().filter(|(of, answer)| of == kind && answer.is_ok()).count();
        assert_eq!(good(&Kind::PLAN), 840);
        assert!(good(&Kind::SECTION) < 140, "some found no queue");
        told = (told.0 + 840, good(&Kind::SECTION));
        let depths = queue.depths().await.unwrap();
        let there = (depths[0].ready, depths[1].ready as usize);
        assert_eq!(there, told, "a message that was said to be published is there");
    }
}

#[tokio::test]
async fn a_full_queue_refuses_messages() {
    let _turn = TURN.read().await;
    let queue = RabbitMq::connect(RabbitMqSettings { longest_queue: 2, ..shared_settings() }).await.unwrap();
    let mut refusal = None;
    for number in 0..50 {
        // The broker counts a little late: the first ones too many may still be taken.
        refusal = queue.publish(&plans(number..number + 1)).await.err();
        if refusal.is_some() {
            break;
        }
    }
    assert_eq!(*cause(&refusal.unwrap()), RabbitMqError::Refused { count: 1 });
}

#[tokio::test]
async fn what_is_in_hand_stays_and_what_nobody_asks_for_goes_to_others() {
    let _turn = TURN.read().await;
    let queue = RabbitMq::connect(shared_settings()).await.unwrap();
    queue.publish(&plans(0..10)).await.unwrap();
    let mut busy = queue.consume(&[Kind::PLAN], 3).await.unwrap();
    let _in_hand = next(&mut busy).await;
    let mut idle = queue.consume(&[Kind::PLAN], 10).await.unwrap();
    for _ in 0..9 {
        next(&mut idle).await.ack().await.unwrap();
    }
    drop(busy);
    assert!(tokio::time::timeout(SOON, idle.next()).await.is_err(), "one is in hand");
}

#[tokio::test]
async fn work_in_hand_is_acked_after_its_consumer_is_gone() {
    let _turn = TURN.read().await;
    let settings = shared_settings();
    let queue = RabbitMq::connect(settings.clone()).await.unwrap();
    queue.publish(&plans(0..200)).await.unwrap();
    let mut consumer = queue.consume(&[Kind::PLAN], 100).await.unwrap();
    let in_hand = next(&mut consumer).await;
    // Deliveries are still coming in.
    drop(consumer);
    let mut other = queue.consume(&[Kind::PLAN], 5).await.unwrap();
    for _ in 0..199 {
        next(&mut other).await.ack().await.unwrap();
    }
    in_hand.ack().await.unwrap();
    queue.close(PATIENCE).await;
    assert!(tokio::time::timeout(PATIENCE, other.next()).await.unwrap().is_none(), "closed");
    let error = queue.publish(&plans(0..1)).await.unwrap_err();
    assert_eq!(*cause(&error), RabbitMqError::Closed);
    let again = RabbitMq::connect(settings).await.unwrap();
    assert_eq!(again.depths().await.unwrap()[0].ready, 0);
}

/// Two processes with four slots each that take both kinds.
async fn two_processes() -> (RabbitMq, Box<dyn Consumer>, Box<dyn Consumer>) {
    let settings = shared_settings();
    let (queue, other) =
        (RabbitMq::connect(settings.clone()).await.unwrap(), RabbitMq::connect(settings).await.unwrap());
    let kinds = [Kind::PLAN, Kind::SECTION];
    let (mine, its) = (queue.consume(&kinds, 4).await.unwrap(), other.consume(&kinds, 4).await.unwrap());
    // The other process lives as long as the test.
    std::mem::forget(other);
    (queue, mine, its)
}

async fn take(consumer: &mut Box<dyn Consumer>, count: usize) -> Vec<Box<dyn Delivery>> {
    let mut taken = Vec::with_capacity(count);
    for _ in 0..count {
        let waits = tokio::time::timeout(Duration::from_secs(2), consumer.next());
        taken.push(waits.await.expect("no message waits where no slot is free").unwrap());
    }
    taken
}

fn sections(numbers: std::ops::Range<u32>) -> Vec<TaskMessage> {
    numbers.map(|number| message(&Kind::SECTION, number)).collect()
}

#[tokio::test]
async fn no_message_of_another_kind_waits_in_a_process_whose_slots_are_busy() {
    let _turn = TURN.read().await;
    let (queue, mut busy, mut free) = two_processes().await;
    queue.publish(&plans(0..4)).await.unwrap();
    let held = take(&mut busy, 4).await;
    // The broker would send half of these to the process that holds four plans: it has room for four sections.
    queue.publish(&sections(0..4)).await.unwrap();
    let taken = take(&mut free, 4).await;
    // The busy one takes part again as soon as a slot asks.
    for delivery in held {
        delivery.ack().await.unwrap();
    }
    queue.publish(&sections(4..8)).await.unwrap();
    let again = take(&mut busy, 4).await;
    assert_eq!((taken.len(), again.len()), (4, 4));
}

#[tokio::test]
async fn no_message_waits_in_a_process_whose_slots_work_on_after_their_ack() {
    let _turn = TURN.read().await;
    let (queue, mut busy, mut free) = two_processes().await;
    queue.publish(&sections(0..4)).await.unwrap();
    for delivery in take(&mut busy, 4).await {
        delivery.ack().await.unwrap();
    }
    for round in 1..4 {
        queue.publish(&sections(round * 4..round * 4 + 4)).await.unwrap();
        for delivery in take(&mut free, 4).await {
            delivery.ack().await.unwrap();
        }
    }
}
