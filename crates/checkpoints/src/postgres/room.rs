//! How many more tasks of each kind may hold a slot: a task that waits in the queue for a process that takes its kind must
//! not keep tasks of another kind from slots that are free.

use agentwrite::ids::{RunId, Timestamp};
use agentwrite::task::{Kind, TaskKey};
use sqlx::{PgConnection, Row};

use super::rows::number;

/// What a run may dispatch now.
#[derive(Debug)]
pub(super) struct Room {
    /// Of all kinds together.
    free: i64,
    /// Kinds that have live tasks, each with what the processes that take it have free.
    kinds: Vec<(String, i64)>,
}

/// A task that waits, locked.
pub(super) struct Waiting {
    pub(super) id: i64,
    pub(super) key: TaskKey,
}

impl Room {
    /// Counts what a run with so many slots has in work. A kind that no process offers slots for is limited by the run alone:
    /// nothing is known of it.
    pub(super) async fn of(connection: &mut PgConnection, run: &RunId, slots: i64) -> Result<Self, sqlx::Error> {
        let rows: Vec<(String, i64, Option<i64>)> =
            sqlx::query_as(sql!("dispatch_count")).bind(run.as_str()).fetch_all(connection).await?;
        Ok(Self::from(rows, slots))
    }

    fn from(rows: Vec<(String, i64, Option<i64>)>, slots: i64) -> Self {
        let free = slots - rows.iter().map(|(_, busy, _)| busy).sum::<i64>();
        let room = |(kind, busy, offered): (String, i64, Option<i64>)| (kind, offered.map_or(free, |all| all - busy));
        Self { free, kinds: rows.into_iter().map(room).filter(|(_, room)| *room > 0).collect() }
    }

    /// Slots of the run that nothing holds.
    pub(super) fn free(&self) -> i64 {
        self.free.max(0)
    }

    /// The best tasks that wait, at most `most`: plans first, no more than there are slots for them.
    pub(super) async fn choose(
        &self,
        connection: &mut PgConnection,
        run: &RunId,
        most: i64,
        now: Timestamp,
    ) -> Result<Vec<Waiting>, sqlx::Error> {
        let mut chosen: Vec<Waiting> = Vec::new();
        for (kinds, room) in self.groups(most) {
            let most = room.min(most - chosen.len() as i64);
            if most > 0 {
                let rows = sqlx::query(sql!("dispatch_choose"))
                    .bind(run.as_str())
                    .bind(now.0)
                    .bind(most)
                    .bind(kinds)
                    .fetch_all(&mut *connection)
                    .await?;
                for row in rows {
                    let kind = Kind::new(row.try_get::<String, _>(1)?);
                    let (place, revision) = (number(&row, 3)?, number(&row, 4)?);
                    let key = TaskKey { run: run.clone(), kind, subject: row.try_get(2)?, place, revision };
                    chosen.push(Waiting { id: row.try_get(0)?, key });
                }
            }
        }
        Ok(chosen)
    }

    /// Kinds that are chosen from together, each group with its room. Usually there is room for `most` of any kind: one group.
    fn groups(&self, most: i64) -> Vec<(Vec<&str>, i64)> {
        if self.kinds.iter().all(|(_, room)| *room >= most) {
            let all: Vec<&str> = self.kinds.iter().map(|(kind, _)| kind.as_str()).collect();
            return if all.is_empty() { Vec::new() } else { vec![(all, most)] };
        }
        let mut kinds: Vec<&(String, i64)> = self.kinds.iter().collect();
        kinds.sort_by_key(|(kind, _)| (kind != Kind::PLAN.as_str(), kind));
        kinds.into_iter().map(|(kind, room)| (vec![kind.as_str()], *room)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(rows: &[(&str, i64, Option<i64>)], slots: i64) -> Room {
        Room::from(rows.iter().map(|(kind, busy, offered)| ((*kind).to_owned(), *busy, *offered)).collect(), slots)
    }

    #[test]
    fn plans_that_nobody_can_take_leave_the_slots_to_sections() {
        let full = room(&[("section", 10, Some(64)), ("plan", 4, Some(4))], 64);
        assert_eq!((full.free(), full.groups(50)), (50, vec![(vec!["section"], 50)]));
        let some = room(&[("section", 10, Some(64)), ("plan", 1, Some(4))], 64);
        assert_eq!(some.groups(53), [(vec!["plan"], 3), (vec!["section"], 54)]);
    }

    #[test]
    fn with_room_for_all_or_nothing_known_the_best_of_all_kinds_are_chosen() {
        let plenty = room(&[("section", 10, Some(64)), ("plan", 4, Some(64))], 64);
        assert_eq!(plenty.groups(50), [(vec!["section", "plan"], 50)]);
        let unknown = room(&[("section", 10, None), ("plan", 4, None)], 64);
        assert_eq!(unknown.groups(50), [(vec!["section", "plan"], 50)]);
        assert!(room(&[("plan", 64, None)], 64).groups(0).is_empty());
    }
}
