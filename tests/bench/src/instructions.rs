//! How many instructions a packet takes, exactly: a process of our own is run one instruction at a time (ptrace) between two
//! marks. valgrind does not know SHA-NI and AVX-512, and virtual machines seldom count instructions.
//!
//! An instruction with a repeat prefix counts once for each repetition; the system's own instructions do not count.

use std::error::Error;
use std::hint::black_box;
use std::io;

use sealrtp_srtp::Suite;

use crate::measured::What;
use crate::options::{Options, Part};
use crate::processes;
use crate::rounds::ROOM;
use crate::side::{Receiver, Sender, Side, StreamKeys};

/// Packets before the one that counts: tables are filled, functions of shared libraries are bound.
const WARM_UP: usize = 8;
/// Packets of a job in all: the last one counts.
const PACKETS: usize = WARM_UP + 1;
/// The mark.
const MARK: libc::c_int = libc::SIGUSR1;

/// Prints the instructions per packet on every path.
///
/// # Errors
/// If a process does not run through.
pub fn run(options: &Options) -> Result<bool, Box<dyn Error>> {
    let measured = processes::measure(Part::Instructions, &processes::paths(options), 1, options)?;
    println!("{:9} {:8} {:>7} {:9} {:>7} {:>7}", "path", "suite", "payload", "", "ours", "libsrtp");
    for row in measured.rows() {
        let What::Instructions { suite, payload, way } = row.what else { continue };
        println!(
            "{:9} {suite:8} {payload:>7} {:9} {:7} {:7}",
            row.path.name(),
            way.name(),
            row.median(0),
            row.median(1)
        );
    }
    Ok(true)
}

/// Something that is done packet after packet.
pub trait Job {
    /// Before each [`run`](Self::run); is not counted.
    fn prepare(&mut self);
    /// What is counted.
    fn run(&mut self);
}

/// What is subtracted: the marks and the call.
struct Nothing;

impl Job for Nothing {
    fn prepare(&mut self) {}
    fn run(&mut self) {
        black_box(());
    }
}

/// Instructions of each job. The calling process must have one thread.
///
/// # Errors
/// If the system does not allow a process to trace its child.
pub fn count(jobs: &mut [Box<dyn Job>]) -> io::Result<Vec<u64>> {
    // SAFETY: one thread, so that the child has all that it needs; it leaves by _exit.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => traced(jobs),
        child => {
            let counts = follow(child, jobs.len() + 1);
            if counts.is_err() {
                // SAFETY: our own child, not yet waited for.
                unsafe { libc::kill(child, libc::SIGKILL) };
            }
            // SAFETY: as above; the status is not asked for.
            unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
            let counts = counts?;
            Ok(counts[1..].iter().map(|count| count.saturating_sub(counts[0])).collect())
        }
    }
}

/// The child.
fn traced(jobs: &mut [Box<dyn Job>]) -> ! {
    let mark = || {
        // SAFETY: the tracer takes the signal away; without one it ends the process.
        unsafe { libc::raise(MARK) };
    };
    // SAFETY: no arguments but the request; a failure shows in the tracer, which gets no stop.
    unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) };
    let mut nothing: Box<dyn Job> = Box::new(Nothing);
    for job in std::iter::once(&mut nothing).chain(jobs) {
        for packet in 0..PACKETS {
            job.prepare();
            if packet >= WARM_UP {
                mark();
            }
            job.run();
            if packet >= WARM_UP {
                mark();
            }
        }
    }
    // SAFETY: ends the process without what belongs to the parent.
    unsafe { libc::_exit(0) }
}

/// The parent: counts steps between marks.
fn follow(child: libc::pid_t, jobs: usize) -> io::Result<Vec<u64>> {
    let mut counts = Vec::with_capacity(jobs);
    for _ in 0..jobs {
        // The child is on its way to a mark: from the beginning, or from the job before.
        loop {
            match stop(child)? {
                MARK => break,
                libc::SIGSTOP | libc::SIGCONT => resume(child, libc::PTRACE_CONT)?,
                _ => return Err(io::Error::other("the counted process stopped where no packet begins")),
            }
        }
        let mut steps = 0;
        loop {
            resume(child, libc::PTRACE_SINGLESTEP)?;
            match stop(child)? {
                libc::SIGTRAP => steps += 1,
                MARK => break,
                // Somebody held all processes up for a while.
                libc::SIGSTOP | libc::SIGCONT => {}
                other => return Err(io::Error::other(format!("the counted process got signal {other}"))),
            }
        }
        resume(child, libc::PTRACE_CONT)?;
        counts.push(steps);
    }
    Ok(counts)
}

/// Lets the stopped child go on, without the signal that stopped it.
fn resume(child: libc::pid_t, how: libc::c_uint) -> io::Result<()> {
    // SAFETY: our own stopped child; no memory is named.
    if unsafe { libc::ptrace(how, child, 0, 0) } == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Waits until the child stops; the signal that stopped it.
fn stop(child: libc::pid_t) -> io::Result<libc::c_int> {
    let mut status = 0;
    // SAFETY: our own child; the status is ours and writable.
    if unsafe { libc::waitpid(child, &raw mut status, 0) } == -1 {
        return Err(io::Error::last_os_error());
    }
    if !libc::WIFSTOPPED(status) {
        return Err(io::Error::other("the counted process ended: a process may not trace its child here"));
    }
    Ok(libc::WSTOPSIG(status))
}

/// Instructions of a packet each way, in one implementation.
pub fn jobs<S: Side>(side: &S, suite: Suite, payload: usize) -> [Box<dyn Job>; 2]
where
    S::Out: 'static,
    S::In: 'static,
{
    let keys = StreamKeys::new(suite, 0);
    let clear: Vec<Vec<u8>> = (0..PACKETS as u16).map(|seq| packet(&keys, seq, payload)).collect();
    let len = clear[0].len();
    let keys = side.keys(&keys);
    let mut sender = side.out(&keys);
    let wire = clear.iter().map(|packet| {
        let mut buffer = roomy(packet);
        let len = sender.protect(&mut buffer, len);
        buffer[..len].to_vec()
    });
    let wire: Vec<Vec<u8>> = wire.collect();
    [
        Box::new(Protect { out: side.out(&keys), packets: clear, next: 0, buffer: Vec::new() }),
        Box::new(Unprotect { inn: side.inn(&keys), packets: wire, next: 0 }),
    ]
}

fn packet(keys: &StreamKeys, seq: u16, payload: usize) -> Vec<u8> {
    let mut packet = vec![0x80, 0];
    packet.extend(seq.to_be_bytes());
    packet.extend((u32::from(seq) * 160).to_be_bytes());
    packet.extend(keys.ssrc.to_be_bytes());
    packet.extend((0..payload).map(|at| (at * 31) as u8));
    packet
}

fn roomy(packet: &[u8]) -> Vec<u8> {
    let mut buffer = packet.to_vec();
    buffer.resize(packet.len() + ROOM, 0);
    buffer
}

struct Protect<S> {
    out: S,
    packets: Vec<Vec<u8>>,
    next: usize,
    buffer: Vec<u8>,
}

impl<S: Sender> Job for Protect<S> {
    fn prepare(&mut self) {
        self.buffer = roomy(&self.packets[self.next]);
        self.next += 1;
    }

    fn run(&mut self) {
        let len = self.buffer.len() - ROOM;
        black_box(self.out.protect(black_box(&mut self.buffer), len));
    }
}

struct Unprotect<R> {
    inn: R,
    packets: Vec<Vec<u8>>,
    next: usize,
}

impl<R: Receiver> Job for Unprotect<R> {
    fn prepare(&mut self) {
        self.next += 1;
    }

    fn run(&mut self) {
        black_box(self.inn.unprotect(black_box(&mut self.packets[self.next - 1])));
    }
}
