//! A collector of traces that takes OTLP over HTTP, and what the spans say.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// What a collector received: the head of the request in lower case, and its body.
pub struct Received {
    pub head: String,
    pub body: Vec<u8>,
}

impl Received {
    pub fn decoded(&self) -> ExportTraceServiceRequest {
        ExportTraceServiceRequest::decode(&self.body[..]).unwrap()
    }
}

/// Takes OTLP over HTTP on a free port, over TLS if there is a certificate.
pub fn collector(tls: Option<Arc<ServerConfig>>) -> (String, Receiver<Received>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let scheme = if tls.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://localhost:{}", listener.local_addr().unwrap().port());
    let (sender, received) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (sender, stream, tls) = (sender.clone(), stream.unwrap(), tls.clone());
            std::thread::spawn(move || match tls {
                None => take(stream, &sender),
                Some(tls) => take(StreamOwned::new(ServerConnection::new(tls).unwrap(), stream), &sender),
            });
        }
    });
    (url, received)
}

/// Answers the requests of one connection.
fn take(stream: impl Read + Write, sender: &Sender<Received>) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if !matches!(stream.read_line(&mut head), Ok(1..)) {
                return;
            }
        }
        let head = head.to_lowercase();
        let length = head.split("content-length: ").nth(1).unwrap().lines().next().unwrap();
        let mut body = vec![0; length.parse().unwrap()];
        stream.read_exact(&mut body).unwrap();
        write!(stream.get_mut(), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
        stream.get_mut().flush().unwrap();
        let _ = sender.send(Received { head, body });
    }
}

pub fn spans(received: &[Received]) -> Vec<Span> {
    let all = received.iter().flat_map(|one| one.decoded().resource_spans);
    all.flat_map(|all| all.scope_spans).flat_map(|all| all.spans).collect()
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn text(value: Option<&AnyValue>) -> String {
    match value.and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::BoolValue(flag)) => flag.to_string(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::ArrayValue(all)) => {
            all.values.iter().map(|one| text(Some(one))).collect::<Vec<_>>().join(",")
        }
        other => panic!("{other:?}"),
    }
}

pub fn attributes(all: &[KeyValue]) -> BTreeMap<&str, String> {
    all.iter().map(|one| (one.key.as_str(), text(one.value.as_ref()))).collect()
}
