//! The profile `obs`: off unless asked for, and every name in its files is one that there is.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use servers::prometheus::promtool;

use super::composition::{expanded, parse, services};
use super::file;
use crate::{MOST, longhand, root, scratch};

const PROMETHEUS: &str = "deploy/prometheus/prometheus.yml";

fn texts(list: &Value) -> BTreeSet<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

fn names_in(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn nothing_is_watched_unless_somebody_says_so() {
    let compose = parse(&file("docker-compose.yml"));
    let of_profile: BTreeSet<&str> = services(&compose)
        .filter(|(_, service)| texts(&service["profiles"]).contains("obs"))
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(of_profile, ["grafana", "prometheus", "tempo"].into());
    for name in ["planner", "section-writer", "shard-packer", "trainer"] {
        let environment = &compose["services"][name]["environment"];
        for variable in ["LONGHAND__TELEMETRY__METRICS", "OTEL_EXPORTER_OTLP_ENDPOINT"] {
            assert_eq!(environment[variable].as_str().map(expanded).as_deref(), Some(""), "{name}: {variable}");
        }
    }
}

#[test]
fn prometheus_scrapes_services_that_there_are_on_a_network_that_they_share() {
    let checked = promtool(&root(), &["check", "config", PROMETHEUS]);
    assert!(checked.status.success(), "{checked:?}");
    let (compose, config) = (parse(&file("docker-compose.yml")), parse(&file(PROMETHEUS)));
    let networks = |name: &str| texts(&compose["services"][name]["networks"]);
    let mut scraped = BTreeSet::new();
    for job in config["scrape_configs"].as_array().expect("jobs") {
        for found in job["dns_sd_configs"].as_array().into_iter().flatten() {
            assert_eq!(found["port"], "9464", ".env.example names this port");
            scraped.extend(texts(&found["names"]));
        }
        for targets in job["static_configs"].as_array().into_iter().flatten() {
            scraped.extend(texts(&targets["targets"]).iter().filter_map(|target| Some(target.split_once(':')?.0)));
        }
    }
    for name in &scraped {
        assert!(!networks(name).is_disjoint(&networks("prometheus")), "{name} is not within reach");
    }
    // Whoever works can be scraped.
    let serves = services(&compose).filter(|(_, service)| texts(&service["command"]).contains("serve"));
    assert!(serves.map(|(name, _)| name.as_str()).all(|name| scraped.contains(name)), "{scraped:?}");
    assert!(file(".env.example").contains("0.0.0.0:9464 and http://tempo:4318"));
}

#[test]
fn grafana_finds_its_sources_and_the_dashboards_that_longhand_writes() {
    let compose = parse(&file("docker-compose.yml"));
    let reach = texts(&compose["services"]["grafana"]["networks"]);
    let sources = parse(&file("deploy/grafana/provisioning/datasources/longhand.yml"));
    for source in sources["datasources"].as_array().expect("sources") {
        let address = source["url"].as_str().and_then(|url| url.strip_prefix("http://")).expect("an address");
        let host = address.split(':').next().expect("a host");
        assert!(!texts(&compose["services"][host]["networks"]).is_disjoint(&reach), "{address} is not within reach");
    }
    let scratch = scratch();
    longhand(&["dashboards", "write", scratch.path().to_str().expect("a path")]).finish(MOST).expect_code(0);
    for folder in ["grafana/dashboards", "prometheus/rules"] {
        let (written, there) = (scratch.path().join(folder), root().join("deploy").join(folder));
        assert_eq!(names_in(&written), names_in(&there), "{folder}");
        for name in names_in(&written) {
            let read = |at: &Path| std::fs::read_to_string(at.join(&name)).expect("a file");
            assert!(
                read(&written) == read(&there),
                "deploy/{folder}/{name} is old: `longhand dashboards write deploy`"
            );
        }
    }
    let providers = parse(&file("deploy/grafana/provisioning/dashboards/longhand.yml"));
    let folder = providers["providers"][0]["options"]["path"].as_str().expect("a folder");
    let mounts = texts(&compose["services"]["grafana"]["volumes"]);
    assert!(mounts.contains(format!("./deploy/grafana/dashboards:{folder}:ro").as_str()), "{mounts:?}");
    let home = &compose["services"]["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"];
    let home = home.as_str().and_then(|home| home.strip_prefix(folder)).expect("a dashboard of that folder");
    assert!(root().join("deploy/grafana/dashboards").join(home.trim_start_matches('/')).is_file(), "{home}");
}
