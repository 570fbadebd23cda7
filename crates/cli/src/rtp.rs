//! RTP (RFC 3550 section 5.1, RFC 3551): packets of ours, and what is read of the peer's.

/// Bytes of a header of ours.
pub const HEADER: usize = 12;

/// A packet's header and where its payload is. The lengths hold: they were checked against the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The marker: with G.711 the first packet after silence.
    pub marker: bool,
    /// The payload type.
    pub payload_type: u8,
    /// The sequence number.
    pub sequence: u16,
    /// In samples of the codec.
    pub timestamp: u32,
    /// The synchronisation source.
    pub ssrc: u32,
    /// The payload without padding.
    pub payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads a packet; none if it is no RTP, or one of its lengths lies.
    pub fn read(packet: &'a [u8]) -> Option<Self> {
        let (fixed, mut rest) = packet.split_first_chunk::<HEADER>()?;
        if fixed[0] >> 6 != 2 {
            return None;
        }
        rest = rest.get(4 * usize::from(fixed[0] & 0x0f)..)?;
        if fixed[0] & 0x10 != 0 {
            let (extension, behind) = rest.split_first_chunk::<4>()?;
            rest = behind.get(4 * usize::from(u16::from_be_bytes([extension[2], extension[3]]))..)?;
        }
        if fixed[0] & 0x20 != 0 {
            let padding = usize::from(*rest.last()?);
            rest = rest.get(..rest.len().checked_sub(padding).filter(|_| padding > 0)?)?;
        }
        Some(Self {
            marker: fixed[1] & 0x80 != 0,
            payload_type: fixed[1] & 0x7f,
            sequence: u16::from_be_bytes([fixed[2], fixed[3]]),
            timestamp: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
            ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
            payload: rest,
        })
    }
}

/// The stream that we send: numbers its packets.
#[derive(Clone, Debug)]
pub struct Sender {
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    packets: u32,
    octets: u32,
}

impl Sender {
    /// SSRC, first sequence number and first timestamp are random (RFC 3550 section 5.1).
    pub fn new(ssrc: u32, sequence: u16, timestamp: u32) -> Self {
        Self { ssrc, sequence, timestamp, packets: 0, octets: 0 }
    }

    /// Our SSRC.
    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Packets sent, modulo 2^32 as in a sender report.
    pub fn packets(&self) -> u32 {
        self.packets
    }

    /// Payload bytes sent, modulo 2^32 as in a sender report.
    pub fn octets(&self) -> u32 {
        self.octets
    }

    /// The timestamp of the next packet.
    pub fn timestamp(&self) -> u32 {
        self.timestamp
    }

    /// Writes the next packet into `out`, whose room must hold header and payload, and gives its length. `samples` is what
    /// the payload lasts.
    pub fn write(&mut self, payload_type: u8, payload: &[u8], samples: u32, out: &mut [u8]) -> usize {
        let marker = u8::from(self.packets == 0) << 7;
        out[..2].copy_from_slice(&[0x80, marker | payload_type]);
        out[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        out[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        out[8..HEADER].copy_from_slice(&self.ssrc.to_be_bytes());
        out[HEADER..HEADER + payload.len()].copy_from_slice(payload);
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(samples);
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(payload.len() as u32);
        HEADER + payload.len()
    }

    /// Leaves out what would have been played in `samples`, e.g. when this machine was too slow.
    pub fn skip(&mut self, samples: u32) {
        self.timestamp = self.timestamp.wrapping_add(samples);
    }
}

/// What a receiver counts (RFC 3550 appendix A.1, A.3 and A.8), for the peer's latest SSRC; earlier ones are summed up.
#[derive(Clone, Debug, Default)]
pub struct Receiver {
    source: Option<Source>,
    earlier_received: u64,
    earlier_expected: u64,
}

#[derive(Clone, Debug)]
struct Source {
    ssrc: u32,
    first: u32,
    highest: u32,
    received: u64,
    /// Arrival minus timestamp of the last packet, in samples.
    transit: u32,
    jitter: f64,
    /// At the last report.
    reported_expected: u64,
    reported_received: u64,
}

impl Source {
    fn expected(&self) -> u64 {
        u64::from(self.highest.wrapping_sub(self.first)) + 1
    }
}

/// A report block about the peer's stream (RFC 3550 section 6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reception {
    /// The stream's SSRC.
    pub ssrc: u32,
    /// Since the last report, in 256ths.
    pub fraction_lost: u8,
    /// Since the beginning, 24 bits, at least 0.
    pub lost: u32,
    /// Cycles and highest sequence number.
    pub highest: u32,
    /// In samples.
    pub jitter: u32,
}

impl Receiver {
    /// Counts a packet that arrived at `arrival`, in samples of the codec from any origin.
    pub fn count(&mut self, packet: &Packet<'_>, arrival: u32) {
        let transit = arrival.wrapping_sub(packet.timestamp);
        match &mut self.source {
            Some(source) if source.ssrc == packet.ssrc => {
                let ahead = i32::from(packet.sequence.wrapping_sub(source.highest as u16) as i16);
                source.received += 1;
                if ahead > 0 {
                    source.highest = source.highest.wrapping_add_signed(ahead);
                }
                let change = f64::from(transit.wrapping_sub(source.transit).cast_signed().unsigned_abs());
                source.jitter += (change - source.jitter) / 16.0;
                source.transit = transit;
            }
            other => {
                if let Some(before) = other.take() {
                    self.earlier_received += before.received;
                    self.earlier_expected += before.expected();
                }
                let first = u32::from(packet.sequence);
                *other = Some(Source {
                    ssrc: packet.ssrc,
                    first,
                    highest: first,
                    received: 1,
                    transit,
                    jitter: 0.0,
                    reported_expected: 0,
                    reported_received: 0,
                });
            }
        }
    }

    /// Packets received.
    pub fn received(&self) -> u64 {
        self.earlier_received + self.source.as_ref().map_or(0, |source| source.received)
    }

    /// Packets missing between the first and the last one.
    pub fn lost(&self) -> u64 {
        let expected = self.earlier_expected + self.source.as_ref().map_or(0, Source::expected);
        expected.saturating_sub(self.received())
    }

    /// The interarrival jitter, in samples.
    pub fn jitter(&self) -> f64 {
        self.source.as_ref().map_or(0.0, |source| source.jitter)
    }

    /// What to report now.
    pub fn report(&mut self) -> Option<Reception> {
        let source = self.source.as_mut()?;
        let expected = source.expected();
        let of_them = expected - source.reported_expected.min(expected);
        let lost = of_them.saturating_sub(source.received - source.reported_received);
        (source.reported_expected, source.reported_received) = (expected, source.received);
        Some(Reception {
            ssrc: source.ssrc,
            fraction_lost: (lost * 256).checked_div(of_them).unwrap_or(0).min(255) as u8,
            lost: expected.saturating_sub(source.received).min(0x7f_ffff) as u32,
            highest: source.highest,
            jitter: source.jitter as u32,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packet(sequence: u16) -> Packet<'static> {
        let timestamp = u32::from(sequence) * 160;
        Packet { marker: false, payload_type: 0, sequence, timestamp, ssrc: 7, payload: &[] }
    }

    #[test]
    fn what_is_written_reads_back() {
        let mut sender = Sender::new(0xdead_beef, 0xffff, 0xffff_ffff);
        let mut buffer = [0; 200];
        let len = sender.write(8, &[1, 2, 3], 160, &mut buffer);
        let read = Packet::read(&buffer[..len]).unwrap();
        assert_eq!((read.marker, read.payload_type, read.sequence), (true, 8, 0xffff));
        assert_eq!((read.timestamp, read.ssrc, read.payload), (0xffff_ffff, 0xdead_beef, &[1, 2, 3][..]));
        let len = sender.write(8, &[4; 160], 160, &mut buffer);
        let read = Packet::read(&buffer[..len]).unwrap();
        assert_eq!((read.marker, read.sequence, read.timestamp), (false, 0, 159));
        assert_eq!((sender.packets(), sender.octets()), (2, 163));
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        let mut packet = [0u8; 20];
        packet[0] = 0x80;
        assert_eq!(Packet::read(&packet).unwrap().payload.len(), 8);
        for (first, last) in [(0x83, 0), (0x90, 0), (0xa0, 9), (0xa0, 0), (0x40, 0)] {
            (packet[0], packet[19]) = (first, last);
            packet[15] = 200;
            assert_eq!(Packet::read(&packet), None, "{first:#x}");
        }
        (packet[0], packet[19]) = (0xa0, 8);
        assert_eq!(Packet::read(&packet).unwrap().payload, &[] as &[u8]);
        assert_eq!(Packet::read(&packet[..11]), None);
    }

    #[test]
    fn loss_is_counted_over_a_wrap_and_reordering_is_none() {
        let mut receiver = Receiver::default();
        for sequence in [65_534, 65_535, 1, 0, 4] {
            receiver.count(&packet(sequence), 0);
        }
        assert_eq!((receiver.received(), receiver.lost()), (5, 2));
        let report = receiver.report().unwrap();
        assert_eq!((report.lost, report.fraction_lost, report.highest), (2, (2 * 256 / 7) as u8, 0x1_0004));
        assert_eq!(receiver.report().unwrap().fraction_lost, 0);
        receiver.count(&Packet { ssrc: 8, ..packet(9) }, 0);
        assert_eq!((receiver.received(), receiver.lost()), (6, 2));
        assert_eq!(receiver.report().unwrap().ssrc, 8);
    }

    #[test]
    fn packets_that_come_evenly_have_no_jitter() {
        let mut receiver = Receiver::default();
        for sequence in 0..50 {
            receiver.count(&packet(sequence), 1000 + u32::from(sequence) * 160);
        }
        assert_eq!(receiver.jitter(), 0.0);
        receiver.count(&packet(50), 1000 + 50 * 160 + 32);
        assert_eq!(receiver.jitter(), 2.0);
    }

    proptest! {
        #[test]
        fn no_packet_makes_reading_or_counting_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64), at: u32) {
            let mut receiver = Receiver::default();
            if let Some(packet) = Packet::read(&bytes) {
                receiver.count(&packet, at);
                receiver.count(&Packet { sequence: packet.sequence.wrapping_add(0x8000), ..packet }, !at);
                receiver.report();
            }
        }
    }
}
