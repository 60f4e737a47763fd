//! The fleet's shards in a bucket: a server that speaks S3 and checks keys, a packer that is killed between files and
//! publication, a store that vanishes for a while; at the end the objects are the files of `longhand run`. And what is said
//! of a bucket that cannot be used.
//!
//! Ignored in `cargo test`, for the server comes from PyPI and takes a while to install: `make test-s3`.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use harness::process::{Ended, Run, fixed_sections};
use servers::postgres::Postgres;
use servers::s3::{Key, S3, documented_policy};

use crate::serving::{broker, drained, of_fleet};
use crate::{MOST, longhand, root, scratch, simulator, undisturbed};

const SAMPLES: usize = 20;
/// A dead packer's lease has to lapse first.
const TAKEOVER: Duration = Duration::from_secs(120);

fn policy() -> String {
    documented_policy(&root().join("docs/OPERATIONS.md"), "data", "runs")
}

/// With the variables of a bucket.
fn to_bucket(run: Run, address: &str, key: &Key) -> Run {
    run.env("LONGHAND__SHARDS__URL", "s3://data/runs")
        .env("AWS_ENDPOINT_URL", format!("http://{address}"))
        .env("AWS_ACCESS_KEY_ID", &key.id)
        .env("AWS_SECRET_ACCESS_KEY", &key.secret)
}

#[test]
#[ignore = "make test-s3"]
fn a_killed_packer_and_a_store_that_vanishes_cost_nothing_and_the_objects_are_the_files_of_one_process() {
    let scratch = scratch();
    let rows = fixed_sections(scratch.path(), "rows.jsonl", SAMPLES, 4, 200);
    let calm = undisturbed(&simulator(&[]), &rows, &scratch.path().join("calm"), &["--shard-size", "4"]);

    let s3 = S3::start();
    s3.make_bucket("data");
    let key = s3.make_key("packer", &policy());
    s3.check_keys(true);
    let link = Link::to(s3.address());
    let (database, broker) = (Postgres::shared().database(None), broker("bucket"));
    let endpoint = simulator(&["--latency-ms", "20"]);
    let command = |args: &[&str]| {
        to_bucket(of_fleet(longhand(args), &database.url(), &broker, scratch.path()), &link.address, &key)
    };
    command(&["migrate"]).finish(MOST).expect_code(0);
    let serve = |role: &str| command(&["serve", role, "--base-url", endpoint.url(), "--concurrency", "6"]).start();
    let (planner, writer) = (serve("planner"), serve("section-writer"));
    let packer = || command(&["serve", "shard-packer"]);
    let dying = |passed: u32| packer().env("LONGHAND_CRASH", format!("after_shard_files:{passed}")).start();
    let first = dying(1);
    let submit = command(&["submit"]).arg(&rows).args(["--model", "simulated", "--shard-size", "4", "--wait"]).start();

    // Killed when a shard's objects are there and the store does not know of them yet; then a second time, later.
    assert_eq!(first.wait(MOST).signal, Some(6), "the packer was killed after the first shard's files");
    assert_eq!(dying(2).wait(TAKEOVER).signal, Some(6));

    let mut last = packer().start();
    last.until_stderr("serves", MOST);
    link.cut();
    last.until_stderr("a round of the packer failed", TAKEOVER);
    assert!(last.ended().is_none());
    link.mend();

    let ended = submit.wait(TAKEOVER).expect_code(0);
    let run = ended.stdout.trim().to_owned();
    let said = last.stderr();
    for child in [writer, planner, last] {
        drained(child);
    }
    assert!(!said.contains(&key.secret) && !said.contains(&key.id), "{said}");
    eprintln!("the packer said of its vanished store:\n{said}");
    let doctor = || command(&["doctor", &run, "--json"]).finish(MOST);
    let checked = |ended: &Ended| -> serde_json::Value {
        let report: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
        let checks = report["checks"].as_array().expect("checks");
        checks.iter().find(|check| check["name"] == "I7").expect("the check of shards").clone()
    };
    let healthy = doctor().expect_code(0);
    assert_eq!(checked(&healthy)["ok"], true, "{}", healthy.stdout);

    s3.check_keys(false);
    let mut objects = s3.objects("data");
    // What a person does to a closed shard, and what a store that loses its network says.
    let (changed, other) =
        (format!("runs/{run}/shards/shard-00001.jsonl"), &objects[&format!("runs/{run}/shards/shard-00002.jsonl")]);
    s3.put("data", &changed, other);
    let broken = doctor().expect_code(1);
    assert!(checked(&broken)["broken"].to_string().contains("shard-00001.jsonl"), "{}", broken.stdout);
    link.cut();
    doctor().expect_error(3, "shards_unreachable");
    link.mend();
    let manifest = objects.remove(&format!("runs/{run}/manifest.json")).expect("a manifest");
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).expect("JSON");
    assert_eq!(manifest["dataset_hash"], calm.manifest()["dataset_hash"]);
    let card = objects.remove(&format!("runs/{run}/README.md")).expect("a card");
    assert!(String::from_utf8_lossy(&card).contains(manifest["dataset_hash"].as_str().expect("a hash")));
    let below = format!("runs/{run}/shards/");
    let shards: std::collections::BTreeMap<String, Vec<u8>> = objects
        .into_iter()
        .map(|(key, bytes)| (key.strip_prefix(&below).expect("nothing but shards").to_owned(), bytes))
        .collect();
    eprintln!("{} shard objects, {} bytes", shards.len(), shards.values().map(Vec::len).sum::<usize>());
    assert_eq!(shards.len(), 10);
    assert_eq!(shards, calm.shard_bytes());
    let packed = database.sql("select count(*) from sample where state = 'packed'");
    assert_eq!(packed.trim(), SAMPLES.to_string());
}

#[test]
#[ignore = "make test-s3"]
fn what_is_wrong_with_a_bucket_is_told_at_the_start_without_its_key() {
    let scratch = scratch();
    let s3 = S3::start();
    s3.make_bucket("data");
    let good = s3.make_key("packer", &policy());
    let reader = s3.make_key("reader", &policy().replace("\"s3:PutObject\", ", ""));
    let wrong = Key { secret: "geheim".to_owned(), ..good.clone() };
    let stranger = Key { id: "geheim".to_owned(), secret: "geheim".to_owned() };
    let nobody = Key { id: String::new(), secret: String::new() };
    let here = s3.address();
    let serve =
        |address: &str, key: &Key| to_bucket(longhand(&["serve", "shard-packer"]).within(scratch.path()), address, key);
    let tell = |run: Run, exit: i32, code: &str| -> Ended {
        let ended = run.finish(MOST).expect_error(exit, code);
        eprintln!("{}\n", ended.stderr.trim());
        assert!(![&good.secret, &good.id, "geheim"].iter().any(|key| ended.stderr.contains(*key)), "{}", ended.stderr);
        ended
    };
    tell(serve(here, &good).env("LONGHAND__SHARDS__URL", "s3://other/runs"), 3, "no_bucket");
    tell(serve("127.0.0.1:9", &good), 3, "shards_unreachable");
    tell(serve(here, &good).env("LONGHAND__SHARDS__URL", "s3://DATA"), 2, "shards_url");
    tell(serve(here, &good).env("AWS_ENDPOINT_URL", "http://a:geheim@host"), 2, "shards_url");
    tell(serve(here, &nobody), 4, "shards_auth").expect_stderr("no key is given");
    s3.check_keys(true);
    for key in [&wrong, &stranger, &reader] {
        tell(serve(here, key), 4, "shards_auth");
    }
    // A bucket that can be used is passed over: what is missing next is the database.
    tell(serve(here, &good), 2, "no_url").expect_stderr("no database is named");
    s3.check_keys(false);
    assert!(s3.objects("data").is_empty(), "the tries left nothing behind");
}

/// A connection to a server that can be cut.
struct Link {
    address: String,
    whole: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Link {
    fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        let link = Self { address, whole: Arc::new(AtomicBool::new(true)), open: Arc::default() };
        let (whole, open, server) = (Arc::clone(&link.whole), Arc::clone(&link.open), server.to_owned());
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                if !whole.load(Ordering::SeqCst) {
                    continue;
                }
                let Ok(far) = TcpStream::connect(&server) else { continue };
                let ends = [&near, &far].map(|end| end.try_clone().expect("a socket"));
                open.lock().expect("no panic").extend([&near, &far].map(|end| end.try_clone().expect("a socket")));
                let [back_to, there_to] = ends;
                std::thread::spawn(move || carry(near, there_to));
                std::thread::spawn(move || carry(far, back_to));
            }
        });
        link
    }

    fn cut(&self) {
        self.whole.store(false, Ordering::SeqCst);
        self.open.lock().expect("no panic").drain(..).for_each(|end| drop(end.shutdown(Shutdown::Both)));
    }

    fn mend(&self) {
        self.whole.store(true, Ordering::SeqCst);
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream) {
    let mut chunk = vec![0; 1 << 16];
    while let Ok(read @ 1..) = from.read(&mut chunk) {
        if to.write_all(&chunk[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
