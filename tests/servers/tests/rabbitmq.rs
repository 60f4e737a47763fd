//! The node starts, comes back, and dies with its owner.

use servers::rabbitmq::RabbitMq;

#[test]
fn a_node_starts_is_killed_and_comes_back() {
    let since = std::time::Instant::now();
    let node = RabbitMq::start();
    eprintln!("started in {:?}", since.elapsed());
    let since = std::time::Instant::now();
    node.ctl(&["list_queues"]);
    eprintln!("rabbitmqctl took {:?}", since.elapsed());
    node.kill();
    let since = std::time::Instant::now();
    node.start_again();
    eprintln!("started again in {:?}", since.elapsed());
    node.stop();
    node.wipe();
    node.start_again();
    assert!(node.url().starts_with("amqp://longhand:secret@127.0.0.1:"));
}
