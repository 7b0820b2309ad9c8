//! Group keys from a domain controller: the endpoint mapper for the port, then GetKey over a connection that
//! Kerberos seals (laps-behaviour.md 7.10; MS-RPCE 3.3.1.5.2.2, with the three-legged exchange of DCE).

use crate::{Connection, Error, discovery::Names, kerberos::Login};
use dpapi::{
    Sid,
    gkdi::GroupKeyEnvelope,
    rpc::{
        self, BindAck, BindError, Fragment, HEADER_BYTES, Interface, Mechanism, SealedRequest, Security, Stub, Syntax,
        endpoint, get_key,
    },
    target_descriptor,
};
use laps::time::Timestamp;
use libgssapi::{
    context::{ClientCtx, CtxFlags, SecurityContext as _},
    util::{GssIov, GssIovFake, GssIovType},
};
use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use zeroize::Zeroizing;

pub use dpapi::rpc::get_key::Wanted;

const ENDPOINT_MAPPER_PORT: u16 = 135;
/// GSS_C_DCE_STYLE, which `libgssapi` does not name.
const DCE_STYLE: CtxFlags = CtxFlags::from_bits_retain(0x1000);
const SECURITY: Security = Security { mechanism: Mechanism::Kerberos, context_id: 1 };
const DOING: &str = "asking for a group key";

/// The newest group keys by principal, each until its interval ends. It lives in memory only.
#[derive(Default)]
pub struct KeyCache {
    newest: HashMap<Sid, GroupKeyEnvelope>,
}

impl KeyCache {
    /// The key to encrypt with for a principal: the cached one, else the one that the domain gives.
    ///
    /// # Errors
    /// Those of [`Connection::group_key`].
    pub async fn newest(
        &mut self,
        connection: &mut Connection,
        principal: &Sid,
        now: Timestamp,
    ) -> Result<GroupKeyEnvelope, Error> {
        self.newest.retain(|_, envelope| envelope.index.starts_at() <= now && now < envelope.index.ends_at());
        if let Some(envelope) = self.newest.get(principal) {
            return Ok(envelope.clone());
        }
        let envelope = connection.group_key(principal, Wanted::Newest).await?;
        self.newest.insert(principal.clone(), envelope.clone());
        Ok(envelope)
    }

    /// Whether there is a key for a principal now, so that nobody need be asked.
    pub fn has(&self, principal: &Sid, now: Timestamp) -> bool {
        self.newest.get(principal).is_some_and(|envelope| now < envelope.index.ends_at())
    }
}

impl core::fmt::Debug for KeyCache {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "KeyCache({} keys, redacted)", self.newest.len())
    }
}

impl Connection {
    /// A group key of a principal, from this domain controller, else from the others of the domain.
    ///
    /// # Errors
    /// [`Error::NoKeyService`] when none offers the service, [`Error::KeyRefused`], and those of the connection.
    pub async fn group_key(&mut self, principal: &Sid, wanted: Wanted) -> Result<GroupKeyEnvelope, Error> {
        if self.login.is_none() {
            self.login = Some(Login::new(&self.settings).await?);
        }
        let Some(login) = &self.login else { return Err(Error::NoTickets { detail: String::new() }) };
        let limit = self.settings.timeout;
        let (host, address) = (self.controller.host.as_str(), self.controller.address);
        let first = match ask(login, host, address, principal, wanted, limit).await {
            Err(error) if is_of_the_controller(&error) => error,
            answered => return answered,
        };
        let names = Names::new(self.settings.dns, limit)?;
        for other in &self.others {
            let Ok(addresses) = names.addresses(&other.host).await else { continue };
            for address in addresses {
                match ask(login, &other.host, address, principal, wanted, limit).await {
                    Err(error) if is_of_the_controller(&error) => {}
                    answered => return answered,
                }
            }
        }
        Err(first)
    }
}

/// Whether another domain controller may answer what this one did not.
const fn is_of_the_controller(error: &Error) -> bool {
    matches!(
        error,
        Error::NoKeyService { .. }
            | Error::Unreachable { .. }
            | Error::TimedOut { .. }
            | Error::BrokeOff { .. }
            | Error::Malformed { .. }
            | Error::ServiceUnknown { .. }
    )
}

async fn ask(
    login: &Login,
    host: &str,
    address: IpAddr,
    principal: &Sid,
    wanted: Wanted,
    limit: Duration,
) -> Result<GroupKeyEnvelope, Error> {
    let asked = tokio::time::timeout(limit, async {
        let port = port(host, address).await?;
        get_key(login, host, SocketAddr::new(address, port), principal, wanted).await
    });
    asked.await.unwrap_or_else(|_| Err(Error::TimedOut { controller: host.to_owned(), doing: DOING }))
}

/// Where the domain controller's service for group keys listens.
async fn port(host: &str, address: IpAddr) -> Result<u16, Error> {
    let mut wire = Wire::connect(host, SocketAddr::new(address, ENDPOINT_MAPPER_PORT)).await?;
    let offered = [endpoint::SYNTAX];
    wire.send(&rpc::bind(1, Interface::ENDPOINT_MAPPER, &offered, None).map_err(|error| wire.malformed(error))?)
        .await?;
    let bytes = wire.receive().await?;
    let fragment = wire.fragment(&bytes)?;
    let ack = BindAck::from_fragment(&fragment).map_err(|error| wire.refused(error))?;
    let (context, _) = ack.context(&offered).ok_or_else(|| wire.no_service("its endpoint mapper does not answer"))?;
    let question = endpoint::request_stub(Interface::GROUP_KEYS);
    wire.send(&rpc::request(2, context, endpoint::OPERATION, &question).map_err(|error| wire.malformed(error))?)
        .await?;
    let mut stub = Stub::new(2);
    loop {
        let bytes = wire.receive().await?;
        let fragment = wire.fragment(&bytes)?;
        wire.check_fault(&fragment)?;
        if stub.push(&fragment).map_err(|error| wire.malformed(error))? {
            break;
        }
    }
    endpoint::port(Interface::GROUP_KEYS, stub.bytes()).map_err(|error| wire.no_service(&error.to_string()))
}

async fn get_key(
    login: &Login,
    host: &str,
    address: SocketAddr,
    principal: &Sid,
    wanted: Wanted,
) -> Result<GroupKeyEnvelope, Error> {
    let flags = DCE_STYLE
        | CtxFlags::GSS_C_MUTUAL_FLAG
        | CtxFlags::GSS_C_REPLAY_FLAG
        | CtxFlags::GSS_C_SEQUENCE_FLAG
        | CtxFlags::GSS_C_CONF_FLAG
        | CtxFlags::GSS_C_INTEG_FLAG;
    let (mut context, token) = login.context(&format!("host/{host}"), flags).await?;
    let mut wire = Wire::connect(host, address).await?;
    let offered = [Syntax::Ndr64, Syntax::Ndr];
    let first = rpc::bind(1, Interface::GROUP_KEYS, &offered, Some((SECURITY, &token)));
    wire.send(&first.map_err(|error| wire.malformed(error))?).await?;
    let bytes = wire.receive().await?;
    let fragment = wire.fragment(&bytes)?;
    let ack = BindAck::from_fragment(&fragment).map_err(|error| wire.refused(error))?;
    let (call_context, syntax) =
        ack.context(&offered).ok_or_else(|| wire.no_service("it takes none of the layouts of arguments"))?;
    if !fragment.header_signing {
        return Err(wire.no_service("it does not sign headers"));
    }
    let answer = fragment.token.ok_or_else(|| wire.no_service("it does not prove who it is"))?;
    let last = context.step(Some(answer), None).map_err(|error| login.error(DOING, error))?;
    let last = last.map(|token| token.to_vec()).unwrap_or_default();
    let altered = rpc::alter_context(1, Interface::GROUP_KEYS, &[syntax], SECURITY, &last);
    wire.send(&altered.map_err(|error| wire.malformed(error))?).await?;
    let bytes = wire.receive().await?;
    BindAck::from_fragment(&wire.fragment(&bytes)?).map_err(|error| wire.refused(error))?;

    let question = get_key::request_stub(syntax, &target_descriptor(principal), wanted);
    let token_bytes = token_bytes(&mut context).map_err(|error| login.error(DOING, error))?;
    let called = (call_context, syntax);
    let request =
        SealedRequest::new(2, Interface::GROUP_KEYS, called, get_key::OPERATION, &question, SECURITY, token_bytes);
    let mut request = request.map_err(|error| wire.malformed(error))?;
    let token = seal(&mut context, &mut request).map_err(|error| login.error(DOING, error))?;
    let sealed = request.into_bytes(&token).ok_or_else(|| wire.no_service("the sealed question is too long"))?;
    wire.send(&sealed).await?;

    let mut stub = Stub::new(2);
    loop {
        let bytes = wire.receive().await?;
        let fragment = wire.fragment(&bytes)?;
        wire.check_fault(&fragment)?;
        let sealed = fragment.sealed().map_err(|error| wire.malformed(error))?;
        let (mut header, mut trailer, mut token) =
            (sealed.header.to_vec(), sealed.trailer.to_vec(), sealed.token.to_vec());
        let mut data = Zeroizing::new(sealed.data.to_vec());
        let mut parts = parts(&mut header, &mut data, &mut trailer, &mut token);
        context.unwrap_iov(&mut parts).map_err(|error| login.error(DOING, error))?;
        drop(parts);
        if stub.push_opened(&fragment, &data, sealed.padding_bytes).map_err(|error| wire.malformed(error))? {
            break;
        }
    }
    get_key::envelope(syntax, stub.bytes()).map_err(|reason| Error::KeyRefused { controller: host.to_owned(), reason })
}

/// What is signed and sealed, in the order of DCE: header and trailer are signed, the data is sealed.
fn parts<'a>(header: &'a mut [u8], data: &'a mut [u8], trailer: &'a mut [u8], token: &'a mut [u8]) -> [GssIov<'a>; 4] {
    [
        GssIov::new(GssIovType::SignOnly, header),
        GssIov::new(GssIovType::Data, data),
        GssIov::new(GssIovType::SignOnly, trailer),
        GssIov::new(GssIovType::Header, token),
    ]
}

/// How long a signature is: it does not depend on the data, whose length is always a multiple of 16.
fn token_bytes(context: &mut ClientCtx) -> Result<usize, libgssapi::error::Error> {
    let (mut header, mut data, mut trailer) = ([0; 24], [0; 16], [0; 8]);
    let mut parts = [
        GssIov::new(GssIovType::SignOnly, &mut header).as_fake(),
        GssIov::new(GssIovType::Data, &mut data).as_fake(),
        GssIov::new(GssIovType::SignOnly, &mut trailer).as_fake(),
        GssIovFake::new(GssIovType::Header),
    ];
    context.wrap_iov_length(true, &mut parts)?;
    let [_, _, _, token] = parts;
    Ok(token.len())
}

/// Seals the data of a request in place, and gives the signature.
fn seal(context: &mut ClientCtx, request: &mut SealedRequest) -> Result<Vec<u8>, libgssapi::error::Error> {
    let mut token = vec![0; token_bytes(context)?];
    let mut parts = parts(&mut request.header, &mut request.data, &mut request.trailer, &mut token);
    context.wrap_iov(true, &mut parts)?;
    drop(parts);
    Ok(token)
}

/// A connection on which fragments are sent and received.
struct Wire {
    stream: TcpStream,
    controller: String,
}

impl Wire {
    async fn connect(controller: &str, address: SocketAddr) -> Result<Self, Error> {
        let stream = TcpStream::connect(address).await;
        let stream = stream.map_err(|error| Error::Unreachable {
            controller: controller.to_owned(),
            detail: format!("{address}: {error}"),
        })?;
        Ok(Self { stream, controller: controller.to_owned() })
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.stream.write_all(bytes).await.map_err(|error| self.broke_off(&error))
    }

    /// One whole fragment; wiped when dropped, for it may hold keys.
    async fn receive(&mut self) -> Result<Zeroizing<Vec<u8>>, Error> {
        let mut head = [0; HEADER_BYTES];
        self.stream.read_exact(&mut head).await.map_err(|error| self.broke_off(&error))?;
        let length = rpc::fragment_bytes(&head).map_err(|error| self.malformed(error))?;
        let mut bytes = Zeroizing::new(vec![0; length]);
        let (start, rest) = bytes.split_at_mut(HEADER_BYTES.min(length));
        start.copy_from_slice(&head);
        self.stream.read_exact(rest).await.map_err(|error| self.broke_off(&error))?;
        Ok(bytes)
    }

    fn fragment<'a>(&self, bytes: &'a [u8]) -> Result<Fragment<'a>, Error> {
        Fragment::from_bytes(bytes).map_err(|error| self.malformed(error))
    }

    fn check_fault(&self, fragment: &Fragment<'_>) -> Result<(), Error> {
        match fragment.fault().map_err(|error| self.malformed(error))? {
            None => Ok(()),
            Some(status) => Err(self.no_service(&format!("it answered with fault {status:#010x}"))),
        }
    }

    fn broke_off(&self, error: &std::io::Error) -> Error {
        Error::BrokeOff { controller: self.controller.clone(), doing: DOING, detail: error.to_string() }
    }

    fn malformed(&self, error: impl core::fmt::Display) -> Error {
        Error::Malformed { controller: self.controller.clone(), doing: DOING, detail: error.to_string() }
    }

    fn refused(&self, error: BindError) -> Error {
        match error {
            BindError::Format(error) => self.malformed(error),
            refused => self.no_service(&refused.to_string()),
        }
    }

    fn no_service(&self, detail: &str) -> Error {
        Error::NoKeyService { controller: self.controller.clone(), detail: detail.to_owned() }
    }
}
