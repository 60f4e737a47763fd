//! stub
pub mod sample;
pub mod section;
