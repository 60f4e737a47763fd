//! Publishing: one task owns the connection and confirms in batches.
//!
//! Callers that come while a batch waits for its confirms make up the next one, so the rate grows with the load while a
//! lone message waits for one confirm only. The batch has the channel for itself for a second reason: the client library
//! attaches a returned message to whichever confirm it resolves next, so "mine was routed" can be said only when all confirms
//! of the channel are in, and by the message's id.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use agentwrite::ports::TaskMessage;
use agentwrite::task::Kind;
use agentwrite::trace::TraceContext;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Channel, Confirmation};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::connection::Backoff;
use super::publishing_line::{Link, PublishingLine};
use super::{RabbitMqError, Shared, trace_header};

/// Messages of a batch: what one confirm of all costs in memory, and what a timeout must suffice for.
const BATCH: usize = 1_000;
/// Callers that wait for the next batch.
const WAITING: usize = 1_024;

/// Persistent: on disk before it is confirmed.
const PERSISTENT: u8 = 2;

/// The callers' side.
pub(super) struct Publisher {
    requests: mpsc::Sender<Request>,
    link: watch::Receiver<Link>,
    patience: Duration,
}

struct Request {
    messages: Vec<TaskMessage>,
    reply: oneshot::Sender<Result<(), RabbitMqError>>,
}

impl Publisher {
    /// Connects and starts the task.
    pub(super) async fn start(shared: &Arc<Shared>) -> Result<Self, RabbitMqError> {
        let (state, link) = watch::channel(Link::Up);
        let line = PublishingLine::open(shared, &state).await?;
        let (requests, receiver) = mpsc::channel(WAITING);
        let patience = shared.settings.publish_timeout;
        let press = Press { shared: Arc::clone(shared), requests: receiver, link: state, number: 0 };
        shared.tasks.spawn(press.run(line));
        Ok(Self { requests, link, patience })
    }

    /// Publishes; `Ok` when the broker has all of them. On an error it may have some, or take some later.
    pub(super) async fn publish(&self, messages: &[TaskMessage]) -> Result<(), RabbitMqError> {
        for part in messages.chunks(BATCH) {
            let (reply, answer) = oneshot::channel();
            let request = Request { messages: part.to_vec(), reply };
            let asked = async {
                self.requests.send(request).await.map_err(|_| RabbitMqError::Closed)?;
                answer.await.map_err(|_| RabbitMqError::Closed)?
            };
            match tokio::time::timeout_at(self.deadline(), asked).await {
                Ok(answer) => answer?,
                Err(_) => return Err(self.link.borrow().excuse(self.patience)),
            }
        }
        Ok(())
    }

    /// Patience is counted from the broker's failure, not from each call: while it is away for long, callers hear it at once
    /// and go on with their work; the relay sends their messages later.
    fn deadline(&self) -> Instant {
        let since = match &*self.link.borrow() {
            Link::Up => Instant::now(),
            Link::Blocked { since, .. } | Link::Down { since, .. } => *since,
        };
        since + self.patience
    }
}

/// The task.
struct Press {
    shared: Arc<Shared>,
    requests: mpsc::Receiver<Request>,
    link: watch::Sender<Link>,
    /// Of the last message; makes message ids unique in this process.
    number: u64,
}

impl Press {
    async fn run(mut self, first: PublishingLine) {
        let mut backoff = Backoff::new(self.shared.settings.longest_backoff);
        let mut line = first;
        loop {
            backoff.connected();
            self.link.send_replace(Link::Up);
            let end = self.serve(&mut line).await;
            if let Err(error) = &end {
                tracing::warn!(%error, "the publisher lost its connection; making it again");
                self.link.send_replace(Link::down(error));
            }
            line.leave().await;
            if end.is_ok() {
                return;
            }
            backoff.lost();
            let Some(again) = self.reopen(&mut backoff).await else { return };
            line = again;
            self.shared.counters.reconnects.fetch_add(1, Ordering::Relaxed);
            tracing::info!("the publisher is connected again");
        }
    }

    async fn serve(&mut self, line: &mut PublishingLine) -> Result<(), RabbitMqError> {
        loop {
            let blocked = line.is_blocked();
            let request = tokio::select! {
                biased;
                () = self.shared.closing.cancelled() => return Ok(()),
                changed = line.changed() => {
                    changed?;
                    continue;
                }
                request = self.requests.recv(), if !blocked => request,
            };
            let Some(first) = request else { return Ok(()) };
            self.batch(line, first).await?;
        }
    }

    async fn reopen(&mut self, backoff: &mut Backoff) -> Option<PublishingLine> {
        loop {
            let again = async {
                tokio::time::sleep(backoff.next()).await;
                PublishingLine::open(&self.shared, &self.link).await
            };
            let opened = tokio::select! {
                biased;
                () = self.shared.closing.cancelled() => return None,
                opened = again => opened,
            };
            match opened {
                Ok(line) => return Some(line),
                Err(error) => {
                    tracing::warn!(%error, "the publisher is not connected");
                    self.link.send_modify(|link| link.explain(&error));
                }
            }
        }
    }

    /// Publishes what waits and answers its callers; an error means that the connection must be made again.
    async fn batch(&mut self, line: &mut PublishingLine, first: Request) -> Result<(), RabbitMqError> {
        let mut requests = vec![first];
        let mut size = requests[0].messages.len();
        while size < BATCH
            && let Ok(request) = self.requests.try_recv()
        {
            size += request.messages.len();
            requests.push(request);
        }
        // A caller that has given up has told its own caller so.
        requests.retain(|request| !request.reply.is_closed());
        let sheets: Vec<Vec<Sheet>> = requests.iter().map(|request| self.sheets(&request.messages)).collect();
        let outcome = self.print(line, sheets.iter().flatten()).await;
        let verdicts = match &outcome {
            Ok(failures) => sheets.iter().map(|sheets| failures.verdict(sheets)).collect(),
            Err(error) => vec![Err(error.clone()); requests.len()],
        };
        for (request, verdict) in requests.into_iter().zip(verdicts) {
            request.reply.send(verdict).ok();
        }
        match outcome {
            Ok(failures) => {
                failures.unrouted_kinds(sheets.iter().flatten()).for_each(|kind| line.forget(kind));
                Ok(())
            }
            // Said before anything was sent.
            Err(RabbitMqError::Settings(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn sheets(&mut self, messages: &[TaskMessage]) -> Vec<Sheet> {
        messages.iter().map(|message| Sheet::of(message, &mut self.number)).collect()
    }

    async fn print<'a>(
        &self,
        line: &mut PublishingLine,
        sheets: impl Iterator<Item = &'a Sheet> + Clone + Send,
    ) -> Result<Failures, RabbitMqError> {
        for sheet in sheets.clone() {
            line.declare(&sheet.kind).await?;
        }
        let exchange = self.shared.topology.exchange();
        let channel = line.channel();
        line.answered("publish", send_and_confirm(channel, exchange, sheets.collect())).await
    }
}

/// A message as it is sent.
struct Sheet {
    kind: Kind,
    id: String,
    body: Vec<u8>,
    trace: Option<TraceContext>,
}

impl Sheet {
    fn of(message: &TaskMessage, number: &mut u64) -> Self {
        // The number makes it unique; the subject is there for people. A short string holds 255 bytes.
        const MOST_OF_SUBJECT: usize = 200;
        *number += 1;
        let task = &message.task;
        let end = task.subject.floor_char_boundary(MOST_OF_SUBJECT);
        let id = format!("{number}:{}/{}", &task.subject[..end], task.place);
        let body = serde_json::to_vec(message).expect("names and numbers have a form in JSON");
        Self { kind: task.kind.clone(), id, body, trace: message.trace }
    }

    /// The trace's context stands in a header, never in the body: it names the task and nothing else.
    fn properties(&self) -> BasicProperties {
        let properties = BasicProperties::default()
            .with_delivery_mode(PERSISTENT)
            .with_content_type("application/json".into())
            .with_message_id(self.id.as_str().into());
        match self.trace {
            Some(trace) => properties.with_headers(trace_header::write(trace)),
            None => properties,
        }
    }
}

/// Sends all, then waits for all: a confirm takes a disk's time, and they come in bunches.
async fn send_and_confirm(channel: Channel, exchange: String, sheets: Vec<&Sheet>) -> lapin::Result<Failures> {
    let mut confirms = Vec::with_capacity(sheets.len());
    for sheet in &sheets {
        // Mandatory: without it, a message that finds no queue is confirmed like any other.
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        let (exchange, key) = (exchange.as_str().into(), sheet.kind.as_str().into());
        confirms.push(channel.basic_publish(exchange, key, options, &sheet.body, sheet.properties()).await?);
    }
    let mut failures = Failures::default();
    for (sheet, confirm) in sheets.iter().zip(confirms) {
        let confirmation = confirm.await?;
        if confirmation.is_nack() {
            failures.refused.insert(sheet.id.clone());
        }
        if let Confirmation::Ack(Some(returned)) | Confirmation::Nack(Some(returned)) = confirmation {
            let id = returned.delivery.properties.message_id().clone();
            failures.returned.extend(id.map(|id| id.to_string()));
        }
    }
    Ok(failures)
}

/// Ids of messages that the broker did not take.
#[derive(Default)]
struct Failures {
    returned: HashSet<String>,
    refused: HashSet<String>,
}

impl Failures {
    fn verdict(&self, sheets: &[Sheet]) -> Result<(), RabbitMqError> {
        let among = |ids: &HashSet<String>| sheets.iter().filter(|sheet| ids.contains(&sheet.id)).count();
        match (among(&self.returned), among(&self.refused)) {
            (0, 0) => Ok(()),
            (0, count) => Err(RabbitMqError::Refused { count }),
            (count, _) => Err(RabbitMqError::Unroutable { count }),
        }
    }

    fn unrouted_kinds<'a>(&self, sheets: impl Iterator<Item = &'a Sheet>) -> impl Iterator<Item = &'a Kind> {
        sheets.filter(|sheet| self.returned.contains(&sheet.id)).map(|sheet| &sheet.kind)
    }
}

/// A channel in confirm mode.
pub(super) async fn confirming(channel: &Channel) -> lapin::Result<()> {
    channel.confirm_select(ConfirmSelectOptions::default()).await
}
