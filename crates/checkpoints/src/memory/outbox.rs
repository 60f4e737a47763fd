//! The outbox: messages that are owed.

use std::time::Duration;

use agentwrite::ids::Timestamp;
use agentwrite::ports::{OutboxRow, TaskMessage};
use agentwrite::task::TaskKey;

use super::state::State;

impl State {
    /// Writes the message of a task; a task has at most one row.
    pub fn owe(&mut self, task: &TaskKey, now: Timestamp) -> Option<OutboxRow> {
        if !self.guards.outbox_row {
            return None;
        }
        self.outbox.retain(|_, (message, _)| message.task != *task);
        self.last_outbox += 1;
        let message = TaskMessage::about(task.clone());
        self.outbox.insert(self.last_outbox, (message.clone(), now));
        Some(OutboxRow { id: self.last_outbox, message })
    }

    /// Rows older than `age`, oldest first.
    pub fn take_outbox(&self, age: Duration, most: u32, now: Timestamp) -> Vec<OutboxRow> {
        self.outbox
            .iter()
            .filter(|(_, (_, created_at))| now.since(*created_at) >= age && *created_at <= now)
            .take(most as usize)
            .map(|(id, (message, _))| OutboxRow { id: *id, message: message.clone() })
            .collect()
    }
}
