//! Sockets: no plugin gets one. Each try is refused and recorded.
//!
//! Toolchains of other languages import WASI's sockets whether they use them or not, so the functions are there. The ones
//! that would hand out a socket or an address are replaced by these; the others need what these never give.

use crate::audit::{Audit, Deed};
use longhaul_core::grant::{Capability, Denial};
use wasmtime::component::{HasData, Resource, ResourceTable};
use wasmtime_wasi::p2::bindings::sockets::ip_name_lookup::{self, ResolveAddressStream};
use wasmtime_wasi::p2::bindings::sockets::network::{self, ErrorCode, IpAddress, IpAddressFamily, Network};
use wasmtime_wasi::p2::bindings::sockets::{tcp_create_socket, udp_create_socket};
use wasmtime_wasi::p2::{DynPollable, SocketError, SocketResult, TcpSocket, UdpSocket, subscribe};

/// What the refused functions reach.
pub(crate) struct Sockets<'a> {
    pub(crate) audit: &'a Audit,
    pub(crate) table: &'a mut ResourceTable,
}

/// Selects [`Sockets`] for the linker.
pub(crate) struct HasSockets;

impl HasData for HasSockets {
    type Data<'a> = Sockets<'a>;
}

impl Sockets<'_> {
    /// Records the try; gives what the guest is told.
    fn refuse(&self, operation: &'static str, resource: String) -> SocketError {
        let denial = Denial {
            capability: Capability::Http,
            resource,
            grant: String::new(),
            reason: "plugins have no sockets; hosts are reached through the capability `http`".to_owned(),
        };
        match self.audit.action(Deed::new(Capability::Http, operation, denial.resource.clone()).denied(&denial)) {
            Ok(()) => ErrorCode::AccessDenied.into(),
            Err(error) => SocketError::trap(error),
        }
    }
}

/// How the functions below give their errors to the guest.
impl network::Host for Sockets<'_> {
    fn convert_error_code(&mut self, error: SocketError) -> wasmtime::Result<ErrorCode> {
        error.downcast()
    }

    fn network_error_code(&mut self, _: Resource<wasmtime::Error>) -> wasmtime::Result<Option<ErrorCode>> {
        Ok(None)
    }
}

impl network::HostNetwork for Sockets<'_> {
    fn drop(&mut self, network: Resource<Network>) -> wasmtime::Result<()> {
        self.table.delete(network)?;
        Ok(())
    }
}

impl tcp_create_socket::Host for Sockets<'_> {
    fn create_tcp_socket(&mut self, _: IpAddressFamily) -> SocketResult<Resource<TcpSocket>> {
        Err(self.refuse("socket", "tcp".to_owned()))
    }
}

impl udp_create_socket::Host for Sockets<'_> {
    async fn create_udp_socket(&mut self, _: IpAddressFamily) -> SocketResult<Resource<UdpSocket>> {
        Err(self.refuse("socket", "udp".to_owned()))
    }
}

impl ip_name_lookup::Host for Sockets<'_> {
    fn resolve_addresses(
        &mut self,
        _: Resource<Network>,
        name: String,
    ) -> SocketResult<Resource<ResolveAddressStream>> {
        Err(self.refuse("resolve", name))
    }
}

/// Never reached, because no stream is ever handed out; a made-up handle is an error of the table.
impl ip_name_lookup::HostResolveAddressStream for Sockets<'_> {
    fn resolve_next_address(&mut self, stream: Resource<ResolveAddressStream>) -> SocketResult<Option<IpAddress>> {
        self.table.get(&stream)?;
        Ok(None)
    }

    fn subscribe(&mut self, stream: Resource<ResolveAddressStream>) -> wasmtime::Result<Resource<DynPollable>> {
        subscribe(self.table, stream)
    }

    fn drop(&mut self, stream: Resource<ResolveAddressStream>) -> wasmtime::Result<()> {
        self.table.delete(stream)?;
        Ok(())
    }
}
