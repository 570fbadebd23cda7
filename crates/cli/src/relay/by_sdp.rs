//! A call by SDP: the device's and the peer's descriptions go through a leg, which opens a stream for each RTP m-line.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use sealrtp_leg::{Applied, Leg, LineInfo, Message, Ports, Refusal, StreamInfo};
use sealrtp_relay::{Relay, bind_pair};
use sealrtp_sdp::Description;
use zeroize::Zeroizing;

use super::by_hand::loopback;
use super::{Happened, Means, Teller, View, socket_error};
use crate::arguments::{Method, RelayArguments};
use crate::conf::Terms;
use crate::outcome::{Ended, Outcome};
use crate::{sdp, signalling};

/// Of the one INVITE.
const CSEQ: u32 = 1;

/// Whose description it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Device,
    Peer,
}

/// Ports from one on upwards, or whichever the system has.
struct From(AtomicU32);

impl Ports for From {
    fn take(&self) -> Option<u16> {
        if self.0.load(Ordering::Relaxed) == 0 {
            return Some(0);
        }
        u16::try_from(self.0.fetch_add(2, Ordering::Relaxed)).ok()
    }

    fn give_back(&self, _: u16) {}
}

impl sealrtp_leg::Observer for Teller {
    fn event(&self, event: sealrtp_leg::Event) {
        let sealrtp_leg::Event { line, consequence, what, .. } = event;
        self.tell(match what {
            sealrtp_leg::Happened::Session(event) => Happened::Event { line, event, consequence },
            sealrtp_leg::Happened::Keyed(suite) => Happened::Keyed { line, suite },
            sealrtp_leg::Happened::Clear => Happened::Note("not secured: media is clear".into()),
            sealrtp_leg::Happened::Warning(text) => Happened::Note(text),
            sealrtp_leg::Happened::Broken => Happened::Broken,
        });
    }
}

/// The call's leg, and how far its descriptions are.
pub struct BySdp {
    leg: Leg,
    /// Our addresses, without ports.
    local: IpAddr,
    device_local: IpAddr,
    /// What the offer said.
    offer: Option<Zeroizing<String>>,
    /// Where the device receives RTP, by m-line.
    devices: Vec<Option<SocketAddr>>,
}

impl BySdp {
    /// Nothing is bound yet; waits for the offer.
    ///
    /// # Errors
    /// Arguments that contradict or cannot be used, or no socket.
    pub fn begin(
        arguments: &RelayArguments,
        terms: Terms,
        means: Means,
        teller: &Teller,
    ) -> Result<Self, Ended> {
        let bind = arguments.bind;
        let device_bind = arguments.device_bind.unwrap_or_else(|| SocketAddr::new(loopback(bind.ip()), 0));
        if arguments.hand.role.is_some() || device_bind.port() != 0 {
            return Err(Ended::usage("with SDP, --role and a port in --device-bind have no place"));
        }
        // The device must not read the peer's keys, nor the other way round.
        if arguments.to_device_sdp.as_deref() == Some(arguments.local_sdp.as_path()) {
            return Err(Ended::usage(
                "--to-device-sdp and --local-sdp go to different places: name a file for one of them",
            ));
        }
        if device_bind.ip().is_unspecified() || (bind.ip().is_unspecified() && arguments.advertise.is_none())
        {
            return Err(Ended::usage(
                "the SDP must name addresses: --bind to one or --advertise one, and --device-bind to one",
            ));
        }
        let cannot = |error| Ended::new(Outcome::SocketError, format!("cannot bind {bind}: {error}"));
        if bind.port() != 0 {
            // A leg would take the next ports instead.
            bind_pair(bind, None).map_err(cannot)?;
        }
        let relay = Relay::start(1).map_err(socket_error)?;
        let (context, _) = means.dtls;
        let mut of_leg = sealrtp_leg::Terms::beside("relay", terms.config, context, bind.ip());
        of_leg.zrtp = means.zrtp.map(|ours| Box::new(ours) as Box<dyn sealrtp_leg::Associations>);
        of_leg.advertise = Some(arguments.advertise.unwrap_or(bind.ip()));
        of_leg.inner = device_bind.ip();
        of_leg.pbx = None;
        let ports = Arc::new(From(AtomicU32::new(bind.port().into())));
        let leg = Leg::new(&relay, of_leg, ports, Arc::new(teller.clone()));
        leg.set_trace(arguments.trace);
        let this =
            Self { leg, local: bind.ip(), device_local: device_bind.ip(), offer: None, devices: Vec::new() };
        let offerer = if arguments.offer { Side::Device } else { Side::Peer };
        await_description(arguments, offerer, None, teller)?;
        Ok(this)
    }

    /// Takes a description and writes what the other side is to be given. True: both are known now.
    ///
    /// # Errors
    /// It is refused, and whoever has offered is given an answer that rejects; or it cannot be used.
    pub fn description(
        &mut self,
        side: Side,
        body: &Zeroizing<String>,
        arguments: &RelayArguments,
        teller: &Teller,
    ) -> Result<bool, Ended> {
        if side == Side::Device {
            self.devices = receivers(body);
        }
        let is_offer = self.offer.is_none();
        let message = Message { request: is_offer, cseq: CSEQ, signalling: arguments.signalling.into() };
        let written = match side {
            Side::Device => self.leg.local(body.as_bytes(), &message),
            Side::Peer => self.leg.remote(body.as_bytes(), &message),
        };
        let offer = self.offer.get_or_insert_with(|| body.clone());
        let answer_to =
            if arguments.offer { &arguments.to_device_sdp } else { &Some(arguments.local_sdp.clone()) };
        let text = match written {
            Ok(text) => text,
            Err(refusal) => {
                // Who has offered need not wait for what will not come.
                if let (Some(path), Some(answer)) =
                    (answer_to, sdp::rejection(std::process::id(), self.local, offer))
                {
                    signalling::write(path, &answer)?;
                }
                return Err(refused(side, &refusal));
            }
        };
        let text = std::str::from_utf8(&text).map_err(Ended::usage)?;
        let (to, other) = match side {
            Side::Device => (Some(arguments.local_sdp.as_path()), Side::Peer),
            Side::Peer => (arguments.to_device_sdp.as_deref(), Side::Device),
        };
        let to = to.ok_or_else(|| Ended::usage("--to-device-sdp is needed"))?;
        signalling::write(to, text)?;
        if is_offer {
            await_description(arguments, other, Some(to), teller)?;
            return Ok(false);
        }
        if self.views().is_empty() {
            let who = if side == Side::Peer { "peer" } else { "device" };
            return Err(Ended::new(
                Outcome::NothingInCommon,
                format!("the {who}'s answer rejects every RTP m-line"),
            ));
        }
        Ok(true)
    }

    /// The streams, in the order of their m-lines.
    pub fn views(&self) -> Vec<View> {
        let lines = self.leg.lines().into_iter().enumerate();
        lines
            .filter_map(|(number, LineInfo { media, stream })| Some(self.view(number, &media, stream?)))
            .collect()
    }

    fn view(&self, number: usize, media: &str, stream: StreamInfo) -> View {
        View {
            number,
            kind: media.to_owned(),
            method: method(stream.method).map(Method::name),
            mux: stream.mux,
            states: [stream.state, if stream.mux { stream.state } else { stream.rtcp_state }],
            inbound: stream.inbound,
            outbound: stream.outbound,
            counters: stream.relay,
            local: SocketAddr::new(self.local, stream.outer_port),
            remote: stream.peer,
            device_local: SocketAddr::new(self.device_local, stream.inner_port),
            device: self.devices.get(number).copied().flatten(),
            zrtp: stream.zrtp,
        }
    }

    /// The users have compared the SAS.
    pub fn verify(&self) {
        self.leg.verify(true);
    }

    /// Each step of offer and answer, with the rule behind it.
    pub fn explain(&self) -> String {
        self.leg.explain()
    }
}

fn method(applied: Applied) -> Option<Method> {
    match applied {
        Applied::Open => None,
        Applied::Clear => Some(Method::None),
        Applied::Sdes => Some(Method::Sdes),
        Applied::Dtls => Some(Method::Dtls),
        Applied::Zrtp => Some(Method::Zrtp),
    }
}

fn refused(side: Side, refusal: &Refusal) -> Ended {
    let who = match side {
        Side::Device => "the device's SDP",
        Side::Peer => "the peer's SDP",
    };
    let outcome = match refusal {
        Refusal::Sdp(_) => Outcome::Usage,
        Refusal::Policy(_) => Outcome::NothingInCommon,
        Refusal::System(_) => Outcome::SocketError,
    };
    Ended::new(outcome, format!("{who}: {refusal}"))
}

/// Where a description's m-lines receive RTP.
fn receivers(body: &str) -> Vec<Option<SocketAddr>> {
    let description = Description::parse(body.as_bytes());
    let media = description.iter().flat_map(|description| description.media().to_vec());
    media.map(|media| Some(SocketAddr::new(media.host()?.unicast()?, media.port()))).collect()
}

/// Waits for a side's description; it is newer than what was written for that side.
fn await_description(
    arguments: &RelayArguments,
    side: Side,
    written: Option<&Path>,
    teller: &Teller,
) -> Result<(), Ended> {
    let (from, happened): (_, fn(_) -> _) = match side {
        Side::Device => (&arguments.device_sdp, Happened::OfDevice),
        Side::Peer => (&arguments.remote_sdp, Happened::OfPeer),
    };
    let from =
        from.as_deref().ok_or_else(|| Ended::usage("--device-sdp and --remote-sdp are both needed"))?;
    let teller = teller.clone();
    let not_before = written.and_then(signalling::written);
    Ok(signalling::read(from, not_before, move |body| teller.tell(happened(body)))?)
}
