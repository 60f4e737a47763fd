//! Messages come twice, ten times, backwards, about tasks that are not there, or never.

use agentwrite::ids::RunId;
use agentwrite::ports::{TaskMessage, TaskQueue};
use agentwrite::task::{Kind, TaskKey};
use task_queue::{RabbitMq, RabbitMqSettings};

use crate::play;
use crate::trial::{Setting, Trial, Who};

const LIVE: &str = "select kind, subject, place, revision from task where state in ('ready', 'claimed') order by id";

/// A message for every live task.
fn live(trial: &Trial) -> Vec<TaskMessage> {
    let rows = trial.database.sql(LIVE);
    let message = |row: &str| {
        let mut fields = row.split('|');
        let mut field = || fields.next().expect("four fields").to_owned();
        let (kind, subject) = (Kind::new(field()), field());
        let mut number = || field().parse().expect("a number");
        TaskMessage::about(TaskKey { run: trial.run.clone(), kind, subject, place: number(), revision: number() })
    };
    rows.lines().map(message).collect()
}

/// Publishes messages that no store wrote.
fn publish(trial: &Trial, messages: &[TaskMessage]) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.expect("a runtime starts").block_on(async {
        let queue = RabbitMq::connect(RabbitMqSettings::new(&trial.servers.queue)).await.expect("the broker is there");
        queue.publish(messages).await.expect("the broker takes them");
        queue.close(std::time::Duration::from_secs(5)).await;
    });
}

#[test]
fn every_message_comes_twelve_times_backwards_and_others_are_about_nothing() {
    let setting = Setting { latency_ms: 200, ..Setting::USUAL };
    play("6 messages twice, ten times, reversed, for places to come, for no run", &setting, |trial| {
        for share in [0.1, 0.3, 0.5, 0.7] {
            trial.until_share(share);
            let mut messages = live(trial);
            messages.reverse();
            for times in [2, 10] {
                publish(trial, &vec![messages.clone(); times].concat());
            }
            let changed = |change: &dyn Fn(&mut TaskKey)| -> Vec<TaskMessage> {
                let mut others = messages.clone();
                for message in &mut others {
                    change(&mut message.task);
                }
                others
            };
            publish(trial, &changed(&|task| task.place += 1));
            publish(trial, &changed(&|task| task.revision += 1));
            publish(trial, &changed(&|task| task.run = RunId::new("run_nobody")));
            trial.over();
        }
    });
}

/// What a relay leaves that dies between the broker's confirmation and the end of its row.
#[test]
fn a_relay_dies_between_confirm_and_delete() {
    let setting = Setting { latency_ms: 250, ..Setting::USUAL };
    play("3 planner killed between confirm and delete, rows sent again", &setting, |trial| {
        trial.kill(Who::Planner);
        for count in [1, 2] {
            trial.crash(Who::Planner, "after_publish", count);
        }
        let left = trial.count("select count(*) from outbox");
        assert!(left > 0, "the outbox still holds what was published");
        trial.launch(Who::Planner);
        trial.over();
        // The same for every live task.
        trial.database.sql(
            "insert into outbox (run, kind, subject, place, revision, created_at) \
             select run, kind, subject, place, revision, 0 from task where state in ('ready', 'claimed') on conflict do nothing",
        );
        trial.until("the relay has sent what was left", |trial| {
            trial.count("select count(*) from outbox where created_at = 0") == 0
        });
    });
}

/// A queue that an operator deletes while it is consumed, and another that gets a policy.
#[test]
fn queues_are_deleted_while_they_are_consumed() {
    let setting = Setting { latency_ms: 300, ..Setting::LONG };
    play("12 queues deleted, a policy set", &setting, |trial| {
        let (broker, vhost) = (trial.servers.broker, trial.servers.vhost.clone());
        let queue = |kind: &str| format!("longhand.task.{kind}");
        trial.until_share(0.2);
        broker.ctl(&["delete_queue", "-p", &vhost, &queue("section")]);
        trial.over();
        broker.ctl(&["set_policy", "-p", &vhost, "chaos", "^longhand.task", r#"{"max-length":100000}"#]);
        broker.ctl(&["delete_queue", "-p", &vhost, &queue("plan")]);
        trial.over();
        broker.ctl(&["clear_policy", "-p", &vhost, "chaos"]);
    });
}

/// Healthy messages are dead letters after one return: the store sends them again.
#[test]
fn a_delivery_limit_is_reached() {
    let setting = Setting { latency_ms: 300, ..Setting::USUAL };
    play("13 delivery limit of 1 reached by killed writers", &setting, |trial| {
        let (broker, vhost) = (trial.servers.broker, trial.servers.vhost.clone());
        broker.ctl(&["set_policy", "-p", &vhost, "chaos", "^longhand.task", r#"{"delivery-limit":1}"#]);
        let dead = |broker: &servers::rabbitmq::RabbitMq| -> u64 {
            let queues = broker.ctl(&["list_queues", "-p", &vhost, "-q", "name", "messages"]);
            let line = queues.lines().find_map(|line| line.strip_prefix("longhand.dead")).expect("a dead-letter queue");
            line.trim().parse().expect("a number of messages")
        };
        let before = dead(broker);
        for share in [0.15, 0.2, 0.25, 0.3] {
            trial.until_share(share);
            for who in [Who::Writer, Who::OtherWriter] {
                trial.kill(who);
                trial.launch(who);
            }
            trial.over();
        }
        broker.ctl(&["clear_policy", "-p", &vhost, "chaos"]);
        eprintln!("{} messages were given up", dead(broker) - before);
    });
}
