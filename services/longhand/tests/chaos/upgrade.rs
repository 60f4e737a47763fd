//! Builds change under the fleet: an older one beside this one, and a newer one that migrates the schema.

use std::path::Path;

use checkpoints::postgres::SCHEMA_VERSION;
use harness::process::Run;

use crate::trial::{Setting, Trial, Who};
use crate::{LONGHAND, MOST, play};

/// The version that a newer build would bring.
const NEWER: i64 = SCHEMA_VERSION + 1;

/// What a newer build would do to the schema: columns and a table that this one does not know.
fn migrate_further(trial: &Trial) {
    for change in [
        "alter table sample add column from_the_future text not null default 'x'",
        "alter table task add column from_the_future bigint",
        "alter table attempt add column from_the_future bigint",
        "alter table section add column from_the_future text",
        "alter table outbox add column from_the_future bigint",
        "create table from_the_future (n bigint)",
    ] {
        trial.database.sql(change);
    }
    trial.database.sql(&format!(
        "insert into _sqlx_migrations (version, description, success, checksum, execution_time) \
         values ({NEWER}, 'from_the_future', true, '', 0)"
    ));
}

/// Those at work go on; this build does not start on a schema that it does not know, and changes nothing; with the version
/// taken back it does, whatever columns are left.
#[test]
fn a_newer_build_migrates_the_schema() {
    let setting = Setting { latency_ms: 300, ..Setting::USUAL };
    play("20 schema migrated by a newer build under the fleet, then its version taken back", &setting, |trial| {
        trial.until_share(0.2);
        trial.kill(Who::Writer);
        migrate_further(trial);
        for _ in 0..2 {
            let refused = trial.command(Who::Writer).finish(MOST);
            refused.expect_error(3, "schema_version").expect_stderr(&format!("schema version {NEWER}"));
        }
        trial.fleet.command(&["migrate"]).finish(MOST).expect_error(3, "schema_version");
        trial.over();
        trial.until_share(0.6);
        trial.assert_alive();
        trial.database.sql(&format!("delete from _sqlx_migrations where version = {NEWER}"));
        for who in [Who::Planner, Who::Packer] {
            trial.drain(who);
            trial.launch(who);
        }
        trial.launch(Who::Writer);
        trial.over();
    });
}

/// The other build: the binary that `CHAOS_OTHER_BUILD` names, or this one.
#[expect(clippy::disallowed_methods, reason = "another build is pointed at by the environment")]
fn other_build() -> Option<String> {
    std::env::var("CHAOS_OTHER_BUILD").ok().filter(|path| !path.is_empty())
}

/// A process of the other build.
fn by_other_build(trial: &Trial, who: Who) -> Run {
    trial.command_by(Path::new(other_build().as_deref().unwrap_or(LONGHAND)), who)
}

/// Every process is of the other build at first and is replaced in order, one after the other; one of each build is killed on
/// the way, and one goes back to the other build.
#[test]
#[ignore = "more: a part of make chaos"]
fn two_builds_work_side_by_side() {
    let other =
        other_build().map_or("this one too".to_owned(), |path| path.rsplit('/').next().unwrap_or("?").to_owned());
    let setting = Setting { latency_ms: 300, ..Setting::USUAL };
    play(&format!("20 rolling upgrade, one process after the other (the other build: {other})"), &setting, |trial| {
        for who in [Who::Planner, Who::Writer, Who::OtherWriter, Who::Packer] {
            let command = by_other_build(trial, who);
            trial.drain(who);
            trial.launch_as(who, command);
        }
        trial.until_share(0.15);
        trial.assert_alive();
        trial.drain(Who::Writer);
        trial.launch(Who::Writer);
        trial.over();
        trial.until_share(0.3);
        trial.kill(Who::OtherWriter);
        trial.launch(Who::OtherWriter);
        trial.over();
        trial.until_share(0.45);
        trial.drain(Who::Planner);
        trial.launch(Who::Planner);
        trial.over();
        trial.until_share(0.6);
        let back = by_other_build(trial, Who::Writer);
        trial.kill(Who::Writer);
        trial.launch_as(Who::Writer, back);
        trial.over();
        trial.until_share(0.75);
        for who in [Who::Writer, Who::Packer] {
            trial.drain(who);
            trial.launch(who);
        }
    });
}
