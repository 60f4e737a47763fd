//! What the dashboard of training shows.

use super::panel::Look::{Lines, Number};
use super::panel::{Panel, panel, q};

/// A gauge, job by job; the trainer that had the job before may still be scraped.
macro_rules! of_job {
    ($metric:literal) => {
        concat!("max by (longhand_training_id) (", $metric, r#"{longhand_training_id=~"$training"})"#)
    };
}

/// A panel of one gauge.
macro_rules! by_job {
    ($title:literal, $look:expr, $unit:literal, $help:literal, $metric:literal) => {
        panel($title, $look, $unit, $help, &[q("{{longhand_training_id}}", of_job!($metric))])
    };
}

/// Training jobs at work: does it move, does the loss fall, what would a kill cost.
pub const PANELS: &[Panel] = &[
    panel(
        "Doing",
        Number,
        "short",
        "What the trainer of each job does: waiting for shards, fetching, starting, training, stopping.",
        &[q(
            "{{longhand_training_id}} {{phase}}",
            r#"max by (longhand_training_id, phase) (longhand_training_phase{longhand_training_id=~"$training"})"#,
        )],
    ),
    panel(
        "Progress",
        Number,
        "percentunit",
        "Steps of those planned up to the end of the round; a stream plans round by round.",
        &[q(
            "{{longhand_training_id}}",
            concat!(of_job!("longhand_training_step"), " / ", of_job!("longhand_training_steps")),
        )],
    ),
    by_job!(
        "Tokens per second",
        Number,
        "short",
        "As the backend says; if it falls, look at the GPU's memory and its other users.",
        "longhand_training_tokens_per_second"
    ),
    by_job!(
        "Steps done again",
        Number,
        "short",
        "What kills and crashes cost so far; checkpoints more often make it less.",
        "longhand_training_redone_steps"
    ),
    by_job!(
        "Loss",
        Lines,
        "none",
        "Of the last step; over a round it falls. NaN stops the job.",
        "longhand_training_loss"
    ),
    by_job!(
        "Learning rate",
        Lines,
        "sci",
        "By the schedule: it rises, stays and falls with the last round.",
        "longhand_training_learning_rate"
    ),
    panel(
        "Steps",
        Lines,
        "short",
        "Done, and in the last checkpoint: what lies between is lost with the process.",
        &[
            q("{{longhand_training_id}} done", of_job!("longhand_training_step")),
            q("{{longhand_training_id}} kept", of_job!("longhand_training_checkpoint_step")),
        ],
    ),
    by_job!(
        "Tokens of the round",
        Lines,
        "short",
        "Trained tokens; they begin at 0 with each round.",
        "longhand_training_tokens"
    ),
    by_job!(
        "Peak memory",
        Lines,
        "bytes",
        "Of the busiest device; near its size, shorten the packs or offload.",
        "longhand_training_memory_bytes"
    ),
    panel(
        "Data",
        Lines,
        "short",
        "Round, and shards in it.",
        &[
            q("{{longhand_training_id}} round", of_job!("longhand_training_round")),
            q("{{longhand_training_id}} shards", of_job!("longhand_training_shards")),
        ],
    ),
    by_job!(
        "Starts of the backend",
        Lines,
        "short",
        "One a round if nothing goes wrong; `longhand train logs JOB` says why it was started again.",
        "longhand_training_sessions"
    ),
];
