//! A node starts, comes back with its data, and dies with its owner.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use servers::rabbitmq::RabbitMq;

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_node_is_killed_stopped_wiped_and_comes_back() {
    let node = timed("first start", RabbitMq::start);
    node.kill();
    timed("start after a kill", || node.start_again());
    node.stop();
    node.wipe();
    timed("start without data", || node.start_again());
    timed("rabbitmqctl", || node.ctl(&["list_queues"]));
}

#[test]
fn a_node_dies_with_an_owner_that_is_killed() {
    let mut owner = Command::new(std::env::current_exe().expect("this test"))
        .args(["--ignored", "--exact", "owner", "--nocapture"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("this test again");
    let mut said = BufReader::new(owner.stdout.take().expect("a pipe")).lines();
    let url = said.find_map(|line| line.expect("text").strip_prefix("node ").map(str::to_owned)).expect("a node");
    let address = url.split(['@', '/']).nth(3).expect("host and port").to_owned();
    assert!(TcpStream::connect(&address).is_ok());
    owner.kill().expect("a child");
    owner.wait().expect("a child");
    let since = Instant::now();
    while TcpStream::connect(&address).is_ok() {
        assert!(since.elapsed() < PATIENCE, "the node lives on");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
#[ignore = "started by the test above, which kills it"]
fn owner() {
    let node = RabbitMq::start();
    println!("\nnode {}", node.url());
    std::thread::sleep(PATIENCE);
}

fn timed<T>(what: &str, act: impl FnOnce() -> T) -> T {
    let since = Instant::now();
    let result = act();
    eprintln!("{what}: {:.1} s", since.elapsed().as_secs_f64());
    result
}
