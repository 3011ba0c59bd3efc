//! HTTP/2 over TLS, as browsers speak it, at the gateways that end TLS themselves: the host is in
//! `:authority`, in `Host`, or in both, and holds whatever a client writes.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConnection, StreamOwned};
use tower_didt_test_support::certificate::{Certificate, trusting};

use crate::behaviour::HOSTS_WITH_MORE_IN_THEM;
use crate::caddy::CADDY;
use crate::envoy::envoy;
use crate::haproxy::HAPROXY;
use crate::nginx::NGINX;
use crate::support::{Change, Gateway, Site, Store, needs};
use crate::traefik::TRAEFIK;

static CERTIFICATE: LazyLock<Certificate> = LazyLock::new(|| Certificate::of("localhost"));

/// Long enough for an answer. Only a gateway that gives none at all makes a test wait that long.
const PATIENCE: Duration = Duration::from_secs(10);

/// Puts the certificate where the gateway looks for it.
fn certify(directory: &Path) {
    CERTIFICATE.write(&directory.join("site.crt"), &directory.join("site.key"));
    let both = format!("{}{}", CERTIFICATE.pem, CERTIFICATE.key);
    std::fs::write(directory.join("site.pem"), both).expect("a file");
}

/// The same gateway, in a directory with a certificate.
macro_rules! certified {
    ($gateway:expr) => {
        Gateway {
            command: Some(|program, directory| {
                certify(directory);
                let command = $gateway.command.expect("it is started");
                command(program, directory)
            }),
            // Over TLS only, which `tricks` waits for.
            listens_early: false,
            ..$gateway
        }
    };
}

#[test]
fn nginx_opens_nothing_by_what_is_in_a_host() {
    needs!(NGINX.program);
    let tls = "listen 127.0.0.1:8080 ssl http2;\n    ssl_certificate site.crt;\n    \
               ssl_certificate_key site.key;";
    tricks(&certified!(NGINX), &[("didt.conf", "listen 127.0.0.1:8080;", tls)]);
}

#[test]
fn caddy_opens_nothing_by_what_is_in_a_host() {
    needs!(CADDY.program);
    let tls = "https://:8080 {\n\ttls site.crt site.key";
    tricks(&certified!(CADDY), &[("Caddyfile", "http://:8080 {", tls)]);
}

#[test]
fn haproxy_opens_nothing_by_what_is_in_a_host() {
    needs!(HAPROXY.program);
    let tls = "bind 127.0.0.1:8080 ssl crt site.pem alpn h2,http/1.1";
    tricks(&certified!(HAPROXY), &[("haproxy.cfg", "bind 127.0.0.1:8080", tls)]);
}

const ENVOY_TLS: &str = "      filter_chains:
        - transport_socket:
            name: envoy.transport_sockets.tls
            typed_config:
              \"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
              common_tls_context:
                alpn_protocols: [h2, http/1.1]
                tls_certificates:
                  - certificate_chain: { filename: site.crt }
                    private_key: { filename: site.key }
          filters:
";

const ENVOY_PLAIN: &str = "      filter_chains:\n        - filters:\n";

#[test]
fn envoy_opens_nothing_by_what_is_in_a_host() {
    needs!("envoy");
    tricks(&certified!(envoy("envoy-http")), &[("envoy.yaml", ENVOY_PLAIN, ENVOY_TLS)]);
    tricks(&certified!(envoy("envoy-grpc")), &[("envoy.yaml", ENVOY_PLAIN, ENVOY_TLS)]);
}

#[test]
fn traefik_opens_nothing_by_what_is_in_a_host() {
    needs!(TRAEFIK.program);
    let (address, routers) = ("    address: 127.0.0.1:8080\n", "http:\n  routers:\n");
    let tls = format!("{address}    http:\n      tls: {{}}\n");
    let certificate = format!(
        "tls:\n  stores:\n    default:\n      defaultCertificate: \
         {{ certFile: site.crt, keyFile: site.key }}\n{routers}"
    );
    let changes = [("traefik.yml", address, &*tls), ("dynamic.yml", routers, &*certificate)];
    tricks(&certified!(TRAEFIK), &changes);
}

/// Nothing in a host opens what is private, wherever the host is said.
fn tricks(gateway: &Gateway, over_tls: &[Change<'_>]) {
    let site = Site::with(gateway, Store::Memory, over_tls);
    let (own, port) = (site.host(), site.port());
    // A request as it should be reaches the application, or nothing below would say anything.
    let public_fields = [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", &own),
        (":path", "/public/hello"),
    ];
    let deadline = Instant::now() + PATIENCE;
    let public = loop {
        let public = answer(port, &public_fields);
        if reached(&public) || Instant::now() > deadline {
            break public;
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    assert!(reached(&public), "{}: {public:?}", gateway.name);
    // All hosts at a time: Envoy takes a second to close the connection of what it refuses.
    std::thread::scope(|scope| {
        for host in HOSTS_WITH_MORE_IN_THEM {
            let own = &own;
            scope.spawn(move || opens_nothing(gateway.name, port, own, host));
        }
    });
}

fn opens_nothing(gateway: &str, port: u16, own: &str, host: &str) {
    let [method, scheme] = [(":method", "GET"), (":scheme", "https")];
    let path = (":path", "/orders");
    for fields in [
        &[method, scheme, (":authority", host), path][..],
        &[method, scheme, path, ("host", host)],
        &[method, scheme, (":authority", own), path, ("host", host)],
        &[method, scheme, (":authority", host), path, ("host", own)],
        &[method, scheme, (":authority", own), (":authority", host), path],
        &[method, scheme, path, ("host", own), ("host", host)],
        &[method, (":scheme", host), (":authority", own), path],
        &[(":method", "POST"), scheme, (":authority", host), path],
    ] {
        let text = answer(port, fields);
        // HAProxy makes one URL of authority and path, and reads the path out of that: then the
        // application has to be asked for what was checked, which anybody could have asked for.
        let is_public = text.contains("\"target\":\"/public/");
        assert!(!reached(&text) || is_public, "{gateway}, {fields:?}: {text}");
    }
}

/// Whether it is the application's answer.
fn reached(answer: &str) -> bool {
    answer.contains("\"body_bytes\"")
}

/// The bodies of all that comes back for a request with these fields, which are sent as they are.
fn answer(port: u16, fields: &[(&str, &str)]) -> String {
    let mut config = trusting(&[&CERTIFICATE]);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let name = ServerName::try_from("localhost").expect("a name");
    let tls = ClientConnection::new(Arc::new(config), name).expect("a client");
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut stream = StreamOwned::new(tls, stream);
    let head = fields.iter().flat_map(|(name, value)| literal(name, value)).collect::<Vec<u8>>();
    let request = [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        frame(SETTINGS, 0, 0, &[]),
        frame(HEADERS, END_STREAM | END_HEADERS, 1, &head),
    ];
    let mut bodies = Vec::new();
    if stream.write_all(&request.concat()).is_ok() {
        read_bodies(&mut stream, &mut bodies);
    }
    String::from_utf8_lossy(&bodies).into_owned()
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// RFC 9113 section 4.1.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a length").to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A field without an index and without Huffman's code (RFC 7541 section 6.2.2).
fn literal(name: &str, value: &str) -> Vec<u8> {
    let mut field = vec![0];
    for text in [name, value] {
        // One byte for each character, as a client may send it.
        let bytes: Vec<u8> = text.chars().filter_map(|c| u8::try_from(u32::from(c)).ok()).collect();
        field.push(u8::try_from(bytes.len()).ok().filter(|length| *length < 127).expect("short"));
        field.extend(bytes);
    }
    field
}

/// Until the answer ends, in whichever way.
fn read_bodies(stream: &mut impl Read, bodies: &mut Vec<u8>) {
    loop {
        let mut head = [0; 9];
        if stream.read_exact(&mut head).is_err() {
            return;
        }
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).expect("a length")];
        if stream.read_exact(&mut payload).is_err() {
            return;
        }
        let (kind, flags) = (head[3], head[4]);
        if kind == DATA {
            bodies.extend(payload);
        }
        let ends = matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0;
        if ends || matches!(kind, RST_STREAM | GOAWAY) {
            return;
        }
    }
}
