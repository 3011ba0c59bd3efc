//! Ports and unix sockets: which can be had, and what is left of them.

use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

use tokio::net::UnixStream;

use super::*;

fn unix(path: &Path) -> Listen {
    Listen::Unix(path.to_owned())
}

#[tokio::test]
async fn a_unix_socket_is_for_its_group_and_gone_in_the_end() {
    let directory = Directory::new();
    let path = directory.0.join("didt.sock");
    let server = Running::at(&unix(&path), routes().0, Limits::default(), None).await;
    let found = std::fs::metadata(&path).expect("a socket");
    assert!(found.file_type().is_socket());
    assert_eq!(found.permissions().mode() & 0o777, 0o660);
    let mut stream = UnixStream::connect(&path).await.expect("a connection");
    send(&mut stream, &get_of("/peer")).await;
    assert!(answer(&mut stream).await.ends_with("Unix"));
    server.stopper.finish();
    server.ends().await;
    let left = std::fs::read_dir(&directory.0).expect("a directory").count();
    assert_eq!(left, 0, "nothing is left behind");
}

#[tokio::test]
async fn a_socket_that_a_dead_process_left_is_replaced() {
    let directory = Directory::new();
    let path = directory.0.join("didt.sock");
    // A listener of the standard library does not remove its file.
    drop(std::os::unix::net::UnixListener::bind(&path).expect("a socket"));
    assert!(path.exists());
    let server = Running::at(&unix(&path), routes().0, Limits::default(), None).await;
    let mut stream = UnixStream::connect(&path).await.expect("a connection");
    send(&mut stream, &get_of("/peer")).await;
    assert!(answer(&mut stream).await.starts_with("HTTP/1.1 200"));
    drop(server);
}

#[tokio::test]
async fn what_is_in_use_is_left_alone() {
    let directory = Directory::new();
    let path = directory.0.join("didt.sock");
    let server = Running::at(&unix(&path), routes().0, Limits::default(), None).await;
    let error = Bound::to(&unix(&path)).await.expect_err("in use").to_string();
    assert_eq!(error, format!("cannot listen on {path:?}: address already in use"));
    assert!(UnixStream::connect(&path).await.is_ok(), "the first one still listens");
    drop(server);

    let file = directory.0.join("data");
    std::fs::write(&file, "precious").expect("a file");
    let error = Bound::to(&unix(&file)).await.expect_err("no socket").to_string();
    assert_eq!(error, format!("cannot listen on {file:?}: the path exists and is not a socket"));
    assert_eq!(std::fs::read_to_string(&file).expect("a file"), "precious");

    let taken = Bound::to(&Listen::Tcp(([127, 0, 0, 1], 0).into())).await.expect("a port");
    let Listen::Tcp(address) = taken.at() else { panic!("a port") };
    assert_ne!(address.port(), 0, "the real one");
    let error = Bound::to(taken.at()).await.expect_err("taken").to_string();
    assert_eq!(error, format!("cannot listen on {address}: address already in use"));
}

#[tokio::test]
async fn somebody_elses_socket_is_not_removed() {
    let directory = Directory::new();
    let path = directory.0.join("didt.sock");
    let bound = Bound::to(&unix(&path)).await.expect("a socket");
    std::fs::remove_file(&path).expect("a file");
    let _successor = std::os::unix::net::UnixListener::bind(&path).expect("a socket");
    drop(bound);
    assert!(path.exists());
}

#[tokio::test]
async fn a_place_that_cannot_be_is_an_error_of_one_line() {
    let nowhere = Path::new("/nonexistent/didt.sock");
    let long = format!("/tmp/{}", "x".repeat(200));
    for path in [nowhere, Path::new(&long)] {
        let error = Bound::to(&unix(path)).await.expect_err("nowhere").to_string();
        assert!(error.starts_with("cannot listen on ") && !error.contains('\n'), "{error}");
    }
    // TEST-NET-1, RFC 5737: no machine has it.
    let elsewhere = Listen::Tcp(([192, 0, 2, 1], 0).into());
    let error = Bound::to(&elsewhere).await.expect_err("not ours").to_string();
    assert_eq!(error, "cannot listen on 192.0.2.1:0: this machine has no such address");
}
