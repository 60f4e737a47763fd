//! A dashboard as Grafana takes it: classic JSON, which every version since 10 reads.

use serde_json::{Value, json};

use super::panel::{Dashboard, Look, Panel};

/// Columns of Grafana's grid.
const COLUMNS: u32 = 24;

/// The dashboard.
pub(super) fn json(dashboard: &Dashboard) -> String {
    let document = json!({
        "uid": dashboard.uid,
        "title": dashboard.title,
        "tags": ["longhand"],
        "schemaVersion": 39,
        "editable": true,
        "graphTooltip": 1,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [
            {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "hide": 0},
            {
                "name": "run", "label": "Run", "type": "query", "datasource": source(),
                "query": {"query": "label_values(longhand_run_samples, longhand_run_id)", "refId": "run"},
                "refresh": 2, "multi": true, "includeAll": true, "allValue": ".*",
                "current": {"text": "All", "value": "$__all"},
                "hide": if uses(dashboard, "$run") { 0 } else { 2 },
            },
            {
                "name": "training", "label": "Training", "type": "query", "datasource": source(),
                "query": {"query": "label_values(longhand_training_step, longhand_training_id)", "refId": "training"},
                "refresh": 2, "multi": true, "includeAll": true, "allValue": ".*",
                "current": {"text": "All", "value": "$__all"},
                "hide": if uses(dashboard, "$training") { 0 } else { 2 },
            },
        ]},
        "links": [{"title": "Longhand", "type": "dashboards", "tags": ["longhand"], "keepTime": true, "includeVars": true}],
        "panels": panels(dashboard.panels),
    });
    format!("{document:#}\n")
}

fn uses(dashboard: &Dashboard, variable: &str) -> bool {
    dashboard.panels.iter().flat_map(|panel| panel.queries).any(|query| query.expression.contains(variable))
}

fn source() -> Value {
    json!({"type": "prometheus", "uid": "${datasource}"})
}

fn panels(panels: &[Panel]) -> Vec<Value> {
    let (mut x, mut y, mut row) = (0, 0, 0);
    let mut placed = Vec::new();
    for (panel, id) in panels.iter().zip(1_u32..) {
        let (width, height) = if panel.look == Look::Number { (6, 4) } else { (12, 8) };
        if x + width > COLUMNS {
            (x, y, row) = (0, y + row, 0);
        }
        placed.push(placed_panel(panel, id, [x, y, width, height]));
        x += width;
        row = row.max(height);
    }
    placed
}

fn placed_panel(panel: &Panel, id: u32, [x, y, width, height]: [u32; 4]) -> Value {
    let targets: Vec<Value> = panel
        .queries
        .iter()
        .zip('A'..)
        .map(|(query, name)| {
            json!({
                "refId": name.to_string(), "datasource": source(), "expr": query.expression,
                "legendFormat": query.legend, "instant": false, "range": true,
            })
        })
        .collect();
    let (kind, custom) = match panel.look {
        Look::Number => ("stat", json!({})),
        Look::Lines => ("timeseries", json!({"fillOpacity": 8, "lineWidth": 1, "showPoints": "never"})),
        Look::Stack => (
            "timeseries",
            json!({"fillOpacity": 40, "lineWidth": 1, "showPoints": "never", "stacking": {"mode": "normal"}}),
        ),
    };
    let options = match panel.look {
        Look::Number => json!({"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value", "graphMode": "area"}),
        Look::Lines | Look::Stack => {
            json!({"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}})
        }
    };
    json!({
        "id": id, "type": kind, "title": panel.title, "description": panel.help, "datasource": source(),
        "gridPos": {"x": x, "y": y, "w": width, "h": height},
        "fieldConfig": {"defaults": {"unit": panel.unit, "custom": custom}, "overrides": []},
        "options": options, "targets": targets,
    })
}
