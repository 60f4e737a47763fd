//! Real servers for tests.

mod cpu;
pub mod postgres;
pub mod prometheus;
pub mod rabbitmq;
pub mod s3;
