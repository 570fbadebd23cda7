//! For every path: the same instructions and the same addresses, whatever the secrets are.

use std::hint::black_box;

use sealrtp_srtp_accel::{CmHmacSha1, CmOpen, CmSeal, Gcm, Path};

use crate::suite::random::Random;
use crate::suite::{Given, Suite, counter};
use crate::tracer::{Trace, Tracer};

const HEADER: usize = 12;
/// Less than a block, and packets as they are: stepping takes the processor a thousand times as long as executing.
const PAYLOADS: [usize; 3] = [20, 100, 333];
/// With all lengths of keys.
const WITH_ALL_KEYS: [usize; 1] = [20];
/// All bits clear, all bits set, and some by chance.
const SECRETS: usize = 3;

/// What is done with keys.
#[derive(Clone, Copy, Debug)]
enum Operation {
    Expand,
    Seal,
    /// Packets with the right tag.
    Open,
    /// Packets whose tag is wrong in one bit, the first, the last, or any.
    Refuse,
}

/// A packet and its keys, which stay where they are when they change.
struct Subject<S> {
    path: Path,
    given: Given,
    kernel: Option<S>,
    packet: Vec<u8>,
    plain: Vec<u8>,
    received: Vec<u8>,
}

impl<S: Suite> Subject<S> {
    fn new(path: Path, key_len: usize, payload: usize) -> Self {
        let given = Given { key: vec![0; key_len], auth: [0; _], number: [0; _], suffix: [0; _] };
        let packet = vec![0; HEADER + payload];
        Self { path, given, kernel: None, plain: packet.clone(), packet, received: vec![0; S::TAG_LEN] }
    }

    /// Takes the secrets of this number, ready for the operation.
    fn prepare(&mut self, random: &mut Random, secrets: usize, operation: Operation) {
        let given = &mut self.given;
        for secret in
            [&mut given.key, given.auth.as_mut_slice(), &mut given.number, &mut given.suffix, &mut self.plain]
        {
            match secrets {
                0 => secret.fill(0),
                1 => secret.fill(0xff),
                _ => random.fill(secret),
            }
        }
        self.kernel = S::new(self.path, &self.given.key, &self.given.auth);
        let (sealed, tag) = S::expected(&self.given, &self.plain, HEADER);
        self.received.copy_from_slice(&tag);
        match operation {
            Operation::Expand | Operation::Seal => self.packet.copy_from_slice(&self.plain),
            Operation::Open => self.packet.copy_from_slice(&sealed),
            Operation::Refuse => {
                self.packet.copy_from_slice(&sealed);
                match secrets {
                    0 => self.received[0] ^= 0x80,
                    1 => self.received[S::TAG_LEN - 1] ^= 1,
                    _ => random.flip(&mut self.received),
                }
            }
        }
    }

    /// Whether the packet was taken, where that is asked.
    fn operate(&mut self, operation: Operation) -> bool {
        let Self { path, given, kernel: Some(kernel), packet, received, .. } = self else { return false };
        let len = packet.len();
        match operation {
            Operation::Expand => S::new(*path, &given.key, &given.auth).is_some(),
            Operation::Seal => {
                black_box(kernel.seal(given, packet, HEADER, len)).as_ref().len() == S::TAG_LEN
            }
            Operation::Open => kernel.open(given, packet, HEADER, received),
            Operation::Refuse => !kernel.open(given, packet, HEADER, received),
        }
    }
}

/// Traces for one secret after the other.
struct Comparison {
    tracer: Tracer,
    first: Option<Trace>,
    traces: usize,
    instructions: usize,
}

impl Comparison {
    fn new() -> Self {
        Self { tracer: Tracer::new(), first: None, traces: 0, instructions: 0 }
    }

    /// Steps through `code` and holds that against its first run.
    fn step(&mut self, case: &dyn Fn() -> String, code: &mut dyn FnMut() -> bool) {
        let mut done = false;
        let trace = self.tracer.trace(&mut || done = code());
        assert!(done, "{}", case());
        self.traces += 1;
        self.instructions += trace.instructions();
        match &self.first {
            None => self.first = Some(trace),
            Some(first) => {
                if let Some(difference) = first.difference(&trace) {
                    panic!("{}: secrets are told by what is executed or touched: {difference}", case());
                }
            }
        }
    }

    fn report(self, suite: &str) {
        println!("{suite}: {} traces, {} instructions", self.traces, self.instructions);
    }
}

fn every_path<S: Suite>(suite: &str) {
    let random = &mut Random::seeded();
    let mut comparison = Comparison::new();
    for path in Path::available() {
        for (key_len, payload) in lengths::<S>() {
            let mut subject = Subject::<S>::new(path, key_len, payload);
            subject.prepare(random, SECRETS, Operation::Seal);
            if subject.kernel.is_none() {
                continue;
            }
            for operation in [Operation::Expand, Operation::Seal, Operation::Open, Operation::Refuse] {
                if matches!(operation, Operation::Expand) && payload != PAYLOADS[0] {
                    continue;
                }
                comparison.first = None;
                for secrets in 0..SECRETS {
                    subject.prepare(random, secrets, operation);
                    let case = || {
                        format!(
                            "{path}, key of {key_len}, payload of {payload}, {operation:?}, secrets {secrets}"
                        )
                    };
                    comparison.step(&case, &mut || subject.operate(operation));
                }
            }
        }
    }
    comparison.report(suite);
}

/// Of keys and payloads.
fn lengths<S: Suite>() -> impl Iterator<Item = (usize, usize)> {
    let (first, others) = S::KEY_LENS.split_first().expect("a suite has keys");
    let others = others.iter().flat_map(|key_len| WITH_ALL_KEYS.map(|payload| (*key_len, payload)));
    PAYLOADS.into_iter().map(|payload| (*first, payload)).chain(others)
}

#[test]
fn aes_cm_does_not_tell_its_secrets() {
    every_path::<CmHmacSha1>("AES-CM with HMAC-SHA1");
}

#[test]
fn aes_gcm_does_not_tell_its_secrets() {
    every_path::<Gcm>("AES-GCM");
}

/// Two to four packets, two of them of one length, under keys of every length.
#[test]
fn batches_of_aes_cm_do_not_tell_their_secrets() {
    let random = &mut Random::seeded();
    let mut comparison = Comparison::new();
    let lengths = [(16, 90), (32, 20), (24, 33), (16, 20)];
    for path in Path::available() {
        let mut subjects =
            lengths.map(|(key_len, payload)| Subject::<CmHmacSha1>::new(path, key_len, payload));
        subjects[0].prepare(random, SECRETS, Operation::Seal);
        let Some(kernel) = &subjects[0].kernel else { continue };
        // Paths that take one after the other show it with two.
        let most = if kernel.gains_in_company() { subjects.len() } else { 2 };
        for count in 2..=most {
            for operation in [Operation::Seal, Operation::Open, Operation::Refuse] {
                comparison.first = None;
                for secrets in 0..SECRETS {
                    for subject in &mut subjects {
                        subject.prepare(random, secrets, operation);
                    }
                    let case =
                        || format!("{path}, {:?}, {operation:?}, secrets {secrets}", &lengths[..count]);
                    comparison.step(&case, &mut || operate_on(count, &mut subjects, operation));
                }
            }
        }
    }
    comparison.report("batches of AES-CM with HMAC-SHA1");
}

/// Whether the first `count` packets were taken, where that is asked.
fn operate_on(count: usize, subjects: &mut [Subject<CmHmacSha1>; 4], operation: Operation) -> bool {
    if subjects.iter().any(|subject| subject.kernel.is_none()) {
        return false;
    }
    match operation {
        Operation::Expand | Operation::Seal => {
            let mut tags = [[0; CmHmacSha1::TAG_LEN]; 4];
            let mut free = tags.iter_mut();
            let mut jobs = subjects.each_mut().map(|subject| CmSeal {
                keys: subject.kernel.as_ref().expect("it was looked for"),
                counter: counter(&subject.given),
                buf: &mut subject.packet,
                from: HEADER,
                suffix: subject.given.suffix,
                tag: free.next().expect("as many as subjects"),
            });
            CmHmacSha1::seal_many(&mut jobs[..count]);
            black_box(tags).len() == subjects.len()
        }
        Operation::Open | Operation::Refuse => {
            let mut jobs = subjects.each_mut().map(|subject| CmOpen {
                keys: subject.kernel.as_ref().expect("it was looked for"),
                counter: counter(&subject.given),
                packet: &mut subject.packet,
                from: HEADER,
                suffix: subject.given.suffix,
                received: &subject.received,
                authentic: false,
            });
            CmHmacSha1::open_many(&mut jobs[..count]);
            let expected = matches!(operation, Operation::Open);
            jobs[..count].iter().all(|job| job.authentic == expected)
        }
    }
}

/// Otherwise no trace would tell anything.
#[test]
fn a_trace_tells_a_branch_and_a_table_and_a_division() {
    static TABLE: [u8; 256] = [1; 256];
    fn branch(secret: u8) {
        if secret & 1 == 0 {
            black_box(1);
        } else {
            black_box(2);
            black_box(3);
        }
    }
    fn table(secret: u8) {
        black_box(black_box(&TABLE)[usize::from(secret)]);
    }
    fn division(secret: u8) {
        black_box(1000 / (u32::from(secret) | 1));
    }
    let mut tracer = Tracer::new();
    for leaky in [branch, table, division] {
        let mut traces = Vec::new();
        for secret in [6, 6, 9] {
            traces.push(tracer.trace(&mut || leaky(black_box(secret))));
        }
        let [one, again, other] = traces.as_slice() else { unreachable!("three were pushed") };
        assert_eq!(one.difference(again), None);
        assert!(one.difference(other).is_some());
    }
}
