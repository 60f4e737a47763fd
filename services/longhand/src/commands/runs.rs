//! `longhand runs`: the runs of the distributed edition's database, newest first.

use std::io::Write;
use std::path::Path;

use agentwrite::ids::Timestamp;
use agentwrite::ports::{Clock, OverviewStore, RunRow, RunState};
use agentwrite::sample::SampleState;
use serde_json::{Value, json};

use crate::cli::RunsArgs;
use crate::fault::{Exit, Fault};
use crate::fleet::{StoreClock, servers};
use crate::output::{put, put_json};
use crate::settings;
use crate::tables::{Align, Table, count, duration, one_line, rfc3339};

/// Columns of a name.
const NAME: usize = 40;

/// Lists.
pub async fn run(config_file: Option<&Path>, args: &RunsArgs, out: &mut dyn Write) -> Result<Exit, Fault> {
    let (settings, _) = settings::load(config_file, toml::Table::new())?;
    if !settings.database.is_named() {
        return Err(Fault::usage("no_url", "no database is named whose runs could be listed")
            .because("`longhand run` keeps its one run in a folder: `longhand status DIR`")
            .help("export LONGHAND__DATABASE__URL=postgres://USER:PASSWORD@HOST:5432/DATABASE"));
    }
    let store = servers::database_of_a_command(&settings).await?;
    let now = StoreClock::start(&store).await?.now();
    let rows = store.run_list(None).await?;
    if args.json {
        let runs: Vec<Value> = rows.iter().map(|row| as_json(row, now)).collect();
        put_json(out, &json!({"schema": 1, "runs": runs}))?;
    } else if rows.is_empty() {
        eprintln!("no run in {} yet: `longhand submit INSTRUCTIONS --model MODEL` makes one", store.server());
    } else {
        put(out, &table(&rows, now))?;
    }
    store.close().await;
    Ok(Exit::Done)
}

/// Samples in these states.
fn samples(row: &RunRow, states: &[SampleState]) -> u64 {
    SampleState::ALL.iter().zip(row.states).filter(|(state, _)| states.contains(state)).map(|(_, count)| count).sum()
}

fn table(rows: &[RunRow], now: Timestamp) -> String {
    let mut table = Table::new(&[
        ("run", Align::Left),
        ("name", Align::Left),
        ("state", Align::Left),
        ("samples", Align::Right),
        ("waiting", Align::Right),
        ("in work", Align::Right),
        ("written", Align::Right),
        ("packed", Align::Right),
        ("failed", Align::Right),
        ("rejected", Align::Right),
        ("cancelled", Align::Right),
        ("weight", Align::Right),
        ("age", Align::Right),
    ]);
    // What no run has is an empty column, which is left out.
    let some = |states: &[SampleState]| rows.iter().any(|row| samples(row, states) > 0);
    let shown = |row: &RunRow, states: &[SampleState]| {
        if some(states) { count(samples(row, states)) } else { String::new() }
    };
    for row in rows {
        table.row([
            row.run.to_string(),
            one_line(&row.name, NAME),
            state(row),
            count(row.states.iter().sum()),
            shown(row, &[SampleState::Pending, SampleState::Planned]),
            shown(row, &[SampleState::Planning, SampleState::Writing]),
            shown(row, &[SampleState::Written]),
            shown(row, &[SampleState::Packed]),
            shown(row, &[SampleState::Failed]),
            shown(row, &[SampleState::Rejected]),
            shown(row, &[SampleState::Cancelled]),
            row.limits.weight.to_string(),
            duration(now.since(row.created_at)),
        ]);
    }
    table.render(0)
}

fn state(row: &RunRow) -> String {
    match (row.state, &row.reason) {
        (RunState::Paused | RunState::Failed, Some(reason)) => format!("{} ({reason})", row.state.as_str()),
        (state, _) => state.as_str().to_owned(),
    }
}

fn as_json(row: &RunRow, now: Timestamp) -> Value {
    let mut samples: serde_json::Map<String, Value> = SampleState::ALL
        .iter()
        .zip(row.states)
        .map(|(state, count)| (state.as_str().to_owned(), count.into()))
        .collect();
    samples.insert("total".to_owned(), row.states.iter().sum::<u64>().into());
    json!({
        "run": row.run, "name": row.name, "state": row.state, "reason": row.reason, "samples": samples,
        "weight": row.limits.weight, "created_at": rfc3339(row.created_at),
        "age_seconds": now.since(row.created_at).as_secs(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use agentwrite::config::Limits;
    use agentwrite::ids::RunId;

    #[test]
    fn a_run_is_a_line_and_a_state_that_no_sample_has_no_column() {
        let mut states = [0; 9];
        states[0] = 3;
        states[5] = 1_200;
        let row = RunRow {
            run: RunId::new("run_a"),
            name: "essays".to_owned(),
            state: RunState::Paused,
            reason: Some("quota".to_owned()),
            limits: Limits { weight: 7, ..Limits::default() },
            created_at: Timestamp(1_794_694_400_000),
            states,
        };
        let now = Timestamp(row.created_at.0 + 725_000);
        assert_eq!(
            table(std::slice::from_ref(&row), now),
            "run    name    state           samples  waiting  packed  weight     age\n\
             run_a  essays  paused (quota)    1,203        3   1,200       7  12 min\n"
        );
        let value = as_json(&row, now);
        assert_eq!((&value["samples"]["packed"], &value["samples"]["total"]), (&1_200.into(), &1_203.into()));
        assert_eq!(
            (value["created_at"].as_str(), &value["age_seconds"]),
            (Some("2026-11-14T22:13:20.000Z"), &725.into())
        );
    }
}
