//! Dependencies point down only: longhand -> services -> (worker, dataset) -> agentwrite; adapters -> agentwrite. A wrong edge
//! fails here. Dev-dependencies are free. A new crate names its room in [`room`] first.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Where a crate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Room {
    /// Decides; depends on no room.
    Core,
    /// Remembers, carries, asks, shows.
    Adapter,
    /// The loop of workers, the form of datasets.
    Engine,
    /// Does one kind of work.
    Service,
    /// Puts everything together.
    Binary,
    /// Test code.
    Tests,
}

/// The room of a workspace crate, by its folder and name.
fn room(folder: &str, name: &str) -> Option<Room> {
    Some(match (folder, name) {
        ("crates", "agentwrite") => Room::Core,
        ("crates", "checkpoints" | "task-queue" | "llm" | "telemetry") => Room::Adapter,
        ("crates", "worker" | "dataset") => Room::Engine,
        ("services", "longhand") => Room::Binary,
        ("services", _) => Room::Service,
        (_, "harness" | "bench" | "servers") => Room::Tests,
        _ => return None,
    })
}

/// Whether code of one room may use code of another.
fn may_use(from: Room, to: Room) -> bool {
    match from {
        Room::Core => false,
        Room::Adapter | Room::Engine => to == Room::Core,
        Room::Service => matches!(to, Room::Core | Room::Engine),
        Room::Binary => !matches!(to, Room::Binary | Room::Tests),
        Room::Tests => to != Room::Binary,
    }
}

/// Crates of others that only these may use: a driver's types stay behind its adapter.
const OWNERS: &[(&str, &[&str])] = &[
    ("sqlx", &["checkpoints"]),
    // `bench` for its floor: what the drivers cost without what we put around them.
    ("rusqlite", &["checkpoints", "bench"]),
    ("lapin", &["task-queue"]),
    // `dataset` names it for its features only.
    ("reqwest", &["llm", "dataset", "telemetry", "bench"]),
    ("parquet", &["dataset"]),
    ("arrow", &["dataset"]),
    ("arrow-array", &["dataset"]),
    ("arrow-schema", &["dataset"]),
    ("object_store", &["dataset"]),
    // `telemetry` for the page of health and metrics.
    ("axum", &["llm-simulator", "console", "telemetry"]),
    ("opentelemetry", &["telemetry"]),
    ("prometheus", &["telemetry"]),
];

/// What the core must not know: I/O, clocks, randomness.
const IMPURE: &[&str] =
    &["tokio", "tokio-util", "sqlx", "rusqlite", "lapin", "reqwest", "chrono", "uuid", "rand", "axum", "tempfile"];

/// One workspace crate and what it uses outside its tests.
#[derive(Debug, Clone)]
struct Package {
    name: String,
    room: Option<Room>,
    uses: Vec<String>,
}

/// The workspace in the JSON of `cargo metadata --no-deps`.
fn packages(metadata: &Value) -> Vec<Package> {
    metadata["packages"].as_array().expect("metadata lists packages").iter().map(package).collect()
}

fn package(package: &Value) -> Package {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let name = text(&package["name"]);
    let manifest = text(&package["manifest_path"]);
    let folder =
        Path::new(&manifest).ancestors().nth(2).and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    let dependencies = package["dependencies"].as_array().into_iter().flatten();
    let uses =
        dependencies.filter(|dependency| dependency["kind"] != "dev").map(|dependency| text(&dependency["name"]));
    Package { room: room(&folder, &name), uses: uses.collect(), name }
}

/// Every wrong edge, in words.
fn wrong_edges(packages: &[Package]) -> Vec<String> {
    let rooms: BTreeMap<&str, Option<Room>> =
        packages.iter().map(|package| (package.name.as_str(), package.room)).collect();
    let mut wrong = Vec::new();
    for package in packages {
        let Some(from) = package.room else {
            wrong.push(format!("{} has no room", package.name));
            continue;
        };
        for used in &package.uses {
            if let Some(Some(to)) = rooms.get(used.as_str())
                && !may_use(from, *to)
            {
                wrong.push(format!("{} ({from:?}) uses {used} ({to:?})", package.name));
            }
            let owners = OWNERS.iter().find(|(owned, _)| owned == used).map(|(_, owners)| *owners);
            if owners.is_some_and(|owners| !owners.contains(&package.name.as_str())) {
                wrong.push(format!("{} uses {used}, which belongs to {owners:?}", package.name));
            }
            if from == Room::Core && IMPURE.contains(&used.as_str()) {
                wrong.push(format!("{} uses {used} and is not pure any more", package.name));
            }
        }
    }
    wrong
}

fn workspace() -> Vec<Package> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root)
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    packages(&serde_json::from_slice(&output.stdout).expect("metadata is JSON"))
}

#[test]
fn dependencies_point_down_only() {
    let packages = workspace();
    assert!(packages.len() >= 12, "the whole workspace is looked at: {packages:?}");
    assert_eq!(wrong_edges(&packages), Vec::<String>::new());
}

#[test]
fn a_planted_wrong_edge_is_found() {
    for (name, uses, words) in [
        ("agentwrite", "worker", "uses worker"),
        ("agentwrite", "tokio", "not pure"),
        ("agentwrite", "rand", "not pure"),
        ("checkpoints", "llm", "uses llm"),
        ("worker", "checkpoints", "uses checkpoints"),
        ("dataset", "worker", "uses worker"),
        ("planner", "section-writer", "uses section-writer"),
        ("shard-packer", "checkpoints", "uses checkpoints"),
        ("planner", "sqlx", "belongs to"),
        ("shard-packer", "parquet", "belongs to"),
        ("longhand", "axum", "belongs to"),
        ("bench", "longhand", "uses longhand"),
        ("longhand", "harness", "uses harness"),
    ] {
        let mut packages = workspace();
        let package = packages.iter_mut().find(|package| package.name == name).expect("the crate is there");
        package.uses.push(uses.to_owned());
        let wrong = wrong_edges(&packages);
        assert!(wrong.len() == 1 && wrong[0].contains(words), "{name} -> {uses}: {wrong:?}");
    }
}

#[test]
fn a_crate_without_a_room_is_found() {
    let stranger = serde_json::json!({"packages": [{
        "name": "stranger", "manifest_path": "/repo/crates/stranger/Cargo.toml", "dependencies": []}]});
    assert_eq!(wrong_edges(&packages(&stranger)), ["stranger has no room"]);
}

#[test]
fn dev_dependencies_are_free() {
    let dependencies = serde_json::json!([{"name": "tokio", "kind": "dev"}, {"name": "tokio", "kind": "build"}]);
    let core = serde_json::json!({
        "name": "agentwrite", "manifest_path": "/repo/crates/agentwrite/Cargo.toml", "dependencies": dependencies});
    assert_eq!(wrong_edges(&packages(&serde_json::json!({"packages": [core]}))).len(), 1);
}
