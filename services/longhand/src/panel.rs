//! placeholder until the panel lands
use agentwrite::ids::RunId;
use agentwrite::ports::{ReportStore, StoreError, Totals};
pub struct Panel;
pub struct Snapshot(Totals);
impl Snapshot {
    pub async fn read(store: &dyn ReportStore, run: &RunId, _title: &str, _in_flight: u32) -> Result<Self, StoreError> {
        Ok(Self(store.totals(run).await?))
    }
}
impl Panel {
    pub fn new() -> Self {
        Self
    }
    pub fn show(&mut self, s: &Snapshot, last: bool) {
        if last {
            eprintln!("{:?}", s.0);
        }
    }
}
