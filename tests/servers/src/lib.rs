//! Real servers for tests.

pub mod certificate;
pub mod clock;
mod cpu;
pub mod postgres;
pub mod rabbitmq;
pub mod s3;
