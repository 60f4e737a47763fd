//! A call's place in the simulator: it is counted from its ticket's making to its end, whatever that is.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use crate::brain::CallKey;
use crate::simulator::Simulator;
use crate::stats::End;

/// Held while a call is open; frees its slot and settles its charge when it ends. Dropped before its end = the client
/// went away.
#[derive(Debug)]
pub struct Ticket {
    simulator: Arc<Simulator>,
    fingerprint: u64,
    key: CallKey,
    slot: Option<OwnedSemaphorePermit>,
    sound: bool,
    /// Tokens charged to the token limit.
    charged: u64,
    prompt: u64,
    completion: u64,
    delivered: u64,
    ended: bool,
    /// A call that only its client can end: its end is no abort.
    endless: bool,
}

impl Ticket {
    pub(crate) fn new(simulator: Arc<Simulator>, fingerprint: u64, key: CallKey) -> Self {
        let (slot, sound, ended, endless) = (None, true, false, false);
        let (charged, prompt, completion, delivered) = (0, 0, 0, 0);
        Self { simulator, fingerprint, key, slot, sound, charged, prompt, completion, delivered, ended, endless }
    }

    pub(crate) fn hold(&mut self, slot: OwnedSemaphorePermit) {
        self.slot = Some(slot);
    }

    pub(crate) fn charge(&mut self, tokens: u64) {
        self.charged = tokens;
    }

    pub(crate) fn expect(&mut self, prompt: u64, completion: u64, sound: bool, endless: bool) {
        (self.prompt, self.completion, self.sound, self.endless) = (prompt, completion, sound, endless);
    }

    /// More of the answer was handed to the connection.
    pub(crate) fn deliver(&mut self, tokens: u64) {
        self.delivered += tokens;
    }

    /// The last byte was handed to the connection.
    pub(crate) fn complete(mut self) {
        let sound = self.sound;
        self.end(End::Complete { sound }, self.completion);
    }

    /// The call broke as planted.
    pub(crate) fn break_off(mut self) {
        self.end(End::Planted, self.delivered);
    }

    /// The call was answered with a status other than 200.
    pub(crate) fn refuse(mut self, status: u16) {
        self.end(End::Refused { status }, 0);
    }

    fn end(&mut self, end: End, completion: u64) {
        self.ended = true;
        let used = if matches!(end, End::Refused { .. }) { 0 } else { self.prompt + completion };
        self.simulator.settle(self.charged.saturating_sub(used));
        self.simulator.close(self.fingerprint, self.key, end, (self.prompt, completion));
        self.slot = None;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.ended {
            let end = if self.endless { End::Planted } else { End::Aborted { tokens: self.delivered } };
            self.end(end, self.delivered);
        }
    }
}
