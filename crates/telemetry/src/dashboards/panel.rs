//! What a dashboard is made of.

/// A dashboard.
#[derive(Debug, Clone, Copy)]
pub struct Dashboard {
    /// Names it in links and files.
    pub uid: &'static str,
    /// Title.
    pub title: &'static str,
    /// Panels, in reading order.
    pub panels: &'static [Panel],
}

/// How a panel is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Curves over time.
    Lines,
    /// Areas on top of each other.
    Stack,
    /// The last value, large.
    Number,
}

/// A panel.
#[derive(Debug, Clone, Copy)]
pub struct Panel {
    /// Title.
    pub title: &'static str,
    /// What it shows, and what to do when it looks wrong.
    pub help: &'static str,
    /// Grafana's unit.
    pub unit: &'static str,
    /// How it is drawn.
    pub look: Look,
    /// What it shows.
    pub queries: &'static [Query],
}

/// One expression of a panel.
#[derive(Debug, Clone, Copy)]
pub struct Query {
    /// What a curve is called; labels in `{{ }}`.
    pub legend: &'static str,
    /// PromQL.
    pub expression: &'static str,
}

/// An expression and what its curves are called.
pub const fn q(legend: &'static str, expression: &'static str) -> Query {
    Query { legend, expression }
}

/// A panel, in the order in which one reads it.
pub const fn panel(
    title: &'static str,
    look: Look,
    unit: &'static str,
    help: &'static str,
    queries: &'static [Query],
) -> Panel {
    Panel { title, help, unit, look, queries }
}
