//! Alerts as a rule file of Prometheus.

use std::fmt::Write as _;

use super::ALERTS;

/// A text as YAML takes it: a string of JSON is one of YAML.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The file.
pub(super) fn yaml() -> String {
    let mut text = String::from(
        "# Written by `longhand dashboards write`. What to do about each: docs/OPERATIONS.md.\ngroups:\n  - name: longhand\n    rules:\n",
    );
    for alert in ALERTS {
        let (expression, look) = (quoted(alert.expression), quoted(alert.look));
        let _ = write!(
            text,
            "      - alert: {}\n        expr: {expression}\n        for: {}\n        labels: {{ severity: {} }}\n        \
             annotations:\n          summary: {}\n          look: {look}\n          action: {}\n",
            alert.name,
            alert.lasts,
            alert.severity.as_str(),
            quoted(alert.meaning),
            quoted(alert.act),
        );
    }
    text
}
