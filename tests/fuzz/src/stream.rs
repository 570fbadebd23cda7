//! A stream from one sender to two receivers, driven by the input. Both receivers get every packet, and one of them also
//! gets packets changed on the way: those must be refused and leave no trace, so both must answer alike to all others.
//!
//! Input: [`Setup`], then steps: a byte for what is done (see [`Step`]), a word of length, a packet.

use sealrtp_srtp::{Inbound, MAX_TRAILER_LEN, Outbound, ProtectError, UnprotectError};

use crate::input::{Input, Setup};

/// Which packets the stream carries.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// RTP in SRTP.
    Rtp,
    /// RTCP in SRTCP.
    Rtcp,
}

impl Protocol {
    /// Protects `buf[..len]`.
    pub fn protect(self, out: &mut Outbound, buf: &mut [u8], len: usize) -> Result<usize, ProtectError> {
        match self {
            Self::Rtp => out.protect_rtp(buf, len),
            Self::Rtcp => out.protect_rtcp(buf, len),
        }
    }

    /// Opens a packet.
    pub fn unprotect(self, inbound: &mut Inbound, packet: &mut [u8]) -> Result<usize, UnprotectError> {
        match self {
            Self::Rtp => inbound.unprotect_rtp(packet),
            Self::Rtcp => inbound.unprotect_rtcp(packet),
        }
    }
}

/// What is done with a packet of the input.
#[derive(Clone, Copy)]
enum Step {
    /// It is received as it is.
    Receive,
    /// It is sent and received.
    Send,
    /// It is sent, a byte of it changed, then received intact. A word and a byte tell where and how.
    Change,
    /// It is sent, received, and received again.
    Replay,
    /// Both ends re-key; it is sent under the new keys.
    Rekey,
    /// It is sent and kept back.
    Delay,
    /// What was kept back last is received, then the packet is sent and received.
    Deliver,
    /// The sender re-keys first; the receivers follow after the packet.
    RekeySender,
}

impl Step {
    const ALL: [Self; 8] = [
        Self::Receive,
        Self::Send,
        Self::Change,
        Self::Replay,
        Self::Rekey,
        Self::Delay,
        Self::Deliver,
        Self::RekeySender,
    ];
}

/// Bounds the time of one run.
const MAX_STEPS: usize = 256;
/// Packets kept back at most.
const MAX_DELAYED: usize = 16;

struct Stream {
    protocol: Protocol,
    authenticates: bool,
    sender: Outbound,
    receivers: [Inbound; 2],
    opened: usize,
}

impl Stream {
    fn send(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        let mut buf = packet.to_vec();
        buf.resize(packet.len() + MAX_TRAILER_LEN, 0xee);
        let len = self.protocol.protect(&mut self.sender, &mut buf, packet.len()).ok()?;
        assert!((packet.len()..=buf.len()).contains(&len));
        buf.truncate(len);
        Some(buf)
    }

    /// Both receivers get `packet`; `clear` is what was protected, where that is known.
    fn receive(&mut self, packet: &[u8], clear: Option<&[u8]>) -> Result<usize, UnprotectError> {
        let [mut one, mut two] = [packet.to_vec(), packet.to_vec()];
        let first = self.protocol.unprotect(&mut self.receivers[0], &mut one);
        let second = self.protocol.unprotect(&mut self.receivers[1], &mut two);
        assert_eq!(first, second, "a changed packet left a trace");
        if let Ok(len) = first {
            assert!(len <= packet.len());
            assert_eq!(one[..len], two[..len]);
            if let Some(clear) = clear.filter(|_| self.authenticates) {
                assert_eq!(&one[..len], clear, "opened something else than was sent");
            }
            self.opened += 1;
        }
        first
    }
}

/// Runs one input. Returns how many packets were opened.
pub fn run(protocol: Protocol, data: &[u8]) -> usize {
    let mut input = Input(data);
    let setup = Setup::read(&mut input);
    let Some(mut keys) = setup.keys(0) else { return 0 };
    let limits = setup.limits();
    let mut stream = Stream {
        protocol,
        authenticates: protocol == Protocol::Rtcp || setup.authenticates_rtp(),
        sender: Outbound::new(&keys, limits),
        receivers: [Inbound::new(&keys, limits), Inbound::new(&keys, limits)],
        opened: 0,
    };
    let mut delayed: Vec<(Vec<u8>, &[u8])> = Vec::new();
    let mut rekeys = 0u8;
    for _ in 0..MAX_STEPS {
        if input.is_empty() {
            break;
        }
        let step = Step::ALL[usize::from(input.byte()) % Step::ALL.len()];
        let change = if matches!(step, Step::Change) { (input.word(), input.byte() | 1) } else { (0, 0) };
        let clear = input.packet();
        if matches!(step, Step::Rekey | Step::RekeySender) {
            rekeys = rekeys.wrapping_add(1);
            let Some(next) = setup.keys(rekeys) else { return stream.opened };
            stream.sender.rekey(&next);
            if matches!(step, Step::Rekey) {
                stream.receivers.iter_mut().for_each(|receiver| receiver.rekey(&next));
            }
            keys = next;
        }
        if let (Step::Deliver, Some((packet, clear))) = (step, delayed.pop()) {
            let _ = stream.receive(&packet, Some(clear));
        }
        if matches!(step, Step::Receive) {
            let _ = stream.receive(clear, None);
            continue;
        }
        let Some(packet) = stream.send(clear) else { continue };
        if matches!(step, Step::Delay) {
            if delayed.len() < MAX_DELAYED {
                delayed.push((packet, clear));
            }
            continue;
        }
        if matches!(step, Step::Change) && stream.authenticates {
            let mut changed = packet.clone();
            let at = change.0 % changed.len();
            changed[at] ^= change.1;
            let result = protocol.unprotect(&mut stream.receivers[0], &mut changed);
            assert!(result.is_err(), "a changed packet was opened");
        }
        let result = stream.receive(&packet, Some(clear));
        if matches!(step, Step::Replay) && stream.authenticates && result.is_ok() {
            stream.receive(&packet, Some(clear)).expect_err("a replayed packet was opened");
        }
        if matches!(step, Step::RekeySender) {
            stream.receivers.iter_mut().for_each(|receiver| receiver.rekey(&keys));
        }
    }
    stream.receivers.iter_mut().for_each(|receiver| while receiver.poll_event().is_some() {});
    while stream.sender.poll_event().is_some() {}
    stream.opened
}
