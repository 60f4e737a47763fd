//! Looking at the endpoints before calls are made: connection, key, model, context. Costs nothing.

use std::sync::Arc;

use agentwrite::config::TextConfig;
use agentwrite::failure::ErrorCode;
use llm::{HttpChat, Preflight};

use super::{Endpoint, Known};
use crate::fault::{Exit, Fault};

impl Known {
    /// Its own name for the model.
    fn model<'a>(&'a self, model: &'a str) -> &'a str {
        self.member.terms.model.as_deref().unwrap_or(model)
    }
}

impl Endpoint {
    fn clients(&self, names: &[String]) -> Vec<(&Known, &Arc<HttpChat>)> {
        names.iter().filter_map(|name| self.known(name)).filter_map(|it| Some((it, it.http.as_ref()?))).collect()
    }

    /// Looks at the endpoints before a process serves runs that it does not know yet. A refused key is an error if a role has
    /// nobody else: a pool goes on without a member. One that does not answer yet may do so later.
    pub async fn look_ahead(&self) -> Result<(), Fault> {
        let mut refused = Vec::new();
        for (known, chat) in self.known.iter().filter_map(|known| Some((known, known.http.as_ref()?))) {
            let report = llm::look(chat, "").await;
            match fault_of(&report, chat) {
                Some(fault) if report.failure == Some(ErrorCode::Auth) => refused.push((&known.member.name, fault)),
                Some(_) => eprintln!("warning: no endpoint answers at {} yet", chat.base_url().as_str()),
                None => {}
            }
        }
        let all_refuse = |names: &[String]| names.iter().all(|name| refused.iter().any(|(it, _)| *it == name));
        if all_refuse(&self.pools.plan) || all_refuse(&self.pools.write) {
            return refused.into_iter().next().map_or(Ok(()), |(_, fault)| Err(fault));
        }
        for (name, fault) in refused {
            eprintln!("warning: the endpoint {name} serves nothing until its key is mended: {}", fault.what);
        }
        Ok(())
    }

    /// Asks the endpoints that write a run for the context of its model; an error if one of them did not answer. One of several
    /// that refuses the key is left out of their pool, so nobody waits for its word.
    pub async fn learn_context(&self, endpoints: &[String], model: &str) -> Result<(), ErrorCode> {
        let names = if endpoints.is_empty() { &self.pools.write } else { endpoints };
        let clients = self.clients(names);
        for (known, chat) in &clients {
            match llm::look(chat, known.model(model)).await.failure {
                None => {}
                Some(ErrorCode::Auth) if clients.len() > 1 => {}
                Some(code) => return Err(code),
            }
        }
        Ok(())
    }

    /// Looks at the endpoints before a new run. One that is away is an error if its role has no other: a pool goes on without
    /// it.
    pub async fn look(&self, text: &TextConfig) -> Result<(), Fault> {
        self.look_at(&self.pools.write, &text.write.model).await?;
        if self.pools.plan != self.pools.write {
            self.look_at(&self.pools.plan, &text.plan.model).await?;
        }
        Ok(())
    }

    async fn look_at(&self, names: &[String], model: &str) -> Result<(), Fault> {
        let clients = self.clients(names);
        let mut faults = Vec::new();
        for (known, chat) in &clients {
            let report = llm::look(chat, known.model(model)).await;
            match fault_of(&report, chat) {
                Some(fault) if report.failure == Some(ErrorCode::Auth) => return Err(fault),
                Some(fault) => faults.push((&known.member.name, fault)),
                None if report.model_listed == Some(false) => warn_of_model(&report, known.model(model)),
                None => {}
            }
        }
        if faults.len() == clients.len() {
            return faults.into_iter().next().map_or(Ok(()), |(_, fault)| Err(fault));
        }
        for (name, fault) in faults {
            eprintln!("warning: the endpoint {name} is left out until it answers: {}", fault.what);
        }
        Ok(())
    }
}

fn warn_of_model(report: &Preflight, model: &str) {
    eprintln!("warning: {} does not list the model {model:?}; it lists {}", report.host, report.models.join(", "));
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
