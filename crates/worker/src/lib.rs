//! The one loop that every worker runs: deliver, claim, handle, checkpoint, publish, ack.
