//! What descriptions say of where media goes, and saying it anew.

use std::net::{IpAddr, SocketAddr};

use sealrtp_sdp::{Description, Host, Media, Profile, Rewrite};

use crate::{Refusal, Text};

/// Most RTP m-lines of a call that are carried at a time; further ones are declined. Each takes four sockets, whatever becomes of
/// it; one that a later description has declined counts until that is answered.
pub const MAX_STREAMS: usize = 8;

/// One m-line of a description, as far as a relay cares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Side {
    pub(crate) media: String,
    /// The transport, as written.
    pub(crate) transport: String,
    /// As written, never empty.
    pub(crate) formats: String,
    pub(crate) rtp: bool,
    /// Not declined.
    pub(crate) open: bool,
    /// On hold by `0.0.0.0` or `::`.
    pub(crate) held: bool,
    /// Where RTP is to go; none: it is on hold.
    pub(crate) to: Option<SocketAddr>,
    /// Where RTCP is to go where it has a port of its own.
    pub(crate) rtcp_to: Option<SocketAddr>,
    pub(crate) mux: bool,
    /// The first `a=zrtp-hash`.
    pub(crate) zrtp_hash: Option<String>,
}

impl Side {
    /// RTP that a stream of the relay carries.
    pub(crate) fn is_carried(&self) -> bool {
        self.rtp && self.open
    }

    /// As the relay has them.
    pub(crate) fn addresses(&self, mux: bool) -> [Option<SocketAddr>; 2] {
        [self.to, if mux { None } else { self.rtcp_to }]
    }
}

/// Reads the lines. `host`: media goes there, whatever is said; `family`: of the sockets that send to it.
pub(crate) fn sides(
    description: &Description<'_>,
    host: Option<IpAddr>,
    family: IpAddr,
) -> Result<Vec<Side>, Refusal> {
    description.media().iter().map(|media| side(media, host, family)).collect()
}

fn side(media: &Media<'_>, host: Option<IpAddr>, family: IpAddr) -> Result<Side, Refusal> {
    let mut side = Side {
        media: media.kind().to_owned(),
        transport: media.transport().to_owned(),
        formats: formats(media),
        rtp: media.profile().is_rtp(),
        open: media.port() != 0,
        held: media.host().is_some_and(Host::is_unspecified),
        mux: media.rtcp_mux(),
        zrtp_hash: media.zrtp_hashes().next().map(str::to_owned),
        ..Side::default()
    };
    if !side.is_carried() {
        return Ok(side);
    }
    let refuse = |why: String| {
        let (kind, line) = (media.kind(), media.line_number());
        Refusal::Sdp(format!("m={kind} in line {line}: {why}"))
    };
    let ip = match host.map(Host::Ip).or(media.host()) {
        None => return Err(refuse("no c= line that could be read says where its media goes".into())),
        Some(Host::Name(name)) => {
            let name: String = name.chars().take(64).collect();
            return Err(refuse(format!("c= names the host {name}; an IP address is expected")));
        }
        Some(Host::Ip(ip)) if ip.is_unspecified() => return Ok(side),
        Some(host) => host.unicast().ok_or_else(|| refuse("c= is a multicast address".into()))?,
    };
    if ip.is_ipv4() != family.is_ipv4() {
        let ours = if family.is_ipv4() { "IPv4" } else { "IPv6" };
        return Err(refuse(format!(
            "c= is {ip}, and the media sockets here are {ours}, at {family}: let the phone speak {ours}, or give the \
             PBX's profile an address of its family"
        )));
    }
    side.to = Some(SocketAddr::new(ip, media.port()));
    side.rtcp_to = match media.rtcp() {
        None => media.port().checked_add(1).map(|port| SocketAddr::new(ip, port)),
        Some(rtcp) => {
            let named = if host.is_some() { None } else { rtcp.host };
            let at = named.map_or(Some(ip), Host::unicast).filter(|at| at.is_ipv4() == ip.is_ipv4());
            at.filter(|_| rtcp.port != 0).map(|at| SocketAddr::new(at, rtcp.port))
        }
    };
    Ok(side)
}

fn formats(media: &Media<'_>) -> String {
    let formats: Vec<&str> = media.formats().collect();
    if formats.is_empty() { "0".to_owned() } else { formats.join(" ") }
}

/// What becomes of a line's transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// It stays what it is: declined, or not RTP.
    AsItIs,
    Declined,
    /// Media goes to this port.
    Port(u16),
    /// As well, once it is taken off hold: `c=` goes on saying that.
    Held(u16),
}

impl Place {
    pub(crate) fn at(port: u16, side: &Side) -> Self {
        if side.held { Self::Held(port) } else { Self::Port(port) }
    }
}

/// The description with other transports, without ICE and BUNDLE. `address`: what the RTP lines' `c=` says from here on.
pub(crate) fn relayed(
    description: &Description<'_>,
    places: &[Place],
    address: Option<IpAddr>,
    savp_fingerprint_is_udp_tls: bool,
) -> Text {
    let mut rewrite = Rewrite::new(description);
    rewrite.strip_session_transport();
    for (index, (media, place)) in description.media().iter().zip(places).enumerate() {
        if *place == Place::Declined {
            rewrite.decline(index);
        }
        let Some(mut line) = rewrite.line(index) else { continue };
        line.strip_transport();
        if savp_fingerprint_is_udp_tls && is_udp_tls(media) {
            line.profile(media.profile().dtls_srtp());
        }
        if let Place::Port(port) | Place::Held(port) = *place {
            line.port(port);
        }
        if let (Place::Port(_), Some(address)) = (place, address) {
            line.address(address);
        }
    }
    rewrite.finish()
}

/// Whether an RTP/SAVP line cannot be anything but what was printed wrong: its keys can come from nowhere but DTLS.
fn is_udp_tls(media: &Media<'_>) -> bool {
    matches!(media.profile(), Profile::Savp | Profile::Savpf)
        && media.crypto().next().is_none()
        && media.fingerprints().next().is_some()
}
