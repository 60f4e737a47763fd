//! docker-compose.yml, .env.example and deploy/Dockerfile: what can be checked of them without Docker. `make compose-test` runs
//! them where there is one.

mod composition;
mod observability;
mod rules;

use std::collections::BTreeSet;

use crate::{MOST, longhand, root};
use composition::{expanded, parse, services, variables};

fn file(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn every_service_is_healthy_bounded_closed_and_pinned() {
    let compose = parse(&file("docker-compose.yml"));
    let names: Vec<_> = services(&compose).map(|(name, _)| name.clone()).collect();
    for name in
        "postgres rabbitmq migrate planner section-writer shard-packer simulator submit minio prometheus tempo grafana"
            .split(' ')
    {
        assert!(names.iter().any(|known| known == name), "{name} is not among {names:?}");
    }
    assert_eq!(rules::broken(&compose, &root()), Vec::<String>::new());
}

/// Each rule finds what it is for.
#[test]
fn a_planted_fault_is_found() {
    let text = file("docker-compose.yml");
    for (right, wrong, complaint) in [
        ("healthcheck: *asks-servers", "labels: {}", "has no health check"),
        ("limits: { memory: 128m }", "limits: {}", "migrate has no memory limit"),
        ("read_only: true\n  tmpfs", "tmpfs", "can write to its image"),
        ("user: \"10001:10001\"", "user: root", "planner runs as root"),
        ("    user: postgres\n", "", "postgres runs as root"),
        ("network_mode: none", "network_mode: host", "secrets runs as root"),
        ("cap_drop: [ALL]\n  security", "security", "keeps capabilities"),
        ("image: rabbitmq:4.3.5", "image: rabbitmq", "rabbitmq:latest is not pinned"),
        ("minio:RELEASE.2025-09-07T16-13-09Z", "minio:RELEASE", "minio:RELEASE is not pinned"),
        ("image: postgres:17.12-trixie", "image: postgres:17", "postgres:17 is not pinned"),
        ("prom/prometheus:v3.14.0", "prom/prometheus:v3", "prometheus:v3 is not pinned"),
        ("./deploy/tempo/tempo.yml", "./deploy/tempo/temp.yml", "mounts ./deploy/tempo/temp.yml, which is not there"),
        (
            "POSTGRES_PASSWORD_FILE: /run/secrets/superuser",
            "POSTGRES_PASSWORD: geheim",
            "has a secret in POSTGRES_PASSWORD",
        ),
        ("MINIO_BROWSER: \"off\"", "PLACE: amqp://a:b@c", "has a secret in PLACE"),
        ("\"127.0.0.1:${LONGHAND_SIMULATOR_PORT:-8090}:8090\"", "\"8090:8090\"", "publishes 8090:8090 to the network"),
        ("stop_grace_period: 3m", "stop_grace_period: 30s", "shard-packer is stopped after 30s"),
        ("logging: &logging", "x-logging: &logging", "may fill the disk with its log"),
        (
            "migrate: { condition: service_completed_successfully }",
            "postgres: { condition: service_healthy }",
            "nobody waits for migrate",
        ),
        (
            "./deploy/postgres/roles.sql",
            "./deploy/postgres/rolls.sql",
            "mounts ./deploy/postgres/rolls.sql, which is not there",
        ),
    ] {
        assert!(text.contains(right), "{right} is not in the file any more");
        let broken = rules::broken(&parse(&text.replace(right, wrong)), &root());
        assert!(broken.iter().any(|found| found.contains(complaint)), "{complaint}: {broken:?}");
    }
}

/// The binary itself reads the variables of each service: an unknown name or a value of the wrong type stops it.
#[test]
fn every_setting_is_known_to_the_binary() {
    let compose = parse(&file("docker-compose.yml"));
    let mut seen = 0;
    for (name, service) in services(&compose) {
        let environment = service["environment"].as_object().into_iter().flatten();
        let ours: Vec<_> = environment.filter(|(variable, _)| variable.starts_with("LONGHAND__")).collect();
        let show = ours.iter().fold(longhand(&["config", "show"]), |run, (variable, value)| {
            run.env(variable.as_str(), expanded(value.as_str().expect("a variable's value is text")))
        });
        let shown = show.clone().finish(MOST).expect_code(0).stdout;
        for (variable, _) in &ours {
            assert!(shown.contains(&format!("env {variable}")), "{name}: {variable} sets nothing\n{shown}");
        }
        seen += ours.len();
        show.env("LONGHAND__QUEUE__URI", "x").finish(MOST).expect_code(2);
    }
    assert!(seen > 10, "{seen}");
}

#[test]
fn the_example_of_env_names_what_can_be_set_and_its_defaults() {
    let used = variables(&file("docker-compose.yml"));
    let lines = file(".env.example");
    let shown: BTreeSet<(String, String)> = lines
        .lines()
        .filter_map(|line| line.strip_prefix('#').filter(|line| !line.starts_with(' '))?.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .filter(|(name, _)| name != "COMPOSE_PROFILES")
        .collect();
    assert_eq!(shown, used);
}

#[test]
fn the_image_is_built_by_the_pinned_compiler_and_runs_as_nobody() {
    let dockerfile = file("deploy/Dockerfile");
    let toolchain: toml::Table = file("rust-toolchain.toml").parse().expect("TOML");
    let channel = toolchain["toolchain"]["channel"].as_str().expect("a version");
    assert!(dockerfile.contains(&format!("ARG RUST_VERSION={channel}\n")), "rust-toolchain.toml says {channel}");
    assert!(!dockerfile.to_lowercase().contains("syntax="), "a front end would be fetched from a registry");
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let last = |word: &str| dockerfile.lines().rfind(|line| line.starts_with(word)).map(words).expect(word);
    assert_eq!(last("USER")[1], "10001:10001");
    assert!(rules::pinned(&last("FROM")[1]), "{:?}", last("FROM"));
    let compose = parse(&file("docker-compose.yml"));
    let image = compose["services"]["planner"]["image"].as_str().map(expanded);
    assert_eq!(image, Some(format!("longhand:{}", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn nothing_secret_gets_into_the_repository_or_the_image() {
    let has = |path: &str, wanted: &str| file(path).lines().any(|line| line == wanted);
    assert!(has(".gitignore", "/.env"));
    assert_eq!(file("deploy/secrets/.gitignore"), "*\n!*/\n!.gitignore\n!.gitkeep\n");
    assert!(has(".dockerignore", "*"), "the image's context is closed but for what it names");
    let ignored = file(".dockerignore");
    let of_deploy: Vec<&str> = ignored.lines().filter(|line| line.contains("deploy")).collect();
    assert_eq!(of_deploy, ["!deploy/prices.toml"], "the price list is built in; secrets stay out");
}
