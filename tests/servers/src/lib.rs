//! Real servers for tests.

pub mod certificate;
mod cpu;
pub mod postgres;
pub mod prometheus;
pub mod rabbitmq;
pub mod s3;
