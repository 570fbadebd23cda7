//! No kernel touches a byte beside its packet, key or tag: it would crash.

use sealrtp_srtp_accel::{AUTH_KEY_LEN, CmHmacSha1, Gcm, Path};

use crate::packets::kernels;
use crate::suite::guarded::Guarded;
use crate::suite::random::Random;
use crate::suite::{Given, Job, Suite};

const LONGEST: usize = 2048;
const HEADERS: [usize; 4] = [0, 12, 20, 72];

/// Where in guarded memory a packet lies.
type Place = fn(&mut Guarded, usize) -> &mut [u8];
const PLACES: [Place; 2] = [Guarded::at_start, Guarded::at_end];

/// Reads a byte in a process of its own, and gives the signal that the process died of.
fn signal_of_reading(address: *const u8) -> Option<i32> {
    // SAFETY: the child calls nothing that another thread could have left half done.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "fork: {}", std::io::Error::last_os_error());
    if child == 0 {
        // SAFETY: it may not be readable: that is what the child is for.
        unsafe { address.read_volatile() };
        // SAFETY: ends the child.
        unsafe { libc::_exit(0) };
    }
    let mut status = 0;
    // SAFETY: the child is this function's own.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    libc::WIFSIGNALED(status).then(|| libc::WTERMSIG(status))
}

/// Otherwise guarded memory guards nothing.
#[test]
fn a_byte_beside_guarded_memory_is_a_crash() {
    let mut memory = Guarded::new(100);
    for place in [Guarded::at_start, Guarded::at_end] {
        let slice = place(&mut memory, 100);
        slice.fill(1);
        assert_eq!(signal_of_reading(&raw const slice[0]), None);
        assert_eq!(signal_of_reading(&raw const slice[99]), None);
    }
    let (first, behind) = (memory.at_start(1).as_ptr(), memory.at_end(1).as_ptr_range().end);
    assert_eq!(
        signal_of_reading(first.wrapping_sub(1)),
        Some(libc::SIGSEGV),
        "the byte before could be read"
    );
    assert_eq!(signal_of_reading(behind), Some(libc::SIGSEGV), "the byte behind could be read");
}

fn alone<S: Suite>() {
    let random = &mut Random::seeded();
    let (mut memory, mut tags) = (Guarded::new(LONGEST + 72), Guarded::new(S::TAG_LEN));
    for &key_len in S::KEY_LENS {
        let given = random.given(key_len);
        let kernels = kernels::<S>(&given);
        for len in 0..=LONGEST + 72 {
            let plain = random.bytes(len);
            for from in HEADERS {
                let Some(payload) = len.checked_sub(from) else { continue };
                if payload > LONGEST {
                    continue;
                }
                let (sealed, tag) = S::expected(&given, &plain, from);
                for (path, kernel) in &kernels {
                    for place in PLACES {
                        let packet = place(&mut memory, len);
                        packet.copy_from_slice(&plain);
                        let made = kernel.seal(&given, packet, from, len);
                        assert!(
                            packet == sealed && made.as_ref() == tag,
                            "{path}, header of {from}, payload of {payload}"
                        );
                        let received = tags.copy_at_end(&tag[..1 + len % S::TAG_LEN]);
                        assert!(kernel.open(&given, packet, from, received), "{path}, payload of {payload}");
                        assert!(packet == plain, "{path}, header of {from}, payload of {payload}");
                        random.flip(received);
                        packet.copy_from_slice(&sealed);
                        assert!(!kernel.open(&given, packet, from, received), "{path}, payload of {payload}");
                        assert!(packet == sealed, "{path}, header of {from}, payload of {payload}");
                    }
                }
            }
        }
    }
}

/// Packets of a batch, of lengths near each other and far apart, each in guarded memory of its own.
fn together<S: Suite>() {
    const MANY: usize = 7;
    let random = &mut Random::seeded();
    let mut memory: Vec<Guarded> = (0..MANY).map(|_| Guarded::new(LONGEST + 72)).collect();
    let givens: Vec<Given> = (0..MANY).map(|i| random.given(S::KEY_LENS[i % S::KEY_LENS.len()])).collect();
    let kernels: Vec<(Path, Vec<S>)> = Path::available()
        .filter_map(|path| {
            Some((
                path,
                givens.iter().map(|given| S::new(path, &given.key, &given.auth)).collect::<Option<_>>()?,
            ))
        })
        .collect();
    for payload in 0..=LONGEST {
        for (path, kernels) in &kernels {
            for place in PLACES {
                let mut expected = Vec::new();
                let mut jobs: Vec<Job<'_, S>> = Vec::new();
                // Four at a time, and then two or three.
                let count = MANY - payload % 2;
                for (i, memory) in memory[..count].iter_mut().enumerate() {
                    let payload = if i % 2 == 0 { payload } else { random.below(payload + 1) };
                    let from = HEADERS[i % HEADERS.len()];
                    let plain = random.bytes(from + payload);
                    let packet = place(memory, plain.len());
                    packet.copy_from_slice(&plain);
                    expected.push((S::expected(&givens[i], &plain, from), plain));
                    jobs.push(Job { keys: &kernels[i], given: &givens[i], packet, from });
                }
                let made = S::seal_many(&mut jobs);
                for ((job, made), ((sealed, tag), _)) in jobs.iter().zip(&made).zip(&expected) {
                    assert!(job.packet == sealed && made.as_ref() == tag, "{path}, payload of {payload}");
                }
                let tags: Vec<&[u8]> = expected.iter().map(|((_, tag), _)| tag.as_slice()).collect();
                assert_eq!(S::open_many(&mut jobs, &tags), vec![true; count], "{path}, payload of {payload}");
                for (job, (_, plain)) in jobs.iter().zip(&expected) {
                    assert!(job.packet == plain, "{path}, payload of {payload}");
                }
            }
        }
    }
}

fn keys<S: Suite>() {
    let random = &mut Random::seeded();
    let (mut keys, mut auths) = (Guarded::new(32), Guarded::new(AUTH_KEY_LEN));
    for &key_len in S::KEY_LENS {
        let given = random.given(key_len);
        let plain = random.bytes(100);
        let (sealed, tag) = S::expected(&given, &plain, 12);
        for path in Path::available() {
            for place in PLACES {
                let key = place(&mut keys, key_len);
                key.copy_from_slice(&given.key);
                let auth = place(&mut auths, AUTH_KEY_LEN);
                auth.copy_from_slice(&given.auth);
                let auth = auth.first_chunk().expect("it has the length");
                let Some(kernel) = S::new(path, key, auth) else { continue };
                let mut packet = plain.clone();
                assert_eq!(kernel.seal(&given, &mut packet, 12, plain.len()).as_ref(), tag, "{path}");
                assert_eq!(packet, sealed, "{path}");
            }
        }
    }
}

macro_rules! prove {
    ($($suite:ident: $type:ty),*) => { $(
        mod $suite {
            use super::*;

            #[test]
            fn nothing_beside_a_packet_is_touched() {
                alone::<$type>();
            }

            #[test]
            fn nothing_beside_the_packets_of_a_batch_is_touched() {
                together::<$type>();
            }

            #[test]
            fn nothing_beside_a_key_is_touched() {
                keys::<$type>();
            }
        }
    )* };
}

prove!(cm: CmHmacSha1, gcm: Gcm);
