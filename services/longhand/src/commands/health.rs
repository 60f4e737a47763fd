//! `longhand health`: whether database and queue answer and fit this build; for the health checks of containers.

use std::io::Write;
use std::path::Path;

use checkpoints::postgres::SCHEMA_VERSION;
use serde_json::{Value, json};

use crate::fault::{Exit, Fault};
use crate::fleet::servers::{self, GOODBYE};
use crate::output::{put, put_json};
use crate::settings::{self, Settings};

/// Checks. Of two faults the database's decides the exit code.
pub async fn run(config_file: Option<&Path>, json: bool, out: &mut dyn Write) -> Result<Exit, Fault> {
    let (settings, _) = settings::load(config_file, toml::Table::new())?;
    let (database, queue) = tokio::join!(database(&settings), queue(&settings));
    if json {
        let healthy = database.is_ok() && queue.is_ok();
        let report = json!({"schema": 1, "healthy": healthy, "database": part(&database), "queue": part(&queue)});
        put_json(out, &report)?;
    } else {
        put(out, &format!("database {}\nqueue    {}\n", line(&database), line(&queue)))?;
    }
    database.and(queue).map(|_| Exit::Done)
}

async fn database(settings: &Settings) -> Result<Value, Fault> {
    let store = servers::database_of_a_command(settings).await?;
    let now = store.time().await;
    store.close().await;
    now?;
    Ok(json!({"ok": true, "schema_version": SCHEMA_VERSION}))
}

async fn queue(settings: &Settings) -> Result<Value, Fault> {
    let queue = servers::queue(settings, "health").await?;
    let (depths, dead) = (queue.depths().await, queue.dead_letters().await);
    queue.close(GOODBYE).await;
    let waiting: serde_json::Map<String, Value> = depths
        .map_err(|error| servers::queue_fault(&error))?
        .into_iter()
        .map(|depth| (depth.kind.as_str().to_owned(), json!({"ready": depth.ready, "consumers": depth.consumers})))
        .collect();
    let dead = dead.map_err(|error| servers::queue_fault(&error))?;
    Ok(json!({"ok": true, "waiting": waiting, "dead_letters": dead}))
}

fn part(outcome: &Result<Value, Fault>) -> Value {
    match outcome {
        Ok(value) => value.clone(),
        Err(fault) => json!({"ok": false, "code": fault.code, "what": fault.what}),
    }
}

fn line(outcome: &Result<Value, Fault>) -> String {
    outcome.as_ref().map_or_else(|fault| fault.what.clone(), |_| "ok".to_owned())
}
