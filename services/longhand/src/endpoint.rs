//! The model behind a run: a real endpoint, or the simulator inside the process.

use std::sync::Arc;
use std::time::Duration;

use agentwrite::failure::ErrorCode;
use agentwrite::ports::ChatModel;
use llm::{FirstAlone, HttpChat, Pool, Preflight};
use llm_simulator::{InProcess, Simulator, SimulatorConfig};

use crate::fault::{Exit, Fault};
use crate::settings::{Settings, environment};

/// The model behind a run.
pub struct Endpoint {
    /// The port.
    pub model: Arc<dyn ChatModel>,
    /// The endpoint itself, unless simulated.
    pub http: Option<Arc<HttpChat>>,
    /// Whether calls cost money, as far as one can tell: not on loopback, not simulated.
    pub paid: bool,
    /// For people.
    pub title: String,
}

impl Endpoint {
    /// The simulator inside the process.
    pub fn simulated(seed: u64) -> Self {
        let config = SimulatorConfig {
            seed,
            first_token_ms: 30,
            per_token_us: 100,
            cache_tokens: 2_000_000,
            ..SimulatorConfig::default()
        };
        let simulator = InProcess::new(Simulator::new(config), Duration::from_secs(60));
        Self {
            model: Arc::new(simulator),
            http: None,
            paid: false,
            title: "simulated model (the text is synthetic)".to_owned(),
        }
    }

    /// The configured endpoint.
    pub fn configured(settings: &Settings) -> Result<Self, Fault> {
        let config = settings.endpoint_config(&environment())?;
        let chat = HttpChat::new(config)
            .map_err(|error| Fault::usage("endpoint", "the endpoint cannot be used").because(error))?;
        let chat = Arc::new(chat);
        for warning in chat.base_url().warnings(chat.config().api_key.is_some()) {
            eprintln!("warning: {warning}");
        }
        let title = format!("{} at {}", settings.endpoint.model, chat.base_url().host());
        let pool = Pool::new(vec![Arc::clone(&chat)])
            .map_err(|error| Fault::usage("endpoint", "the endpoint cannot be used").because(error))?;
        let paid = !chat.base_url().is_loopback();
        let model: Arc<dyn ChatModel> = if paid { Arc::new(FirstAlone::new(pool)) } else { Arc::new(pool) };
        Ok(Self { model, paid, http: Some(chat), title })
    }

    /// The context in tokens, where known.
    pub fn context_tokens(&self) -> Option<u32> {
        self.http.as_ref().and_then(|chat| chat.context_tokens())
    }

    /// Looks at the endpoint before a process serves runs that it does not know yet. A refused key is an error; one that does
    /// not answer yet may do so later.
    pub async fn look_ahead(&self) -> Result<(), Fault> {
        let Some(chat) = &self.http else { return Ok(()) };
        let report = llm::look(chat, "").await;
        match fault_of(&report, chat) {
            Some(fault) if report.failure == Some(ErrorCode::Auth) => Err(fault),
            Some(_) => {
                eprintln!("warning: no endpoint answers at {} yet", chat.base_url().as_str());
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// The context of a model in tokens, where the endpoint tells it; an error if it did not answer.
    pub async fn context_of(&self, model: &str) -> Result<Option<u32>, ErrorCode> {
        let Some(chat) = &self.http else { return Ok(None) };
        let report = llm::look(chat, model).await;
        report.failure.map_or(Ok(report.context_tokens), Err)
    }

    /// Looks at the endpoint before a new run: connection, key, model, context. Costs nothing.
    pub async fn look(&self, model: &str) -> Result<(), Fault> {
        let Some(chat) = &self.http else { return Ok(()) };
        let report = llm::look(chat, model).await;
        if let Some(fault) = fault_of(&report, chat) {
            return Err(fault);
        }
        if report.model_listed == Some(false) {
            eprintln!(
                "warning: {} does not list the model {model:?}; it lists {}",
                report.host,
                report.models.join(", ")
            );
        }
        Ok(())
    }
}

/// Why no run can start on this endpoint.
pub fn fault_of(report: &Preflight, chat: &HttpChat) -> Option<Fault> {
    let cause = report.problems.first().cloned().unwrap_or_default();
    let fault = match report.failure? {
        ErrorCode::Auth => Fault::new("auth", Exit::Auth, format!("{} refuses the key", report.host))
            .because(cause)
            .help(format!("check the key; it came from {}", report.key_source)),
        ErrorCode::Connection => {
            Fault::new("connection", Exit::Unreachable, format!("no endpoint at {}", chat.base_url().as_str()))
                .because(cause)
                .help("check --base-url, and that the server runs")
        }
        code => Fault::new(code.as_str(), Exit::Unreachable, format!("{} cannot be used", report.host))
            .because(cause)
            .help(code.help()),
    };
    Some(fault)
}
