//! Errors at the door: a process that starts must be able to say what is wrong.

use super::*;

fn node() -> &'static servers::rabbitmq::RabbitMq {
    servers::rabbitmq::RabbitMq::private()
}

async fn refusal(settings: RabbitMqSettings) -> RabbitMqError {
    RabbitMq::connect(settings).await.err().expect("no way in")
}

#[tokio::test]
async fn a_wrong_password_is_told_and_not_repeated() {
    let _turn = TURN.read().await;
    let error = refusal(settings(node().url_of("longhand", "hunter2", "%2f"))).await;
    assert!(matches!(error, RabbitMqError::AccessRefused { .. }), "{error:?}");
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}

#[tokio::test]
async fn a_missing_virtual_host_is_told() {
    let _turn = TURN.read().await;
    let error = refusal(settings(node().url_of("longhand", "secret", "nowhere"))).await;
    assert!(matches!(error, RabbitMqError::VhostMissing { .. }), "{error:?}");
}

#[tokio::test]
async fn a_broker_that_is_not_there_is_told() {
    let error = refusal(settings("amqp://longhand:hunter2@127.0.0.1:1/%2f".to_owned())).await;
    assert!(matches!(error, RabbitMqError::Unreachable { .. }), "{error:?}");
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}

#[tokio::test]
async fn a_listener_that_never_answers_is_told() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("amqp://longhand:hunter2@{}/%2f", silent.local_addr().unwrap());
    let error = refusal(RabbitMqSettings { connect_timeout: SOON, ..settings(url) }).await;
    assert!(matches!(error, RabbitMqError::Unreachable { .. }), "{error:?}");
}

#[tokio::test]
async fn an_address_that_is_none_is_told_and_not_repeated() {
    let no_file = "amqps://u:hunter2@h/%2f?cacertfile=/nowhere";
    for url in ["hunter2", "http://u:hunter2@h", no_file, "amqp://u:hunter2@[::1]/%2f"] {
        let error = refusal(settings(url.to_owned())).await;
        assert!(matches!(error, RabbitMqError::Settings(_)), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}

#[tokio::test]
async fn a_queue_with_other_arguments_is_left_alone() {
    let _turn = TURN.read().await;
    let first = shared_settings();
    let _queue = RabbitMq::connect(first.clone()).await.unwrap();
    let error = refusal(RabbitMqSettings { delivery_limit: 7, ..first }).await;
    assert!(matches!(&error, RabbitMqError::Topology(text) if text.contains("x-delivery-limit")), "{error:?}");
}

#[tokio::test]
async fn a_user_without_rights_is_told() {
    let _turn = TURN.read().await;
    node().ctl(&["add_user", "guest-writer", "hunter2"]);
    let url = node().url_of("guest-writer", "hunter2", "%2f");
    let error = refusal(settings(url.clone())).await;
    assert!(matches!(&error, RabbitMqError::AccessRefused { .. }), "closed virtual host: {error:?}");
    node().ctl(&["set_permissions", "guest-writer", "^$", ".*", ".*"]);
    let error = refusal(settings(url)).await;
    assert!(matches!(&error, RabbitMqError::Forbidden { .. }), "may not declare: {error:?}");
}
