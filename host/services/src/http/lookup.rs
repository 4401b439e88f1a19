//! Names of hosts, and the machines that they stand for.

use longhaul_core::reach::BoxFuture;
use longhaul_core::web::{Address, is_public};
use std::io;
use std::net::{IpAddr, SocketAddr};

/// The most machines of one name that are tried.
const MAX_MACHINES: usize = 16;

/// Looks names up.
pub trait Lookup: Send + Sync {
    /// The machines that a name stands for.
    fn find<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>>;
}

/// Looks names up as this machine does.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemLookup;

impl Lookup for SystemLookup {
    fn find<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.map(|at| at.ip()).collect()) })
    }
}

/// Where an address leads, or why nobody goes there.
pub(super) async fn machines(lookup: &dyn Lookup, address: &Address) -> Result<Vec<SocketAddr>, String> {
    let port = address.port();
    // Its grant names it as it is: that was looked at before.
    if let Some(ip) = address.ip() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let host = address.host();
    let found = lookup.find(host).await.map_err(|error| format!("the name `{host}` cannot be looked up: {error}"))?;
    // One that is not as it should be makes all of them suspect: whoever answers for the name says what it likes.
    let wrong = |ip: &&IpAddr| if address.is_localhost() { !ip.is_loopback() } else { !is_public(**ip) };
    if let Some(ip) = found.iter().find(wrong) {
        let what = if address.is_localhost() { "is not this machine" } else { "is no public address" };
        return Err(format!(
            "the name `{host}` stands for {ip}, which {what}; such a machine is asked only by its address, where the grant names that"
        ));
    }
    if found.is_empty() {
        return Err(format!("the name `{host}` stands for no machine"));
    }
    Ok(found.into_iter().take(MAX_MACHINES).map(|ip| SocketAddr::new(ip, port)).collect())
}
