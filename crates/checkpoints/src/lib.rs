//! The checkpoint store: every port of agentwrite::ports on SQLite, and in memory for simulation.
