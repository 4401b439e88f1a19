//! Looks for what a component has no business with: the network, the host's environment, capabilities without a grant.

use crate::Input;
use crate::probe::{Probe, Refusal};
use longhaul_sdk::{Failure, exec, http, memory};
use serde_json::{Value, json};
use std::fs;
use std::io::Read;
use std::net::{TcpListener, TcpStream, ToSocketAddrs, UdpSocket};

pub(crate) fn sockets(_: &Input) -> Result<Value, Failure> {
    let mut probe = Probe::default();
    for address in ["127.0.0.1:9", "[::1]:9", "10.0.0.1:80"] {
        probe.attempt(&format!("connect to {address}"), || TcpStream::connect(address).map(drop));
    }
    probe.attempt("listen", || TcpListener::bind("127.0.0.1:0").map(drop));
    probe.attempt("listen everywhere", || TcpListener::bind("0.0.0.0:8080").map(drop));
    probe.attempt("send a datagram", || {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.send_to(b"x", "127.0.0.1:9")
    });
    probe.attempt("look up a name", || ("localhost", 80).to_socket_addrs().map(|found| found.count()));
    Ok(probe.report())
}

pub(crate) fn surroundings(_: &Input) -> Result<Value, Failure> {
    let mut input = Vec::new();
    let read = std::io::stdin().read_to_end(&mut input);
    Ok(json!({
        "arguments": std::env::args().count(),
        "variables": std::env::vars().count(),
        "input": read.unwrap_or(0),
        "folder": wasip2::cli::environment::initial_cwd(),
        "preopens": wasip2::filesystem::preopens::get_directories().into_iter().map(|(_, name)| name).collect::<Vec<_>>(),
        "terminal": wasip2::cli::terminal_stdout::get_terminal_stdout().is_some(),
    }))
}

pub(crate) fn capabilities(_: &Input) -> Result<Value, Failure> {
    let mut probe = Probe::default();
    probe.attempt("exec", || exec::run(&exec::Command::new(["cat", "/etc/passwd"])).map(drop));
    probe.attempt("exec of nothing", || exec::run(&exec::Command::new(Vec::<String>::new())).map(drop));
    probe.attempt("http", || http::fetch(&http::Request::get("http://127.0.0.1:9/")).map(drop));
    probe.attempt("memory", || memory::get(memory::Scope::Workflow, "key").map(drop));
    Ok(probe.report())
}

/// Reads or writes a path by the plainest way there is. Whether it gets anywhere shows which wall stands.
pub(crate) fn breach(input: &Input) -> Result<Value, Failure> {
    let read = fs::read_to_string(&input.path).map_err(|error| error.word());
    Ok(json!({ "read": read.as_ref().ok(), "error": read.as_ref().err() }))
}
