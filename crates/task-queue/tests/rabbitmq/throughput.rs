//! How fast, on this machine: `cargo test -p task-queue --test rabbitmq -- --ignored --nocapture`.

use std::time::Instant;

use futures_util::StreamExt;

use super::*;

const MESSAGES: u32 = 20_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn publish_consume_ack() {
    let _turn = TURN.write().await;
    let queue = RabbitMq::connect(shared_settings()).await.unwrap();
    let messages = plans(0..MESSAGES);

    let since = Instant::now();
    queue.publish(&messages).await.unwrap();
    report("published and confirmed in batches of 1,000", since);

    let mut consumer = queue.consume(&[Kind::PLAN], 256).await.unwrap();
    let since = Instant::now();
    consume(&mut consumer).await;
    report("consumed and acked, 256 in hand", since);

    let since = Instant::now();
    let publishers = (0..64).map(|lane| {
        let (queue, messages) = (&queue, &messages);
        async move {
            for message in messages.iter().skip(lane).step_by(64) {
                queue.publish(std::slice::from_ref(message)).await.unwrap();
            }
        }
    });
    tokio::join!(futures_util::future::join_all(publishers), consume(&mut consumer));
    report("published one by one by 64 callers, consumed and acked meanwhile", since);

    let since = Instant::now();
    for message in &messages[..200] {
        queue.publish(std::slice::from_ref(message)).await.unwrap();
    }
    eprintln!("a lone message is confirmed in {:.2} ms", since.elapsed().as_secs_f64() * 1_000.0 / 200.0);
}

/// As workers do: each acks for itself.
async fn consume(consumer: &mut Box<dyn Consumer>) {
    let mut acks = futures_util::stream::FuturesUnordered::new();
    for _ in 0..MESSAGES {
        let delivery = loop {
            tokio::select! {
                biased;
                Some(acked) = acks.next(), if !acks.is_empty() => {
                    let acked: Result<(), QueueError> = acked;
                    acked.unwrap();
                }
                delivery = next(consumer) => break delivery,
            }
        };
        acks.push(delivery.ack());
    }
    while let Some(acked) = acks.next().await {
        acked.unwrap();
    }
}

fn report(what: &str, since: Instant) {
    eprintln!("{what}: {:.0} messages/s", f64::from(MESSAGES) / since.elapsed().as_secs_f64());
}
