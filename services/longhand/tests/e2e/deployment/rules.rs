//! What holds of every service. To add a rule: a complaint in [`complaints`], and a planted fault in the test beside it.

use std::path::Path;

use serde_json::Value;

use super::composition::{expanded, services};

/// Every rule that is broken, in words.
pub fn broken(compose: &Value, root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for (name, service) in services(compose) {
        found.extend(complaints(service, root).into_iter().map(|complaint| format!("{name} {complaint}")));
        let awaited = services(compose)
            .any(|(_, other)| other["depends_on"][name]["condition"] == "service_completed_successfully");
        // `up --wait` takes the end of a service for a failure, unless another waits for it.
        if is_one_shot(service) && service["profiles"] == Value::Null && !awaited {
            found.push(format!("nobody waits for {name}"));
        }
    }
    found
}

fn complaints(service: &Value, root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut claim = |holds: bool, complaint: &str| {
        if !holds {
            found.push(complaint.to_owned());
        }
    };
    claim(is_one_shot(service) || service["healthcheck"]["test"].is_array(), "has no health check");
    claim(service["deploy"]["resources"]["limits"]["memory"].is_string(), "has no memory limit");
    claim(service["read_only"] == "true", "can write to its image");
    // Whoever is root writes files for others, once, and reaches nobody.
    let harmless = is_one_shot(service) && service["network_mode"] == "none";
    claim(harmless || !is_root(service), "runs as root");
    claim(has(&service["cap_drop"], "ALL"), "keeps capabilities");
    claim(has(&service["security_opt"], "no-new-privileges:true"), "may gain privileges");
    claim(service["logging"]["options"]["max-size"].is_string(), "may fill the disk with its log");
    let image = expanded(service["image"].as_str().unwrap_or_default());
    let image = if image.contains(':') { image } else { format!("{image}:latest") };
    claim(pinned(&image), &format!("{image} is not pinned"));
    for (variable, value) in service["environment"].as_object().into_iter().flatten() {
        claim(!is_secret(variable, value.as_str().unwrap_or_default()), &format!("has a secret in {variable}"));
    }
    for port in texts(&service["ports"]) {
        claim(port.starts_with("127.0.0.1:"), &format!("publishes {port} to the network"));
    }
    for mount in texts(&service["volumes"]).map(expanded) {
        let source = mount.split(':').next().unwrap_or_default();
        let there = !source.starts_with("./") || root.join(source).exists();
        claim(there, &format!("mounts {source}, which is not there"));
    }
    let grace = service["stop_grace_period"].as_str().unwrap_or("10s");
    claim(is_one_shot(service) || grace.ends_with('m'), &format!("is stopped after {grace}"));
    found
}

fn is_one_shot(service: &Value) -> bool {
    service["restart"] == "no"
}

fn is_root(service: &Value) -> bool {
    service["user"].as_str().is_none_or(|user| matches!(user.split(':').next(), Some("root" | "0")))
}

/// Whether an image is named by a version of at least two numbers, or by the day of its release.
pub fn pinned(image: &str) -> bool {
    let tag = image.rsplit_once(':').map_or("", |(_, tag)| tag);
    let tag = tag.strip_prefix('v').unwrap_or(tag);
    let numbers = |text: &str, mark: char| {
        text.split(mark).take_while(|part| part.starts_with(|c: char| c.is_ascii_digit())).count()
    };
    numbers(tag, '.') >= 2 || tag.strip_prefix("RELEASE.").is_some_and(|day| numbers(day, '-') >= 3)
}

fn is_secret(variable: &str, value: &str) -> bool {
    let says_so = ["PASSWORD", "PASS", "KEY", "SECRET", "TOKEN"].iter().any(|word| variable.contains(word));
    let is_file = variable.ends_with("_FILE");
    let in_address = value.split_once("://").is_some_and(|(_, rest)| rest.contains('@'));
    (says_so && !is_file) || in_address
}

fn has(list: &Value, item: &str) -> bool {
    texts(list).any(|text| text == item)
}

fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}
