//! Real servers for tests.

pub mod postgres;
pub mod rabbitmq;
pub mod s3;
