//! Real servers for tests.

pub mod rabbitmq;
