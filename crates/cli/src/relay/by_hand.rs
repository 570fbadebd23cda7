//! A call without SDP: one stream, with keys and addresses from the command line.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Instant;

use sealrtp_dtls::{Setup, Sha1};
use sealrtp_policy::{Config, Consequence, Failure, Method as Wanted};
use sealrtp_relay::{Relay, Sockets, Stream, bind_pair};
use sealrtp_session::{Component, RtcpTransport, Session, WithoutKeys};

use super::{Means, Teller, View};
use crate::arguments::{Method, RelayArguments, RtcpWanted};
use crate::conf::Terms;
use crate::keying::{start_dtls, take_by_hand};
use crate::outcome::{Ended, Outcome};
use crate::stream::random_ssrc;

/// The call's one stream.
pub struct ByHand {
    /// Closes when it is dropped.
    pub stream: Stream,
    config: Config,
    method: Method,
    mux: bool,
    local: SocketAddr,
    device_local: SocketAddr,
    device: SocketAddr,
    /// The peer's RTP address, where it was told.
    remote: Option<SocketAddr>,
}

/// Loopback of an address's family.
pub fn loopback(family: IpAddr) -> IpAddr {
    if family.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() }
}

fn method(arguments: &RelayArguments) -> Result<Method, Ended> {
    match arguments.method.as_slice() {
        [Wanted::Sdes] => Ok(Method::Sdes),
        [Wanted::Dtls] => Ok(Method::Dtls),
        [Wanted::Zrtp] => Ok(Method::Zrtp),
        _ => Err(Ended::usage("without --remote-sdp, --method must name one method: see --help")),
    }
}

/// Opens the stream; media may flow as soon as there are keys.
///
/// # Errors
/// Arguments that contradict or cannot be used, or no socket.
pub fn open(
    arguments: &RelayArguments,
    device: SocketAddr,
    terms: &Terms,
    means: &Means,
    teller: Teller,
) -> Result<ByHand, Ended> {
    let method = method(arguments)?;
    let config = &terms.config;
    let now = Instant::now();
    // Only ZRTP can come after clear media.
    let clear = method == Method::Zrtp && config.allows_clear();
    let rule = if clear { WithoutKeys::Pass } else { WithoutKeys::Block };
    let mut session = Session::new(config.limits(), rule);
    session.set_trace(arguments.trace);
    let sha1 = if config.dtls().sha1() { Sha1::Allowed } else { Sha1::Refused };
    if method == Method::Dtls {
        session.dtls_use(means.dtls.0.clone(), Setup::ActPass, sha1);
    }
    if let Some(ours) = &means.zrtp {
        let association = ours.association(config.zrtp().clone())?;
        session.zrtp_use(&association, random_ssrc()?, now).map_err(Ended::usage)?;
    }
    take_by_hand(&mut session, method, &arguments.hand, arguments.remote.is_some(), sha1)?;

    let device_bind =
        arguments.device_bind.unwrap_or_else(|| SocketAddr::new(loopback(arguments.bind.ip()), 0));
    let pair = |at: SocketAddr| {
        bind_pair(at, None)
            .map_err(|error| Ended::new(Outcome::SocketError, format!("cannot bind {at}: {error}")))
    };
    let sockets = Sockets { peer: pair(arguments.bind)?, pbx: pair(device_bind)? };
    let at = |sockets: &[UdpSocket; 2]| sockets[0].local_addr().map_err(super::socket_error);
    let (local, device_local) = (at(&sockets.peer)?, at(&sockets.pbx)?);
    let relay = Relay::start(1).map_err(super::socket_error)?;
    let stream = relay.open(sockets, session, Arc::new(teller)).map_err(super::socket_error)?;

    let mux = arguments.rtcp == RtcpWanted::Mux;
    let above = |rtp: SocketAddr| SocketAddr::new(rtp.ip(), rtp.port().wrapping_add(1));
    let rtcp = |rtp, told: Option<SocketAddr>| if mux { None } else { told.or_else(|| Some(above(rtp))) };
    stream.set_mux(mux);
    stream.set_pbx([Some(device), rtcp(device, arguments.device_rtcp)]);
    if let Some(remote) = arguments.remote {
        stream.set_peer([Some(remote), rtcp(remote, arguments.remote_rtcp)]);
    }
    stream.with(|session, now| {
        match method {
            Method::Dtls => {
                let rtcp = if mux { RtcpTransport::Muxed } else { RtcpTransport::Separate };
                start_dtls(session, rtcp, now)?;
            }
            Method::Zrtp => session.zrtp_start(now),
            Method::Sdes | Method::None => {}
        }
        Ok::<_, Ended>(())
    })?;
    let config = terms.config.clone();
    Ok(ByHand { stream, config, method, mux, local, device_local, device, remote: arguments.remote })
}

impl ByHand {
    /// What the stream is and has counted.
    pub fn view(&self) -> View {
        let (states, zrtp) = self.stream.with(|session, _| {
            (Component::BOTH.map(|component| session.state(component)), session.zrtp_secured().cloned())
        });
        let counted = self.stream.with(|session, _| Arc::clone(session.counters()));
        View {
            number: 0,
            kind: "audio".into(),
            method: Some(self.method.name()),
            mux: self.mux,
            states,
            inbound: counted.inbound(),
            outbound: counted.outbound(),
            counters: self.stream.counters(),
            local: self.local,
            remote: self.remote,
            device_local: self.device_local,
            device: Some(self.device),
            zrtp,
        }
    }

    /// What becomes of the call: done already if its media is to stop.
    pub fn consequence(&self, failure: Failure) -> Consequence {
        let consequence = self.config.consequence(failure);
        if consequence == Consequence::Block {
            self.stream.with(|session, _| session.close());
        }
        consequence
    }
}
