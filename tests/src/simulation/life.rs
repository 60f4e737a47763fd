//! The life of one process: it can die, stand still, lose its heartbeat, and step into a trap.

use std::future::{Future, pending};
use std::sync::{Arc, Mutex, PoisonError};

use agentwrite::ids::OwnerId;
use agentwrite::ports::Delivery;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::oracle::Oracle;

/// Something that the world must know.
pub enum Event {
    /// A process died.
    Died(OwnerId),
    /// A process ended by itself, with what went wrong.
    Ended(OwnerId, Option<String>),
    /// A letter to the store that its sender did not live to see arrive.
    Letter(Box<super::store::Letter>),
    /// The world spins without getting anywhere.
    Spinning,
}

/// A delivery in a process's hands.
pub type Held = Arc<Mutex<Option<Box<dyn Delivery>>>>;

/// One process, as seen by the ports that it uses.
pub struct Life {
    /// Its id.
    pub owner: OwnerId,
    dead: CancellationToken,
    frozen: watch::Sender<bool>,
    muted: watch::Sender<bool>,
    trap: Mutex<Option<(String, u32)>>,
    held: Mutex<Vec<Held>>,
    oracle: Arc<Oracle>,
    events: mpsc::UnboundedSender<Event>,
}

impl Life {
    /// A process that starts now.
    pub fn start(owner: OwnerId, oracle: Arc<Oracle>, events: mpsc::UnboundedSender<Event>) -> Self {
        Self {
            owner,
            dead: CancellationToken::new(),
            frozen: watch::Sender::new(false),
            muted: watch::Sender::new(false),
            trap: Mutex::default(),
            held: Mutex::default(),
            oracle,
            events,
        }
    }

    /// Does something for as long as the process lives: dropped at the moment of its death, and nothing comes after.
    pub async fn live<T>(&self, work: impl Future<Output = T>) -> T {
        tokio::select! {
            biased;
            () = self.dead.cancelled() => pending().await,
            done = work => done,
        }
    }

    /// Waits while the process stands still.
    pub async fn thawed(&self) {
        let _ = self.frozen.subscribe().wait_for(|frozen| !frozen).await;
    }

    /// Stands still, or moves again.
    pub fn freeze(&self, frozen: bool) {
        self.frozen.send_replace(frozen);
    }

    /// Loses its heartbeats, or has them again.
    pub fn mute(&self, muted: bool) {
        self.muted.send_replace(muted);
    }

    /// Whether heartbeats are lost.
    pub fn is_muted(&self) -> bool {
        *self.muted.borrow()
    }

    /// Sets a trap.
    pub fn set_trap(&self, point: &str, nth: u32) {
        *self.trap.lock().unwrap_or_else(PoisonError::into_inner) = Some((point.to_owned(), nth));
    }

    /// Passes a named point, and dies there if that is where the trap is.
    pub async fn pass(&self, intent: &str, side: char) {
        let sprung = {
            let mut trap = self.trap.lock().unwrap_or_else(PoisonError::into_inner);
            match trap.as_mut() {
                Some((point, left)) if point.strip_suffix(side) == Some(intent) => {
                    *left -= 1;
                    *left == 0
                }
                _ => false,
            }
        };
        if sprung {
            self.die();
            pending::<()>().await;
        }
    }

    /// Takes a delivery in hand: at death it goes back.
    pub fn hold(&self, held: &Held) {
        let mut all = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|held| held.lock().unwrap_or_else(PoisonError::into_inner).is_some());
        all.push(Arc::clone(held));
    }

    /// Whether it is dead.
    pub fn is_dead(&self) -> bool {
        self.dead.is_cancelled()
    }

    /// Dies.
    pub fn die(&self) {
        if self.is_dead() {
            return;
        }
        self.oracle.died(&self.owner);
        self.dead.cancel();
        // The connection is gone: what was not acked comes again.
        for held in self.held.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            drop(held.lock().unwrap_or_else(PoisonError::into_inner).take());
        }
        self.tell(Event::Died(self.owner.clone()));
    }

    /// Tells the world something; it may be over.
    pub fn tell(&self, event: Event) {
        let _ = self.events.send(event);
    }
}
