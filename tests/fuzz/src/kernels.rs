//! Packets through the kernels of every path of this processor, alone and as a batch: what comes out is what RustCrypto makes
//! of them, and a byte touched beside a packet is a crash.
//!
//! Input: a byte (lowest bit: the suite), then packets: a byte ([`bits`]), a word from which keys and content follow by
//! chance, words of lengths of header and payload, a byte for the tag's length and a word for the bit of it that is wrong.

use std::cell::RefCell;

use sealrtp_srtp_accel::{CmHmacSha1, Gcm, Path};

use crate::input::Input;
use suite::guarded::Guarded;
use suite::random::Random;
use suite::{Given, Job, Suite};

/// The suites beside RustCrypto, as the unit tests have them.
#[allow(missing_docs, dead_code, unsafe_code)]
#[path = "../../../crates/srtp-accel/tests/suite/mod.rs"]
mod suite;

/// Bounds the time of one run.
const MAX_PACKETS: usize = 12;
const MAX_HEADER: usize = 700;
const MAX_PAYLOAD: usize = 2100;

/// The bits of a packet's first byte.
mod bits {
    /// Which of the suite's lengths its key has.
    pub const KEY_LEN: u8 = 3;
    /// Which of the paths it goes through in the batch.
    pub const PATH: u8 = 3 << 2;
    /// It lies at the start of its memory, otherwise at the end.
    pub const AT_START: u8 = 1 << 4;
    /// A bit of its tag is wrong.
    pub const FORGED: u8 = 1 << 5;
    /// Key, authentication key, number and suffix follow in the input.
    pub const KEYS_GIVEN: u8 = 1 << 6;
}

struct Packet<S> {
    given: Given,
    kernels: Vec<(Path, S)>,
    batched: usize,
    at_start: bool,
    from: usize,
    plain: Vec<u8>,
    sealed: Vec<u8>,
    tag: Vec<u8>,
    received: Vec<u8>,
    forged: bool,
}

/// Runs one input. Returns how many packets were compared.
pub fn run(data: &[u8]) -> usize {
    let mut input = Input(data);
    match input.byte() & 1 {
        0 => run_suite::<CmHmacSha1>(&mut input),
        _ => run_suite::<Gcm>(&mut input),
    }
}

fn run_suite<S: Suite>(input: &mut Input<'_>) -> usize {
    let mut packets = Vec::new();
    while !input.is_empty() && packets.len() < MAX_PACKETS {
        packets.push(read::<S>(input));
    }
    thread_local! {
        static MEMORY: RefCell<Vec<Guarded>> =
            RefCell::new((0..MAX_PACKETS).map(|_| Guarded::new(MAX_HEADER + MAX_PAYLOAD)).collect());
    }
    MEMORY.with_borrow_mut(|memory| {
        for packet in &packets {
            alone(packet, &mut memory[0]);
        }
        if packets.iter().all(|packet| !packet.kernels.is_empty()) {
            together(&packets, memory);
        }
    });
    packets.len()
}

fn read<S: Suite>(input: &mut Input<'_>) -> Packet<S> {
    let kind = input.byte();
    let mut random = Random(input.word() as u64);
    let mut given = random.given(S::KEY_LENS[usize::from(kind & bits::KEY_LEN) % S::KEY_LENS.len()]);
    let (from, payload) = (input.word() % (MAX_HEADER + 1), input.word() % (MAX_PAYLOAD + 1));
    let (tag_len, wrong) = (1 + usize::from(input.byte()) % S::TAG_LEN, input.word());
    if kind & bits::KEYS_GIVEN != 0 {
        for field in [given.key.as_mut_slice(), &mut given.auth, &mut given.number, &mut given.suffix] {
            let bytes = input.take(field.len());
            field[..bytes.len()].copy_from_slice(bytes);
        }
    }
    let plain = random.bytes(from + payload);
    let (sealed, tag) = S::expected(&given, &plain, from);
    let mut received = tag[..tag_len].to_vec();
    let forged = kind & bits::FORGED != 0;
    if forged {
        let bit = wrong % (8 * tag_len);
        received[bit / 8] ^= 1 << (bit % 8);
    }
    let kernels: Vec<_> =
        Path::available().filter_map(|path| Some((path, S::new(path, &given.key, &given.auth)?))).collect();
    let batched = usize::from(kind & bits::PATH) >> 2;
    let at_start = kind & bits::AT_START != 0;
    Packet { given, kernels, batched, at_start, from, plain, sealed, tag, received, forged }
}

impl<S> Packet<S> {
    fn place<'m>(&self, memory: &'m mut Guarded) -> &'m mut [u8] {
        let place = if self.at_start { Guarded::at_start } else { Guarded::at_end };
        let packet = place(memory, self.plain.len());
        packet.copy_from_slice(&self.plain);
        packet
    }

    fn opened(&self) -> &[u8] {
        if self.forged { &self.sealed } else { &self.plain }
    }
}

fn alone<S: Suite>(packet: &Packet<S>, memory: &mut Guarded) {
    let buf = packet.place(memory);
    for (path, kernel) in &packet.kernels {
        buf.copy_from_slice(&packet.plain);
        let tag = kernel.seal(&packet.given, buf, packet.from, packet.plain.len());
        assert!(buf == packet.sealed && tag.as_ref() == packet.tag, "{path}: sealed otherwise");
        let opened = kernel.open(&packet.given, buf, packet.from, &packet.received);
        assert_eq!(opened, !packet.forged, "{path}: the verdict");
        assert!(buf == packet.opened(), "{path}: opened otherwise");
    }
}

fn together<S: Suite>(packets: &[Packet<S>], memory: &mut [Guarded]) {
    let mut jobs: Vec<Job<'_, S>> = packets
        .iter()
        .zip(memory)
        .map(|(packet, memory)| Job {
            keys: &packet.kernels[packet.batched % packet.kernels.len()].1,
            given: &packet.given,
            packet: packet.place(memory),
            from: packet.from,
        })
        .collect();
    let tags = S::seal_many(&mut jobs);
    for ((packet, job), tag) in packets.iter().zip(&jobs).zip(tags) {
        assert!(job.packet == packet.sealed && tag.as_ref() == packet.tag, "sealed otherwise in a batch");
    }
    let received: Vec<&[u8]> = packets.iter().map(|packet| packet.received.as_slice()).collect();
    let opened = S::open_many(&mut jobs, &received);
    for ((packet, job), opened) in packets.iter().zip(&jobs).zip(opened) {
        assert_eq!(opened, !packet.forged, "the verdict in a batch");
        assert!(job.packet == packet.opened(), "opened otherwise in a batch");
    }
}
