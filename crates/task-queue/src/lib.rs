//! The queue port: in-process ([`InProcessQueue`]) and on RabbitMQ ([`RabbitMq`]).
//!
//! Both pass one conformance suite (`tests/conformance`). Neither is the truth: a message says "look at this task", the
//! store decides what that means, and a queue that lost everything is refilled from the store.

mod in_process;
mod rabbitmq;

pub use in_process::InProcessQueue;
pub use rabbitmq::{Ear, QueueDepth, RabbitMq, RabbitMqCounts, RabbitMqError, RabbitMqSettings, Wire, Words};
