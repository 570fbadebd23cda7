//! Both ends of all calls in one thread: sends each packet when it is due, and reads what arrives, by the kernel's own stamps.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use sealrtp_srtp::{Inbound, KeySet, Limits, MasterKey, Outbound, Suite};

use super::sys::{self, Arrivals, Precedence};
use crate::clock;

/// Between two packets of a direction of a call.
const INTERVAL: Duration = Duration::from_millis(20);
/// G.711, 20 ms.
const PAYLOAD: usize = 160;
const HEADER: usize = 12;
const CLEAR: usize = HEADER + PAYLOAD;
const SECURED: usize = CLEAR + 10;
/// Packets of a direction whose times are kept.
const KEPT: usize = 256;
/// How often arrivals are read.
const READ: Duration = Duration::from_millis(1);
/// How long to wait for the last ones.
const LAST: Duration = Duration::from_millis(300);
/// No jitter buffer waits longer.
const PLAYABLE: Duration = Duration::from_millis(200);
/// A packet that goes out this much after its time was sent too late.
const LATE: Duration = Duration::from_millis(5);

/// The key of the calls' peers and of the other side.
pub fn keys(number: u8) -> KeySet {
    let suite = Suite::AesCm128HmacSha1_80;
    KeySet::single(MasterKey::new(suite, &[number; 16], &[number; 14]).expect("lengths of the suite"))
}

/// Who sends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    Peer,
    Pbx,
}

/// One direction of a call.
struct Flow {
    from: From,
    to: SocketAddr,
    sequence: u16,
    sent_at: [u64; KEPT],
}

struct Call {
    outbound: Outbound,
    inbound: Inbound,
}

/// What a run has shown.
#[derive(Default)]
pub struct Outcome {
    /// Nanoseconds from before the packet was sent until the kernel had it for the other end.
    pub delays: Vec<u32>,
    pub sent: u64,
    pub received: u64,
    /// Sent too late.
    late: u64,
    /// CPU time of everything else in this process.
    pub cpu: Duration,
}

impl Outcome {
    pub fn add(&mut self, other: Self) {
        self.delays.extend(other.delays);
        self.sent += other.sent;
        self.received += other.received;
        self.late += other.late;
        self.cpu += other.cpu;
    }

    /// Share that never came.
    pub fn lost(&self) -> f64 {
        1.0 - self.received as f64 / self.sent as f64
    }

    /// Share that never came, or too late to be played.
    pub fn useless(&self) -> f64 {
        let heard = self.delays.iter().filter(|delay| u128::from(**delay) <= PLAYABLE.as_nanos()).count();
        1.0 - heard as f64 / self.sent as f64
    }

    /// Share that was sent too late.
    pub fn late(&self) -> f64 {
        self.late as f64 / self.sent as f64
    }
}

/// The ends of the calls: one socket for all peers, and one for the PBX.
pub struct Load {
    peer: UdpSocket,
    pbx: UdpSocket,
    /// Of this thread between runs, and so of what it starts.
    precedence: Precedence,
}

impl Load {
    pub fn new() -> io::Result<Self> {
        let [peer, pbx] = [bind()?, bind()?];
        Ok(Self { peer, pbx, precedence: Precedence::Ordinary })
    }

    /// What is started from here on runs before other programs; false if that is not allowed.
    pub fn favour_what_follows(&mut self, precedence: Precedence) -> bool {
        self.precedence = precedence;
        sys::take_precedence(precedence)
    }

    pub fn peer(&self) -> SocketAddr {
        self.peer.local_addr().expect("a bound socket")
    }

    pub fn pbx(&self) -> SocketAddr {
        self.pbx.local_addr().expect("a bound socket")
    }

    /// Runs calls whose outer and inner addresses are given for so long. `opens`: what the peers hear is opened and compared.
    pub fn run(
        &self,
        calls: &[[SocketAddr; 2]],
        indices: &mut [u16],
        opens: bool,
        duration: Duration,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        let mut ends: Vec<Call> = calls
            .iter()
            .map(|_| Call {
                outbound: Outbound::new(&keys(1), Limits::default()),
                inbound: Inbound::new(&keys(2), Limits::default()),
            })
            .collect();
        let mut flows = Vec::with_capacity(2 * calls.len());
        for (addresses, sequence) in calls.iter().zip(indices.iter()) {
            for (from, to) in [From::Peer, From::Pbx].into_iter().zip(*addresses) {
                flows.push(Flow { from, to, sequence: *sequence, sent_at: [0; KEPT] });
            }
        }
        // Each at its own time of the interval, in an order without system.
        let count = flows.len();
        let order: Vec<usize> = {
            let mut order: Vec<usize> = (0..count).collect();
            let mut random = 0x2545_f491_4f6c_dd1d_u64;
            for last in (1..count).rev() {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                order.swap(last, (random % (last as u64 + 1)) as usize);
            }
            order
        };
        let total = (duration.as_nanos() / INTERVAL.as_nanos()) as usize * count;
        let gap = INTERVAL.as_nanos() as u64;
        outcome.delays.reserve(total);

        sys::take_precedence(Precedence::Load);
        let (process, own) = (sys::process_cpu(), clock::cpu());
        let start = Instant::now() + Duration::from_millis(1);
        let mut arrivals = Arrivals::new();
        let mut read = start;
        for number in 0..total {
            let due = start + Duration::from_nanos(number as u64 * gap / count as u64);
            loop {
                let now = Instant::now();
                if now >= read {
                    self.read(&mut arrivals, &mut flows, &mut ends, opens, &mut outcome);
                    read = now + READ;
                }
                if now >= due {
                    outcome.late += u64::from(now > due + LATE);
                    break;
                }
                thread::sleep(due - now);
            }
            let flow = order[number % count];
            self.send(&mut flows[flow], flow / 2, &mut ends);
            outcome.sent += 1;
        }
        let end = Instant::now() + LAST;
        while Instant::now() < end && outcome.received < outcome.sent {
            thread::sleep(READ);
            self.read(&mut arrivals, &mut flows, &mut ends, opens, &mut outcome);
        }
        outcome.cpu = (sys::process_cpu() - process).saturating_sub(clock::cpu() - own);
        sys::take_precedence(self.precedence);
        for (index, flows) in indices.iter_mut().zip(flows.chunks(2)) {
            *index = flows[0].sequence.max(flows[1].sequence);
        }
        outcome
    }

    fn send(&self, flow: &mut Flow, call: usize, ends: &mut [Call]) {
        let mut packet = [0x55; SECURED];
        packet[..4].copy_from_slice(&[0x80, 0, 0, 0]);
        packet[2..4].copy_from_slice(&flow.sequence.to_be_bytes());
        packet[4..8].copy_from_slice(&(u32::from(flow.sequence) * PAYLOAD as u32).to_be_bytes());
        packet[8..12].copy_from_slice(&(call as u32).to_be_bytes());
        let (socket, len) = match flow.from {
            From::Peer => {
                let len = ends[call].outbound.protect_rtp(&mut packet, CLEAR).expect("keys that are fresh");
                (&self.peer, len)
            }
            From::Pbx => (&self.pbx, CLEAR),
        };
        flow.sent_at[usize::from(flow.sequence) % KEPT] = sys::wall_clock();
        flow.sequence = flow.sequence.wrapping_add(1);
        // One that the system does not take is a lost one.
        let _ = socket.send_to(&packet[..len], flow.to);
    }

    fn read(
        &self,
        arrivals: &mut Arrivals,
        flows: &mut [Flow],
        ends: &mut [Call],
        opens: bool,
        outcome: &mut Outcome,
    ) {
        for (socket, direction) in [(&self.pbx, 0), (&self.peer, 1)] {
            let mut more = true;
            while more {
                more = arrivals.take(socket, |packet, stamp| {
                    let sequence = u16::from_be_bytes([packet[2], packet[3]]);
                    let call = u32::from_be_bytes([packet[8], packet[9], packet[10], packet[11]]) as usize;
                    let Some(flow) = flows.get_mut(2 * call + direction) else { return };
                    let sent_at = std::mem::take(&mut flow.sent_at[usize::from(sequence) % KEPT]);
                    if sent_at == 0 {
                        return;
                    }
                    if opens {
                        check(direction, &mut ends[call], packet);
                    }
                    outcome.received += 1;
                    outcome.delays.push(u32::try_from(stamp.saturating_sub(sent_at)).unwrap_or(u32::MAX));
                });
            }
        }
    }
}

/// That a relay secures, and opens what is secured.
fn check(direction: usize, call: &mut Call, packet: &mut [u8]) {
    let opened = if direction == 0 {
        packet.len()
    } else {
        call.inbound.unprotect_rtp(packet).expect("the relay's packets are authentic")
    };
    assert!(opened == CLEAR && packet[HEADER..CLEAR].iter().all(|byte| *byte == 0x55), "the payload sent");
}

fn bind() -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    sys::make_patient(&socket)?;
    Ok(socket)
}
