//! What can be wrong with a plan, and how to ask for a better one.

use serde::{Deserialize, Serialize};

/// Why a plan cannot be used. Steps are numbered from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
pub enum PlanFault {
    /// The answer holds no step with a main point and a number of words.
    #[error("the answer holds no step")]
    NoStep,
    /// More steps than one sample may have.
    #[error("the plan has {count} steps, more than {limit}")]
    TooManySteps {
        /// Steps in the plan.
        count: usize,
        /// Steps allowed.
        limit: usize,
    },
    /// The model declined.
    #[error("the answer is a refusal")]
    Refusal,
    /// A step repeats the words of the format instead of saying what to write.
    #[error("step {step} is placeholder text")]
    Placeholder {
        /// The step.
        step: usize,
    },
    /// Two steps have the same main point and the same number of words.
    #[error("step {second} repeats step {first}")]
    RepeatedStep {
        /// The earlier step.
        first: usize,
        /// The later one.
        second: usize,
    },
    /// The total is too far from the required length for the numbers to mean anything.
    #[error("the plan totals {total} words where {required} are required")]
    TotalOff {
        /// Sum of the steps' words.
        total: u32,
        /// Words to plan for.
        required: u32,
    },
    /// The answer ends in the middle of a step.
    #[error("the answer ends in the middle of a step")]
    Cut,
}

impl PlanFault {
    /// A paragraph that names the fault and how to mend it, to stand at the end of a second request for the plan.
    pub fn reask(&self) -> String {
        match self {
            Self::NoStep => "Your previous answer did not contain a plan that could be read. Answer with the plan only: for every \
                paragraph one line with its number, its main point and its word count."
                .to_owned(),
            Self::TooManySteps { count, limit } => format!(
                "Your previous plan had {count} paragraphs, but at most {limit} are possible. Merge related points so that \
                 fewer, longer paragraphs cover the whole task."
            ),
            Self::Refusal => "Your previous answer declined the task. Only an outline is needed here: answer with the plan, one line \
                for every paragraph with its number, its main point and its word count."
                .to_owned(),
            Self::Placeholder { step } => format!(
                "Paragraph {step} of your previous plan only repeated the format. Say for every paragraph, in concrete words \
                 about this task, what it will contain."
            ),
            Self::RepeatedStep { first, second } => format!(
                "Paragraphs {first} and {second} of your previous plan were the same. Give every paragraph a main point of its \
                 own, so that nothing would be written twice."
            ),
            Self::TotalOff { total, required } => format!(
                "The word counts of your previous plan add up to {total}, but the text must have about {required} words. \
                 Choose paragraphs and word counts that add up to {required}."
            ),
            Self::Cut => "Your previous plan broke off before its end. Answer with the complete plan, and keep each main point short \
                enough to finish."
                .to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_names_itself_and_a_remedy() {
        let faults = [
            (PlanFault::NoStep, "no_step", "did not contain a plan"),
            (PlanFault::TooManySteps { count: 51, limit: 50 }, "too_many_steps", "51 paragraphs, but at most 50"),
            (PlanFault::Refusal, "refusal", "declined"),
            (PlanFault::Placeholder { step: 3 }, "placeholder", "Paragraph 3"),
            (PlanFault::RepeatedStep { first: 2, second: 4 }, "repeated_step", "2 and 4"),
            (PlanFault::TotalOff { total: 300, required: 4000 }, "total_off", "add up to 300"),
            (PlanFault::Cut, "cut", "broke off"),
        ];
        for (fault, tag, words) in faults {
            assert!(fault.reask().contains(words), "{}", fault.reask());
            assert!(!fault.reask().contains("  "), "{}", fault.reask());
            let json = serde_json::to_value(&fault).unwrap();
            assert_eq!(json["fault"], tag);
            assert_eq!(serde_json::from_value::<PlanFault>(json).unwrap(), fault);
        }
    }
}
