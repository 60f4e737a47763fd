//! Where the trace of a sample is. Its ids follow from run, sample and generation, so nothing needs to be stored, and the link
//! is right also while the sample is in work.

use agentwrite::ports::{Run, SampleDetail};
use agentwrite::trace::TraceContext;
use serde_json::{Value, json};

use crate::fault::Fault;
use crate::settings::TelemetrySettings;
use crate::tables::{Align, Table};

/// The traces of a sample, the newest generation first.
fn traces(run: &Run, detail: &SampleDetail) -> impl Iterator<Item = (u32, TraceContext)> {
    let (run, sample) = (run.id.clone(), detail.row.sample.clone());
    (0..=detail.row.generation).rev().map(move |n| (n, TraceContext::of(&run, sample.as_str(), n)))
}

/// For people.
pub(super) fn text(run: &Run, detail: &SampleDetail, telemetry: &TelemetrySettings) -> Result<String, Fault> {
    let mut table = Table::new(&[("", Align::Left), ("", Align::Left)]);
    for (generation, trace) in traces(run, detail) {
        let trace_id = trace.trace_hex();
        let name =
            if generation == detail.row.generation { "trace".to_owned() } else { format!("generation {generation}") };
        table.row([name, trace_id.clone()]);
        if generation == detail.row.generation {
            table.row(["root".to_owned(), trace.root().to_hex()]);
        }
        if let Some(link) = telemetry.trace_link(&trace_id)? {
            table.row(["link".to_owned(), link]);
        }
    }
    let help = if telemetry.trace_url.is_empty() {
        "\nnext     set [telemetry] trace_url, with {trace_id} in it, to have the link here\n"
    } else {
        ""
    };
    Ok(table.render(0) + help)
}

/// As JSON.
pub(super) fn json(run: &Run, detail: &SampleDetail, telemetry: &TelemetrySettings) -> Result<Value, Fault> {
    let mut all = Vec::new();
    for (generation, trace) in traces(run, detail) {
        let trace_id = trace.trace_hex();
        let link = telemetry.trace_link(&trace_id)?;
        all.push(json!({
            "generation": generation,
            "trace_id": trace_id,
            "root_span_id": trace.root().to_hex(),
            "traceparent": trace.traceparent(),
            "url": link,
        }));
    }
    Ok(json!({"sample": detail.row.sample, "run": run.id, "traces": all}))
}
