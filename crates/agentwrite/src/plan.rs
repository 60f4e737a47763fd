//! stub
use serde::{Deserialize, Serialize};
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    pub main_point: String,
    pub words: u32,
}
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    pub steps: Vec<Step>,
}
impl Plan {
    pub fn canonical(&self) -> String {
        serde_json::to_string(self).expect("x")
    }
}
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum PlanFormat {
    #[default]
    Auto,
    Json,
    Text,
}
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct PlanPolicy {}
