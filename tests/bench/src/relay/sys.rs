//! System calls of the load and of the bare forwarder that the standard library does not have.

use std::io;
use std::mem::{size_of, zeroed};
use std::net::UdpSocket;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr;
use std::time::Duration;

/// Datagrams taken by one call.
const BATCH: usize = 64;
const ROOM: usize = 512;
const CONTROL: usize = 64;

fn checked(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Nanoseconds of the clock that the kernel stamps packets with.
pub fn wall_clock() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the structure is ours and writable.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &mut time) };
    assert_eq!(failed, 0, "the system's clock");
    nanoseconds(time)
}

fn nanoseconds(time: libc::timespec) -> u64 {
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// CPU time of the whole process.
pub fn process_cpu() -> Duration {
    // SAFETY: a structure of numbers, which the call fills.
    let usage = unsafe {
        let mut usage: libc::rusage = zeroed();
        assert_eq!(libc::getrusage(libc::RUSAGE_SELF, &mut usage), 0, "the process's times");
        usage
    };
    let of = |time: libc::timeval| Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1000);
    of(usage.ru_utime) + of(usage.ru_stime)
}

/// Before which threads the calling one runs; those that it starts are like it.
#[derive(Clone, Copy)]
pub enum Precedence {
    /// None.
    Ordinary,
    /// All of ordinary priority.
    Carrier,
    /// Those of carriers as well.
    Load,
}

/// False if the system does not allow it.
pub fn take_precedence(precedence: Precedence) -> bool {
    let (policy, priority) = match precedence {
        Precedence::Ordinary => (libc::SCHED_OTHER, 0),
        Precedence::Carrier => (libc::SCHED_FIFO, 1),
        Precedence::Load => (libc::SCHED_FIFO, 2),
    };
    let parameters = libc::sched_param { sched_priority: priority };
    // SAFETY: it changes the calling thread alone, by a structure of ours.
    unsafe { libc::sched_setscheduler(0, policy, &parameters) == 0 }
}

/// Allows as many files as the system lets us have, and returns how many.
pub fn raise_files() -> usize {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both calls use a structure of ours.
    unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
    }
    limit.rlim_cur as usize
}

/// Makes a socket hold what comes while nobody reads it, and has the kernel stamp each datagram when it arrives there.
pub fn make_patient(socket: &UdpSocket) -> io::Result<()> {
    let set = |option, value: libc::c_int| {
        let size = size_of::<libc::c_int>() as libc::socklen_t;
        // SAFETY: the value lives until the call returns, and has the size said.
        checked(unsafe {
            libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, option, ptr::from_ref(&value).cast(), size)
        })
    };
    let bytes = 32 << 20;
    set(libc::SO_RCVBUFFORCE, bytes).or_else(|_| set(libc::SO_RCVBUF, bytes))?;
    set(libc::SO_TIMESTAMPNS, 1)?;
    Ok(())
}

/// Room for datagrams and their stamps.
pub struct Arrivals {
    rooms: Box<[[u8; ROOM]; BATCH]>,
    controls: Box<[[u64; CONTROL / 8]; BATCH]>,
}

impl Arrivals {
    pub fn new() -> Self {
        Self { rooms: Box::new([[0; ROOM]; BATCH]), controls: Box::new([[0; CONTROL / 8]; BATCH]) }
    }

    /// Hands over what has come, each with the time of its arrival at the socket; false when nothing is left.
    pub fn take(&mut self, socket: &UdpSocket, mut each: impl FnMut(&mut [u8], u64)) -> bool {
        // SAFETY: vectors and headers of zeros have null pointers and zero lengths.
        let (mut vectors, mut headers): ([libc::iovec; BATCH], [libc::mmsghdr; BATCH]) = unsafe { zeroed() };
        for (number, (vector, header)) in vectors.iter_mut().zip(&mut headers).enumerate() {
            let room = &mut self.rooms[number];
            *vector = libc::iovec { iov_base: room.as_mut_ptr().cast(), iov_len: room.len() };
            header.msg_hdr.msg_iov = vector;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_control = self.controls[number].as_mut_ptr().cast();
            header.msg_hdr.msg_controllen = CONTROL as _;
        }
        // SAFETY: the headers are as many as said, and what they point to has the lengths said and lives on.
        let count = unsafe {
            let wait = libc::MSG_DONTWAIT;
            libc::recvmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), BATCH as u32, wait, ptr::null_mut())
        };
        let Ok(count) = usize::try_from(count) else { return false };
        for (number, header) in headers[..count].iter().enumerate() {
            let stamp = stamp(&header.msg_hdr).expect("the kernel stamps each datagram");
            each(&mut self.rooms[number][..header.msg_len as usize], stamp);
        }
        count == BATCH
    }
}

fn stamp(header: &libc::msghdr) -> Option<u64> {
    // SAFETY: the kernel has filled the control messages of this header, which are alive and aligned; these macros stay within
    // their length.
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(header);
        while let Some(found) = message.as_ref() {
            if found.cmsg_level == libc::SOL_SOCKET && found.cmsg_type == libc::SCM_TIMESTAMPNS {
                return Some(nanoseconds(libc::CMSG_DATA(found).cast::<libc::timespec>().read_unaligned()));
            }
            message = libc::CMSG_NXTHDR(header, found);
        }
    }
    None
}

/// Level-triggered epoll.
pub struct Epoll {
    fd: OwnedFd,
    events: Vec<libc::epoll_event>,
}

impl Epoll {
    pub fn new() -> io::Result<Self> {
        // SAFETY: takes no memory of ours; the descriptor is nobody else's.
        let fd = unsafe { OwnedFd::from_raw_fd(checked(libc::epoll_create1(libc::EPOLL_CLOEXEC))?) };
        Ok(Self { fd, events: vec![libc::epoll_event { events: 0, u64: 0 }; 256] })
    }

    pub fn add(&self, socket: &UdpSocket, number: usize) -> io::Result<()> {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: number as u64 };
        // SAFETY: both descriptors are open, and the event is ours.
        let result = unsafe {
            libc::epoll_ctl(self.fd.as_raw_fd(), libc::EPOLL_CTL_ADD, socket.as_raw_fd(), &mut event)
        };
        checked(result).map(drop)
    }

    /// Numbers of the sockets that can be read.
    pub fn wait(&mut self, patience: Duration) -> impl Iterator<Item = usize> {
        let (room, patience) = (self.events.len() as i32, patience.as_millis() as i32);
        // SAFETY: there is room for so many events.
        let count =
            unsafe { libc::epoll_wait(self.fd.as_raw_fd(), self.events.as_mut_ptr(), room, patience) };
        self.events[..usize::try_from(count).unwrap_or(0)].iter().map(|event| event.u64 as usize)
    }
}
