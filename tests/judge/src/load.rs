//! Many calls into an echo at once: a packet every 20 ms in each, and every echo is opened and told from every other.

use std::io::{BufRead, ErrorKind, Write};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::crypto::{Inbound, KeySet, Outbound};
use crate::rtp;

/// Bytes of G.711 in a packet, 20 ms.
const FRAME: usize = 160;
const FRAME_TIME: Duration = Duration::from_millis(20);
/// A packet that goes out this long after its time is counted as late.
const LATE: Duration = Duration::from_millis(10);
/// RTCP is read once in so many packets.
const RTCP_EVERY: u64 = 25;

/// One call, as the first line of standard input lists them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    /// Of our RTP; the next one is that of our RTCP.
    port: u16,
    /// Where the echo is.
    remote: SocketAddrV4,
    /// Keys we send under; none: clear.
    #[serde(default)]
    send: Option<KeySet>,
    /// Keys the echo sends under; none: clear.
    #[serde(default)]
    receive: Option<KeySet>,
}

/// What all calls have sent and got since the start.
#[derive(Default, Clone, Serialize)]
struct Counts {
    sent: u64,
    /// Sent after their time.
    late: u64,
    /// Echoes that are good: authentic, and the next one of what was sent.
    echoed: u64,
    /// Echoes that were passed over before one that came.
    missing: u64,
    /// Whatever else came: not authentic, twice, out of turn, or not what was sent.
    bad: u64,
    rtcp: u64,
    bad_rtcp: u64,
}

struct Leg {
    rtp: UdpSocket,
    rtcp: UdpSocket,
    send: Option<Outbound>,
    receive: Option<Inbound>,
    ssrc: u32,
    /// Packets sent, and thereby the number of the next one.
    sent: u64,
    /// The number of the echo that should come next; none before the first.
    next: Option<u64>,
}

/// Audio of packet `number`: its number and then bytes that depend on it, so that an echo is that of one packet alone.
fn payload(number: u64) -> [u8; FRAME] {
    let mut audio = [0; FRAME];
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for chunk in audio.chunks_mut(8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        chunk.copy_from_slice(&state.to_be_bytes());
    }
    audio[..8].copy_from_slice(&number.to_be_bytes());
    audio
}

impl Leg {
    fn new(call: &Call, number: usize) -> Result<Self, String> {
        let open = |port: u16, remote: u16| {
            let socket =
                UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).map_err(|e| format!("port {port}: {e}"))?;
            socket.connect((*call.remote.ip(), remote)).map_err(|e| e.to_string())?;
            socket.set_nonblocking(true).map_err(|e| e.to_string())?;
            Ok::<_, String>(socket)
        };
        let beside = |port: u16| port.checked_add(1).ok_or("no port for RTCP");
        Ok(Self {
            rtp: open(call.port, call.remote.port())?,
            rtcp: open(beside(call.port)?, beside(call.remote.port())?)?,
            send: call.send.as_ref().map(|keys| Outbound::new(keys, 0)).transpose()?,
            receive: call.receive.as_ref().map(Inbound::new).transpose()?,
            ssrc: 0x5ea1_0000 + number as u32,
            sent: 0,
            next: None,
        })
    }

    fn send(&mut self, counts: &mut Counts) -> Result<(), String> {
        let header = rtp::Header {
            length: rtp::FIXED_HEADER,
            payload_type: 0,
            sequence: self.sent as u16,
            timestamp: (self.sent as u32).wrapping_mul(FRAME as u32),
            ssrc: self.ssrc,
        };
        let mut packet = rtp::build(&header, self.sent == 0, &payload(self.sent));
        if let Some(keys) = &mut self.send {
            keys.rtp(&mut packet)?;
        }
        match self.rtp.send(&packet) {
            Ok(_) => {}
            // The echo's socket was not there yet, or is gone: it will be missing.
            Err(e) if e.kind() == ErrorKind::ConnectionRefused => {}
            Err(e) => return Err(e.to_string()),
        }
        self.sent += 1;
        counts.sent += 1;
        Ok(())
    }

    /// Reads what has come.
    fn read(&mut self, counts: &mut Counts) -> Result<(), String> {
        while let Some(packet) = datagram(&self.rtp)? {
            self.judge(packet, counts);
        }
        if self.sent.is_multiple_of(RTCP_EVERY) {
            while let Some(mut packet) = datagram(&self.rtcp)? {
                let opened = self.receive.as_mut().is_none_or(|keys| keys.rtcp(&mut packet).is_ok());
                *(if opened && rtp::is_rtcp(&packet) { &mut counts.rtcp } else { &mut counts.bad_rtcp }) += 1;
            }
        }
        Ok(())
    }

    fn judge(&mut self, mut packet: Vec<u8>, counts: &mut Counts) {
        let opened = self.receive.as_mut().is_none_or(|keys| keys.rtp(&mut packet).is_ok());
        let number = rtp::parse(&packet).filter(|_| opened).and_then(|header| {
            let audio = packet.get(header.length..)?;
            let number = u64::from_be_bytes(audio.get(..8)?.try_into().ok()?);
            (number < self.sent && audio == payload(number)).then_some(number)
        });
        let next = self.next.unwrap_or_else(|| number.unwrap_or_default());
        match number {
            Some(number) if number >= next => {
                counts.missing += number - next;
                counts.echoed += 1;
                self.next = Some(number + 1);
            }
            _ => counts.bad += 1,
        }
    }
}

fn datagram(socket: &UdpSocket) -> Result<Option<Vec<u8>>, String> {
    let mut buffer = [0; 2048];
    match socket.recv(&mut buffer) {
        Ok(length) => Ok(Some(buffer[..length].to_vec())),
        Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::ConnectionRefused) => Ok(None),
        Err(e) => Err(e.to_string()),
    }
}

/// The first line of `input` is a JSON list of [`Call`]s, whose media then flows until `input` ends. Every further line is
/// answered by [`Counts`] as JSON, and so is the first.
pub fn run(mut input: impl BufRead + Send + 'static, mut output: impl Write) -> Result<(), String> {
    let mut first = String::new();
    input.read_line(&mut first).map_err(|e| e.to_string())?;
    let calls: Vec<Call> = serde_json::from_str(&first).map_err(|e| format!("calls: {e}"))?;
    let mut legs = calls
        .iter()
        .enumerate()
        .map(|(number, call)| Leg::new(call, number))
        .collect::<Result<Vec<_>, _>>()?;
    let mut counts = Counts::default();
    let lines = lines_of(input);
    answer(&mut output, &counts)?;

    let start = Instant::now();
    let share = FRAME_TIME / u32::try_from(legs.len().max(1)).map_err(|e| e.to_string())?;
    for number in 0_u32.. {
        for (place, leg) in legs.iter_mut().enumerate() {
            let due = start + FRAME_TIME * number + share * place as u32;
            let now = Instant::now();
            if let Some(wait) = due.checked_duration_since(now) {
                std::thread::sleep(wait);
            } else if now - due > LATE {
                counts.late += 1;
            }
            // What came since the last packet, and then the next.
            leg.read(&mut counts)?;
            leg.send(&mut counts)?;
        }
        match lines.try_recv() {
            Ok(()) => answer(&mut output, &counts)?,
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => break,
        }
    }
    Ok(())
}

fn answer(output: &mut impl Write, counts: &Counts) -> Result<(), String> {
    let line = serde_json::to_string(counts).map_err(|e| e.to_string())?;
    writeln!(output, "{line}").and_then(|()| output.flush()).map_err(|e| e.to_string())
}

/// Tells each line, until there are no more.
fn lines_of(input: impl BufRead + Send + 'static) -> Receiver<()> {
    let (tell, lines) = channel();
    std::thread::spawn(move || {
        for line in input.lines() {
            if line.is_err() || tell.send(()).is_err() {
                break;
            }
        }
    });
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    #[test]
    fn no_two_packets_have_one_payload() {
        assert_ne!(payload(1), payload(2));
        assert_ne!(payload(0)[8..], payload(1)[8..]);
        assert_eq!(payload(7), payload(7));
    }

    fn leg() -> (Leg, UdpSocket) {
        let far = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let open = || {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            socket.connect(far.local_addr().unwrap()).unwrap();
            socket
        };
        let leg = Leg { rtp: open(), rtcp: open(), send: None, receive: None, ssrc: 1, sent: 0, next: None };
        (leg, far)
    }

    #[test]
    fn a_lost_a_doubled_and_a_changed_echo_are_told() {
        let (mut leg, far) = leg();
        let mut counts = Counts::default();
        let mut sent = Vec::new();
        for _ in 0..6 {
            leg.send(&mut counts).unwrap();
            let mut buffer = [0; 2048];
            let length = far.recv(&mut buffer).unwrap();
            sent.push(buffer[..length].to_vec());
        }
        leg.judge(sent[1].clone(), &mut counts); // what came before the first echo is not missing
        leg.judge(sent[2].clone(), &mut counts);
        leg.judge(sent[2].clone(), &mut counts);
        leg.judge(sent[4].clone(), &mut counts);
        sent[5][40] ^= 1;
        leg.judge(sent[5].clone(), &mut counts);
        assert_eq!((counts.sent, counts.echoed, counts.missing, counts.bad), (6, 3, 1, 2));
    }

    #[test]
    fn calls_that_are_no_json_are_refused() {
        assert!(run(Cursor::new(b"{}\n"), Vec::new()).unwrap_err().starts_with("calls: "));
    }
}
