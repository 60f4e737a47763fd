//! Real processes: the `longhand` binary, started, watched, signalled and killed as an operator or a crash would do it.
//!
//! [`Simulator`] is an endpoint outside the process under test, so that it can testify about calls that a kill repeated;
//! [`Run`] is `longhand run` on a folder; [`Folder`] reads what a run left. [`Fleet`] is
//! the distributed edition, [`Proxy`] a network that fails, [`SmallDisk`] a disk that gets full. Everything waits with [`until`]: a condition
//! that is looked at again and again, with a deadline, and never a fixed sleep.

mod child;
mod collector;
mod disk;
mod fleet;
mod folder;
mod http;
mod instructions;
mod proxy;
mod run;
mod simulator;
mod until;

pub use agentwrite::sample::SampleState;
pub use child::{Child, Ended, Signal, Usage};
pub use collector::Collector;
pub use disk::SmallDisk;
pub use fleet::{Fleet, FleetStore};
pub use folder::{Folder, StoreView};
pub use http::{get, get_text};
pub use instructions::{fixed_sections, sections, write_lines};
pub use proxy::{Proxy, Weather, host_and_port};
pub use run::Run;
pub use simulator::{Simulator, Stats};
pub use until::{until, until_some};
