//! The wire: a proxy that answers `CONNECT`, then TLS and HTTP in the name of whatever host was asked for.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::pki_types::PrivateKeyDer;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

use super::answers::{Answer, route};
use super::{Fault, Request, Shared};

/// The thread: accepts until it is told to stop, and takes its connections down with it.
#[tokio::main(flavor = "current_thread")]
pub(super) async fn serve(
    listener: std::net::TcpListener,
    shared: &Arc<Shared>,
    authority: &Arc<Authority>,
    mut stopped: oneshot::Receiver<Infallible>,
) {
    let listener = TcpListener::from_std(listener).expect("a listener for tokio");
    loop {
        tokio::select! {
            _ = &mut stopped => return,
            // A connection that breaks is the client's affair: it shows as a request that is missing from the record.
            Ok((stream, _)) = listener.accept() => {
                tokio::spawn(tunnel(stream, shared.clone(), authority.clone()));
            }
        }
    }
}

/// One connection: `CONNECT host`, then TLS as that host, then requests.
async fn tunnel(stream: TcpStream, shared: Arc<Shared>, authority: Arc<Authority>) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut request = String::new();
    stream.read_line(&mut request).await?;
    let mut header = String::new();
    while stream.read_line(&mut header).await? > 2 {
        header.clear();
    }
    let Some(host) = request.strip_prefix("CONNECT ").and_then(|rest| rest.split(':').next()) else {
        // Plain HTTP is nothing the CLI should do.
        return stream.write_all(b"HTTP/1.1 501 Not Implemented\r\n\r\n").await;
    };
    stream.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").await?;
    let stream = authority.acceptor(host).accept(stream).await?;
    let service = service_fn(|request| handle(host, &shared, request));
    _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    Ok(())
}

/// Records a request, then answers it or fails as it was told to. An error makes hyper drop the connection.
async fn handle(host: &str, shared: &Shared, request: hyper::Request<Incoming>) -> io::Result<hyper::Response<Full<Bytes>>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let authorization = head.headers.get(AUTHORIZATION).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let request = Request {
        at: Instant::now(),
        method: head.method.to_string(),
        host: host.to_owned(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        body: match body.as_ref() {
            [] => Value::Null,
            body => serde_json::from_slice(body).unwrap_or_else(|_| String::from_utf8_lossy(body).into()),
        },
        authorization,
    };
    let mut fault = {
        let mut state = shared.lock();
        state.requests.push(request.clone());
        state.take_fault(&request)
    };
    shared.changed.notify_all();
    if let Some(Fault::After(then)) = fault {
        let _ = route(&mut shared.lock(), &request);
        fault = Some(*then);
    }
    let answer = match fault {
        Some(Fault::Hang) => pending().await,
        Some(Fault::Drop) => return Err(io::ErrorKind::ConnectionAborted.into()),
        Some(Fault::Status(status, body)) => Answer::Json(status, body),
        Some(Fault::Raw(status, body)) => Answer::Raw(status, "text/html", body),
        Some(Fault::Delay(delay)) => {
            tokio::time::sleep(delay).await;
            route(&mut shared.lock(), &request)
        }
        Some(Fault::After(_)) => unreachable!("nothing goes wrong twice"),
        None => route(&mut shared.lock(), &request),
    };
    shared.changed.notify_all();
    let mut response = hyper::Response::builder();
    let (status, kind, body) = match answer {
        Answer::Json(status, body) => (status, "application/json", body.to_string()),
        Answer::Raw(status, kind, body) => (status, kind, body),
        Answer::Limited(seconds, body) => {
            response = response.header(RETRY_AFTER, seconds);
            (429, "application/json", body.to_string())
        }
    };
    let response = response.status(status).header(CONTENT_TYPE, kind);
    response.body(Full::new(body.into())).map_err(io::Error::other)
}

/// The throw-away certificate authority.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Makes one, with its certificate as PEM.
    pub(super) fn new() -> (Self, String) {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "copilot-remote tests");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate").pem();
        (Self { issuer: Issuer::new(params, key) }, certificate)
    }

    /// TLS as `host`, with a certificate made for this connection.
    fn acceptor(&self, host: &str) -> TlsAcceptor {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new([host.to_owned()]).expect("a host name");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key in PKCS#8");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key))
            .expect("a TLS configuration");
        TlsAcceptor::from(Arc::new(config))
    }
}
