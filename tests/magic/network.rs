//! The built-in transport: TLS with a private CA, a proxy in between, the stub as a server.

use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{ServerConfig, crypto::ring};
use tower_didt::magic::{AdminApi, Magic, MagicConfigError, MagicError, Transport};
use tower_didt::testing::{self, Fault};
use tower_didt_test_support::child::{Run, Running};
use tower_didt_test_support::directory::Directory;
use tower_didt_test_support::missing;
use tower_didt_test_support::redis::free_port;

use super::support::{APP, KEY, NOW, ada, stub};

#[tokio::test]
async fn the_stub_serves_other_processes() {
    let stub = stub();
    let server = stub.serve().await.expect("a server");
    let api = AdminApi::new(KEY.parse().expect("a key")).expect("a transport");
    let api = api.with_url(&server.url()).expect("a loopback URL");
    assert_eq!(api.client_id().await.expect("a client id"), APP);
    assert!(api.user(ada(), NOW).await.expect("Ada").email().is_some());
    api.sign_out(ada()).await.expect("signed out");
    assert_eq!(stub.signed_out(), [ada()]);
    // A connection that breaks is made again.
    stub.fail_next(Fault::Reset);
    api.user(ada(), NOW).await.expect("the second time");
    drop(server);
    let error = api.user(ada(), NOW).await.expect_err("nobody listens");
    assert_eq!(error.name(), "unavailable");
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_the_key_goes_nowhere_else() {
    let (stub, elsewhere) = (stub(), stub());
    let (server, other) = (stub.serve().await.unwrap(), elsewhere.serve().await.unwrap());
    stub.fail_always(Some(Fault::Redirect(format!("{}/v1/admin/client", other.url()))));
    let api = AdminApi::new(KEY.parse().expect("a key")).expect("a transport");
    let api = api.with_url(&server.url()).expect("a loopback URL");
    let error = api.client_id().await.expect_err("a redirect");
    assert_eq!(error.name(), "not_understood");
    assert_eq!(elsewhere.calls(), 0);
}

/// A certificate authority, and the stub behind TLS with a certificate of it for localhost.
struct Tls {
    authority: String,
    port: u16,
}

async fn serve_tls(stub: testing::Magic) -> Tls {
    serve_tls_as(stub, &["localhost"]).await
}

async fn serve_tls_as(stub: testing::Magic, names: &[&str]) -> Tls {
    let mut authority = CertificateParams::new(Vec::<String>::new()).expect("parameters");
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().expect("a key"))
        .expect("a certificate");
    let key = KeyPair::generate().expect("a key");
    let certificate =
        CertificateParams::new(names.iter().copied().map(str::to_owned).collect::<Vec<_>>())
            .expect("parameters")
            .signed_by(&key, &authority)
            .expect("a certificate");
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .expect("a configuration");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, stub) = (acceptor.clone(), stub.clone());
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    let service = TowerToHyperService::new(stub);
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                }
            });
        }
    });
    Tls { authority: authority.pem(), port }
}

#[tokio::test]
async fn a_private_authority_is_trusted_where_it_is_named_and_nowhere_else() {
    let stub = stub();
    let tls = serve_tls(stub.clone()).await;
    let url = |host: &str| format!("https://{host}:{}", tls.port);
    let key = || KEY.parse().expect("a key");

    let transport = Transport::with_root_certificates(&tls.authority).expect("a transport");
    let trusting = AdminApi::with_service(transport, key());
    let api = trusting.clone().with_url(&url("localhost")).expect("a URL");
    let magic = Magic::over(api);
    assert!(magic.user(ada()).await.expect("Ada").email().is_some());

    // The certificate is for another name, and another authority signed it.
    let other_name = trusting.with_url(&url("127.0.0.1")).expect("a URL");
    let stranger = serve_tls(stub.clone()).await;
    let other_roots = Transport::with_root_certificates(&stranger.authority).expect("a transport");
    let other_roots =
        AdminApi::with_service(other_roots, key()).with_url(&url("localhost")).expect("a URL");
    for api in [other_name, other_roots] {
        let error = api.user(ada(), NOW).await.expect_err("not trusted");
        assert!(matches!(error, MagicError::Unavailable(_)), "{error}");
    }
    assert_eq!(stub.calls(), 1, "the key was sent to a server that is not trusted");
    for bad in ["", "no PEM"] {
        let error = Transport::with_root_certificates(bad).expect_err("no certificates");
        assert_eq!(error, MagicConfigError::UnusableRoots);
    }
}

#[tokio::test]
async fn plain_http_is_for_this_machine_only() {
    let api = AdminApi::new(KEY.parse().expect("a key")).expect("a transport");
    for bad in
        ["http://api.magic.link", "http://10.0.0.1:80", "http://example.com", "ftp://localhost"]
    {
        let error = api.clone().with_url(bad).expect_err(bad);
        assert_eq!(error, MagicConfigError::InvalidApiUrl);
    }
    // A connection that takes for ever costs no more than the budget.
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let api = api.with_time_budget(Duration::from_millis(50)).with_url(&url).expect("a URL");
    assert_eq!(api.client_id().await.expect_err("silence").name(), "timed_out");
}

/// A proxy that makes tunnels, and remembers what it was asked for.
async fn proxy() -> (u16, Arc<Mutex<Vec<String>>>) {
    proxy_to(None).await
}

/// The same, with all names being this machine's if there is a port.
async fn proxy_to(port: Option<u16>) -> (u16, Arc<Mutex<Vec<String>>>) {
    let to = port.map(|port| format!("127.0.0.1:{port}"));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let heads: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&heads);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let (seen, to) = (Arc::clone(&seen), to.clone());
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(client.read_u8().await?);
                }
                let head = String::from_utf8_lossy(&head).into_owned();
                let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
                seen.lock().expect("a lock").push(head);
                let mut server = TcpStream::connect(to.unwrap_or(target)).await?;
                client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
                tokio::io::copy_bidirectional(&mut client, &mut server).await
            });
        }
    });
    (port, heads)
}

/// Asks in a process of its own, since the environment is a process's.
async fn ask_in_child(tls: &Tls, environment: &[(&str, String)]) -> std::process::Output {
    ask_host_in_child("localhost", tls, environment).await
}

async fn ask_host_in_child(
    host: &str,
    tls: &Tls,
    environment: &[(&str, String)],
) -> std::process::Output {
    let folder = Directory::new();
    let roots = folder.0.join("roots.pem");
    std::fs::write(&roots, &tls.authority).expect("written");
    let mut child = Command::new(std::env::current_exe().expect("this program"));
    child.args(["--exact", "network::asks_with_this_environment", "--ignored", "--nocapture"]);
    for name in ["ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"] {
        child.env_remove(name).env_remove(name.to_lowercase());
    }
    child.env("MAGIC_TEST_URL", format!("https://{host}:{}", tls.port));
    child.env("SSL_CERT_FILE", roots).env_remove("SSL_CERT_DIR");
    child.envs(environment.iter().map(|(name, value)| (name, value)));
    let output = tokio::task::spawn_blocking(move || child.output()).await;
    output.expect("no panic").expect("a child")
}

#[tokio::test]
#[ignore = "run by the tests below, with an environment"]
async fn asks_with_this_environment() {
    let Ok(url) = std::env::var("MAGIC_TEST_URL") else { return };
    let api = AdminApi::new(KEY.parse().expect("a key")).expect("a transport");
    let api = api.with_url(&url).expect("a URL");
    let user = api.user(ada(), NOW).await.expect("Ada");
    println!("asked: {}", user.email().expect("an address"));
}

#[tokio::test]
async fn connections_go_through_the_proxy_that_the_environment_names() {
    let stub = stub();
    let tls = serve_tls(stub.clone()).await;
    let (port, heads) = proxy().await;
    let url = format!("http://ada:secret@127.0.0.1:{port}");
    for (name, used) in
        [("HTTPS_PROXY", 1), ("https_proxy", 2), ("ALL_PROXY", 3), ("HTTP_PROXY", 3)]
    {
        let output = ask_in_child(&tls, &[(name, url.clone())]).await;
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("asked: Ada@example.com"), "{name}: {said}");
        assert_eq!(heads.lock().expect("a lock").len(), used, "{name}");
    }
    for exception in ["localhost", "*", "example.com,localhost"] {
        let exceptions = [("HTTPS_PROXY", url.clone()), ("NO_PROXY", exception.to_owned())];
        let output = ask_in_child(&tls, &exceptions).await;
        assert!(String::from_utf8_lossy(&output.stdout).contains("asked: "), "{exception}");
    }
    let heads = heads.lock().expect("a lock");
    assert_eq!(heads.len(), 3, "a host of NO_PROXY was reached through the proxy");
    for head in heads.iter() {
        assert!(
            head.starts_with(&format!("CONNECT localhost:{} HTTP/1.1\r\n", tls.port)),
            "{head}"
        );
        assert!(head.contains("Proxy-Authorization: Basic YWRhOnNlY3JldA=="), "{head}");
        // The proxy sees where it goes, and neither the key nor who is asked about.
        assert!(!head.contains(KEY) && !head.contains("did:ethr"), "{head}");
    }
}

/// The forms that curl and Go understand: a domain with all below it, an address, a network.
#[tokio::test]
async fn exceptions_of_the_proxy_are_domains_addresses_and_networks() {
    const HOST: &str = "api.magic.invalid";
    let names = [HOST, "127.0.0.1"];
    let tls = serve_tls_as(stub(), &names).await;
    let (port, heads) = proxy_to(Some(tls.port)).await;
    let url = format!("http://127.0.0.1:{port}");
    for (exceptions, host, through) in [
        ("", HOST, true),
        ("magic.invalid", HOST, false),
        (".magic.invalid", HOST, false),
        (".MAGIC.Invalid", HOST, false),
        (" .example.com , .invalid ", HOST, false),
        (HOST, HOST, false),
        (".api.magic.invalid", HOST, false),
        ("*", HOST, false),
        // No part of a label, nothing above or beside it, and no other wildcard.
        ("agic.invalid", HOST, true),
        ("www.api.magic.invalid", HOST, true),
        ("magic.invalid.example.com", HOST, true),
        ("*.magic.invalid", HOST, true),
        ("127.0.0.0/8", "127.0.0.1", false),
        ("10.0.0.0/8, 127.0.0.1", "127.0.0.1", false),
        ("127.0.0.1/32", "127.0.0.1", false),
        ("*", "127.0.0.1", false),
        ("example.com, *", "127.0.0.1", false),
        ("10.0.0.0/8", "127.0.0.1", true),
        ("127.0.0.2, 127.0.1.0/24", "127.0.0.1", true),
        // A network is of addresses in the URL: names are not looked up for it.
        ("127.0.0.0/8", HOST, true),
    ] {
        let before = heads.lock().expect("a lock").len();
        let environment = [("HTTPS_PROXY", url.clone()), ("NO_PROXY", exceptions.to_owned())];
        let output = ask_host_in_child(host, &tls, &environment).await;
        let said = String::from_utf8_lossy(&output.stdout);
        let used = heads.lock().expect("a lock").len() > before;
        assert_eq!(used, through, "{exceptions:?} and {host}");
        // Nobody has a name in `invalid`, but for the proxy.
        let answered = through || host == "127.0.0.1";
        assert_eq!(said.contains("asked: "), answered, "{exceptions:?} and {host}: {output:?}");
    }
}

#[tokio::test]
async fn a_proxy_that_cannot_be_used_is_an_error_at_the_start() {
    let tls = serve_tls(stub()).await;
    for proxy in ["socks5://127.0.0.1:1", "https://127.0.0.1:1"] {
        let output = ask_in_child(&tls, &[("HTTPS_PROXY", proxy.to_owned())]).await;
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("UnsupportedProxy"), "{proxy}: {said}");
    }
}

/// tinyproxy, which allows tunnels to this port only; `None` where it is not installed.
fn tinyproxy(folder: &Directory, to: u16) -> Option<(u16, Running)> {
    let port = free_port();
    let config = folder.0.join("tinyproxy.conf");
    let text = format!(
        "Port {port}\nListen 127.0.0.1\nTimeout 10\nConnectPort {to}\nBasicAuth ada secret\n"
    );
    std::fs::write(&config, text).expect("written");
    let mut command = Command::new("tinyproxy");
    command.arg("-d").arg("-c").arg(config).stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(child) = command.run() else {
        missing("a real proxy", "tinyproxy", &["TOWER_DIDT_REQUIRE_PROXY"]);
        return None;
    };
    for _ in 0..500 {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Some((port, child));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("tinyproxy does not listen");
}

#[tokio::test]
async fn a_real_proxy_makes_the_tunnel_or_says_why_not() {
    let stub = stub();
    let (tls, forbidden) = (serve_tls(stub.clone()).await, serve_tls(stub.clone()).await);
    let folder = Directory::new();
    let Some((port, _child)) = tinyproxy(&folder, tls.port) else { return };
    let through = |user: &str| [("HTTPS_PROXY", format!("http://{user}@127.0.0.1:{port}"))];
    let output = ask_in_child(&tls, &through("ada:secret")).await;
    assert!(String::from_utf8_lossy(&output.stdout).contains("asked: Ada@example.com"));
    assert_eq!(stub.calls(), 1);
    // Neither refusal of the proxy is an answer of Magic's, and none goes round it.
    for (tls, user) in [(&tls, "ada:wrong"), (&forbidden, "ada:secret")] {
        let output = ask_in_child(tls, &through(user)).await;
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains("Unavailable"), "{said}");
        assert!(!said.contains("secret") && !said.contains(KEY), "{said}");
    }
    assert_eq!(stub.calls(), 1);
}
