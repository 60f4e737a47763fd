//! The one loop that every worker runs: deliver -> claim -> handle -> checkpoint -> publish -> ack.
//!
//! A service brings a [`Handler`] per kind of task; everything that makes a crash harmless is here: the claim before the
//! work, the result and its follow-up in one transaction, the ack after it, lease renewal, the spool for a store that
//! refuses, the drain. To add a kind of task: a handler in a service, registered where `services/longhand` wires it.

mod caller;
mod chain;
mod clock;
mod commit;
mod configs;
mod crash;
mod doorbell;
mod endpoints;
mod failures;
mod in_hand;
mod keeper;
mod pool;
mod spool;
mod watch;

pub use caller::{Asked, Caller, LiveLimits};
pub use chain::{Done, Handler, Outcome, interrupted};
pub use clock::{RandomDice, SteadyClock, SystemClock, wrong_clock};
pub use configs::{RunConfigs, Settled};
pub use crash::CrashPoints;
pub use doorbell::Doorbell;
pub use endpoints::{Endpoints, Member, Place, Terms};
pub use failures::Failures;
pub use in_hand::{Hold, InHand};
pub use keeper::keep_leases;
pub use pool::{Pool, PoolParts, PoolSettings};
pub use spool::{Adopted, ReplayError, Spool, SpoolWhen, adopt_forever, waiting_answers};
