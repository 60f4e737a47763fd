//! The rows of docs/PERFORMANCE.md.
