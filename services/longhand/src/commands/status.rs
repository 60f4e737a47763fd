//! placeholder
use agentwrite::ports::{Run, Totals};
pub fn json(run: &Run, totals: &Totals, _x: Option<u64>) -> String {
    serde_json::json!({"schema":1,"run":run.id,"state":run.state,"totals":totals}).to_string()
}
