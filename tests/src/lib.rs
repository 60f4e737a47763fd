//! The harness of the tests that start real processes.
