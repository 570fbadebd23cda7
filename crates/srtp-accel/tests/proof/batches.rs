//! Packets of a batch come out as each would alone, whatever the others are.

use sealrtp_srtp_accel::{CmHmacSha1, Gcm, Path};

use crate::packets::kernels;
use crate::suite::random::Random;
use crate::suite::{Given, Job, Suite};

/// More than any kernel takes at a time, several times over.
const MOST: usize = 19;

struct Packet<S> {
    given: Given,
    kernel: (Path, S),
    plain: Vec<u8>,
    from: usize,
    sealed: Vec<u8>,
    tag: Vec<u8>,
}

/// Packets of sessions of their own; their paths by chance too, unless it is given.
fn draw<S: Suite>(random: &mut Random, count: usize, longest: usize, path: Option<Path>) -> Vec<Packet<S>> {
    let packets = (0..count).map(|_| {
        let key_len = random.one_of(S::KEY_LENS);
        let given = random.given(key_len);
        let mut kernels = kernels::<S>(&given);
        kernels.retain(|kernel| path.is_none_or(|path| kernel.0 == path));
        let kernel = kernels.swap_remove(random.below(kernels.len()));
        let from = random.one_of(&[0, 12, 12, 12, 20, 72, 300]);
        let len = from + random.below(longest + 1);
        let plain = random.bytes(len);
        let (sealed, tag) = S::expected(&given, &plain, from);
        Packet { given, kernel, plain, from, sealed, tag }
    });
    packets.collect()
}

fn jobs<'a, S>(packets: &'a [Packet<S>], bufs: &'a mut [Vec<u8>]) -> Vec<Job<'a, S>> {
    let both = packets.iter().zip(bufs);
    both.map(|(packet, buf)| Job {
        keys: &packet.kernel.1,
        given: &packet.given,
        packet: buf,
        from: packet.from,
    })
    .collect()
}

fn compare<S: Suite>(random: &mut Random, packets: &[Packet<S>]) {
    let case = || {
        packets.iter().map(|packet| (packet.kernel.0, packet.from, packet.plain.len())).collect::<Vec<_>>()
    };
    let mut bufs: Vec<Vec<u8>> = packets.iter().map(|packet| packet.plain.clone()).collect();
    let tags = S::seal_many(&mut jobs(packets, &mut bufs));
    for ((packet, buf), tag) in packets.iter().zip(&bufs).zip(&tags) {
        assert!(*buf == packet.sealed && tag.as_ref() == packet.tag, "sealed otherwise: {:?}", case());
    }

    // Some of the tags are wrong, which is nothing to the other packets.
    let received: Vec<Vec<u8>> = packets
        .iter()
        .map(|packet| {
            let mut received = packet.tag[..1 + random.below(S::TAG_LEN)].to_vec();
            if random.below(3) == 0 {
                random.flip(&mut received);
            }
            received
        })
        .collect();
    let received: Vec<&[u8]> = received.iter().map(Vec::as_slice).collect();
    let opened = S::open_many(&mut jobs(packets, &mut bufs), &received);
    for (i, packet) in packets.iter().enumerate() {
        assert_eq!(opened[i], packet.tag.starts_with(received[i]), "verdict {i}: {:?}", case());
        let expected = if opened[i] { &packet.plain } else { &packet.sealed };
        assert!(bufs[i] == *expected, "packet {i}, {}: {:?}", opened[i], case());
    }
}

fn batches<S: Suite>() {
    let random = &mut Random::seeded();
    let paths: Vec<Path> = kernels::<S>(&random.given(16)).into_iter().map(|(path, _)| path).collect();
    if paths.is_empty() {
        return;
    }
    for path in paths.into_iter().map(Some).chain([None]) {
        for round in 0..1500 {
            let (count, longest) = (round % (MOST + 1), random.one_of(&[0, 20, 160, 400, 1400]));
            let packets = draw::<S>(random, count, longest, path);
            compare(random, &packets);
        }
    }
}

#[test]
fn packets_of_aes_cm_come_out_as_alone() {
    batches::<CmHmacSha1>();
}

#[test]
fn packets_of_aes_gcm_come_out_as_alone() {
    batches::<Gcm>();
}
