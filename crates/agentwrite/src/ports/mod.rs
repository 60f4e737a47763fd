//! Ports: small traits by role. Each method is one atomic, repeatable intent; "not there" is a value, not an error.

mod chat;

pub use chat::ChatModel;
