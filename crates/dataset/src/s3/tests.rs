use std::net::TcpListener;

use object_store::ObjectStoreExt;

use super::*;
use crate::Bucket;

fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn an_address_is_a_bucket_and_a_prefix() {
    for (url, bucket, prefix) in
        [("s3://data", "data", ""), ("s3://my.data-1/", "my.data-1", ""), ("s3://data/some/runs/", "data", "some/runs")]
    {
        let settings = S3Settings::new(url, &BTreeMap::new()).unwrap();
        assert_eq!((settings.bucket.as_str(), settings.prefix.as_ref()), (bucket, prefix));
    }
    for url in ["s3://", "s3:///prefix", "s3://key:secret@bucket", "s3://UPPER", "s3://data/a//b", "https://data/a"] {
        assert!(matches!(S3Settings::new(url, &BTreeMap::new()), Err(BucketError::Settings(_))), "{url}");
    }
}

#[test]
fn no_secret_is_ever_written_out() {
    let key = variables(&[("AWS_ACCESS_KEY_ID", "geheim"), ("AWS_SECRET_ACCESS_KEY", "geheim"), ("HOME", "geheim")]);
    let settings = S3Settings::new("s3://data", &key).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let bucket = Bucket::connect(&settings, runtime.handle().clone()).unwrap();
    let written = format!("{settings:?} {bucket:?} {:?}", bucket.dataset("run_1"));
    assert!(written.contains("AWS_SECRET_ACCESS_KEY") && !written.contains("HOME"), "{written}");
    assert!(written.contains("s3://data/") && !written.contains("geheim"), "{written}");
    for endpoint in ["http://user:geheim@host", "geheim", "ftp://geheim"] {
        let error = S3Settings::new("s3://data", &variables(&[("AWS_ENDPOINT_URL", endpoint)])).unwrap_err();
        assert!(!error.to_string().contains("geheim") && !format!("{error:?}").contains("geheim"), "{error:?}");
    }
}

#[test]
fn half_a_key_is_an_error() {
    let half = variables(&[("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", " ")]);
    let error = S3Settings::new("s3://data", &half).unwrap().client().unwrap_err();
    assert!(matches!(&error, BucketError::Settings(what) if what.contains("SecretAccessKey")), "{error:?}");
}

/// What `get` says of a server that answers every request in this way.
fn answer(status: &'static str, body: &'static str) -> BucketError {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            use std::io::{Read, Write};
            let mut connection = connection.unwrap();
            let _ = connection.read(&mut [0; 4096]).unwrap();
            let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
            connection.write_all((head + body).as_bytes()).unwrap();
        }
    });
    get(&endpoint)
}

fn get(endpoint: &str) -> BucketError {
    let key = [("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "key"), ("AWS_ENDPOINT_URL", endpoint)];
    let client = S3Settings::new("s3://data", &variables(&key)).unwrap().client().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    meaning(&runtime.block_on(client.get(&Path::from("key"))).unwrap_err())
}

#[test]
fn answers_are_told_apart() {
    let code = |code: &str| {
        format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><AWSAccessKeyId>id</AWSAccessKeyId></Error>")
    };
    let leak = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
    for (status, body, meant) in [
        ("404 Not Found", code("NoSuchBucket"), "there is no such bucket"),
        ("403 Forbidden", code("InvalidAccessKeyId"), "the store refuses this key (InvalidAccessKeyId)"),
        ("403 Forbidden", String::new(), "the store refuses this key (HTTP 403)"),
        ("400 Bad Request", code("ExpiredToken"), "the store refuses this key (ExpiredToken)"),
        ("400 Bad Request", code("AuthorizationHeaderMalformed"), "the bucket is not in this region"),
        ("301 Moved Permanently", code("PermanentRedirect"), "the bucket is not in this region"),
        ("400 Bad Request", code("InvalidRequest"), "the store answers InvalidRequest"),
    ] {
        assert_eq!(answer(status, leak(body)).to_string(), meant);
    }
}

#[test]
fn a_server_that_is_not_there_does_not_answer() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let meant = get(&format!("http://{closed}"));
    assert!(matches!(&meant, BucketError::Unreachable(cause) if cause.contains("refused")), "{meant:?}");
}
