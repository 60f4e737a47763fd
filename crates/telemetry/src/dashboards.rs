//! Dashboards and alerts, from one table: what Grafana shows, what Prometheus watches and what docs/OPERATIONS.md says of it
//! are the same lines.
//!
//! To add a panel: its line in `panels.rs` (`training.rs` for training). To add an alert: its line in `alerts.rs`, and a case in
//! `deploy/prometheus/tests/longhand.yml`. Then `longhand dashboards write deploy`.

mod alerts;
mod grafana;
mod panel;
mod panels;
mod rules;
mod training;

pub use alerts::{ALERTS, Alert, Severity};
pub use panel::{Dashboard, Panel, Query};
pub use panels::DASHBOARDS;

/// A file to be written: its path below the folder, and its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Path with `/`.
    pub path: String,
    /// Text.
    pub text: String,
}

/// All files: a dashboard each, and the rules.
pub fn files() -> Vec<File> {
    let mut files: Vec<File> = DASHBOARDS
        .iter()
        .map(|dashboard| File {
            path: format!("grafana/dashboards/{}.json", dashboard.uid),
            text: grafana::json(dashboard),
        })
        .collect();
    files.push(File { path: "prometheus/rules/longhand.yml".to_owned(), text: rules::yaml() });
    files
}

/// What docs/OPERATIONS.md says of the alerts.
pub fn alerts_in_words() -> String {
    let paragraph = |alert: &Alert| {
        let Alert { name, severity, meaning, look, act, .. } = alert;
        let severity = severity.as_str();
        format!("**{name}** ({severity}). {meaning} *First look:* {look} *What to do:* {act}\n\n")
    };
    ALERTS.iter().map(paragraph).collect()
}

/// An expression as Prometheus takes it: Grafana's variables with values of their own.
pub fn filled(expression: &str, interval: &str) -> String {
    expression
        .replace("$__rate_interval", interval)
        .replace("$__range", interval)
        .replace("$run", ".*")
        .replace("$training", ".*")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use promql_parser::parser::{self, Expr};

    use super::*;
    use crate::names::{FOREIGN, METRICS, Sort};

    fn expressions() -> Vec<(String, String)> {
        let panels = DASHBOARDS.iter().flat_map(|dashboard| dashboard.panels).flat_map(|panel| {
            panel.queries.iter().map(move |query| (panel.title.to_owned(), filled(query.expression, "5m")))
        });
        panels.chain(ALERTS.iter().map(|alert| (alert.name.to_owned(), alert.expression.to_owned()))).collect()
    }

    /// Names of the series that an expression reads.
    fn series(expression: &Expr, names: &mut BTreeSet<String>) {
        match expression {
            Expr::VectorSelector(selector) => names.extend(selector.name.clone()),
            Expr::MatrixSelector(matrix) => names.extend(matrix.vs.name.clone()),
            Expr::Aggregate(it) => {
                series(&it.expr, names);
                it.param.iter().for_each(|param| series(param, names));
            }
            Expr::Binary(it) => {
                series(&it.lhs, names);
                series(&it.rhs, names);
            }
            Expr::Unary(it) => series(&it.expr, names),
            Expr::Paren(it) => series(&it.expr, names),
            Expr::Subquery(it) => series(&it.expr, names),
            Expr::Call(it) => it.args.args.iter().for_each(|argument| series(argument, names)),
            Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::Extension(_) => {}
        }
    }

    fn known() -> BTreeSet<String> {
        let own = METRICS.iter().flat_map(|metric| match metric.sort {
            Sort::Histogram(_) => {
                ["bucket", "sum", "count"].iter().map(|part| format!("{}_{part}", metric.prometheus)).collect()
            }
            Sort::Counter | Sort::Gauge => vec![metric.prometheus.to_owned()],
        });
        own.chain(FOREIGN.iter().map(|name| (*name).to_owned())).collect()
    }

    #[test]
    fn every_expression_can_be_read_and_reads_what_there_is() {
        let known = known();
        for (title, expression) in expressions() {
            let read = parser::parse(&expression).unwrap_or_else(|error| panic!("{title}: {error}: {expression}"));
            let mut names = BTreeSet::new();
            series(&read, &mut names);
            assert!(!names.is_empty(), "{title} reads nothing");
            let unknown: Vec<_> = names.difference(&known).collect();
            assert!(unknown.is_empty(), "{title} reads {unknown:?}, which nobody shows");
        }
    }

    #[test]
    fn a_broken_expression_and_an_unknown_name_would_be_found() {
        assert!(parser::parse("sum(rate(longhand_sections_total[5m])").is_err());
        let mut names = BTreeSet::new();
        series(&parser::parse("sum(rate(longhand_sektions_total[5m]))").unwrap(), &mut names);
        assert_eq!(names.difference(&known()).count(), 1);
    }

    #[test]
    fn every_metric_of_ours_is_looked_at() {
        let mut seen = BTreeSet::new();
        for (_, expression) in expressions() {
            series(&parser::parse(&expression).unwrap(), &mut seen);
        }
        let unseen: Vec<&str> = METRICS
            .iter()
            .filter(|metric| !seen.iter().any(|name| name.starts_with(metric.prometheus)))
            .map(|metric| metric.prometheus)
            .collect();
        assert!(unseen.is_empty(), "no panel and no alert looks at {unseen:?}");
    }

    #[test]
    fn panels_are_described_and_titles_are_unique() {
        for dashboard in DASHBOARDS {
            let titles: BTreeSet<_> = dashboard.panels.iter().map(|panel| panel.title).collect();
            assert_eq!(titles.len(), dashboard.panels.len(), "{}", dashboard.title);
            for panel in dashboard.panels {
                assert!(panel.help.ends_with('.') && !panel.unit.is_empty(), "{}", panel.title);
            }
        }
        let names: BTreeSet<_> = ALERTS.iter().map(|alert| alert.name).collect();
        assert_eq!(names.len(), ALERTS.len());
    }

    /// What `longhand dashboards write deploy` writes is what is there.
    #[test]
    fn the_files_in_deploy_are_up_to_date() {
        let deploy = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy");
        for file in files() {
            let there = std::fs::read_to_string(deploy.join(&file.path)).unwrap_or_default();
            assert!(there == file.text, "deploy/{} is old: `longhand dashboards write deploy`", file.path);
        }
    }

    #[test]
    fn the_operations_manual_says_what_the_table_says() {
        let manual = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/OPERATIONS.md");
        let manual = std::fs::read_to_string(manual).unwrap();
        for paragraph in alerts_in_words().split_terminator("\n\n") {
            assert!(manual.contains(paragraph), "docs/OPERATIONS.md lacks: {paragraph}");
        }
    }
}
