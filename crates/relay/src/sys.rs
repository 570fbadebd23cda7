//! System calls that the standard library does not have: many datagrams at once.

use std::io;
use std::mem::{size_of, zeroed};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::AsRawFd;
use std::ptr;

use sealrtp_srtp::MAX_TRAILER_LEN;

/// Most datagrams of one [`Batch`].
pub(crate) const BATCH: usize = 16;
/// Longest payload of UDP, and what protection adds.
const ROOM: usize = 65_536 + MAX_TRAILER_LEN;

/// Room for datagrams, used again and again.
pub(crate) struct Batch {
    room: Box<[u8]>,
    names: [libc::sockaddr_storage; BATCH],
    lengths: [usize; BATCH],
}

impl Batch {
    pub(crate) fn new() -> Self {
        // SAFETY: a socket address of zeros is one of no family.
        let names = unsafe { zeroed() };
        Self { room: vec![0; BATCH * ROOM].into_boxed_slice(), names, lengths: [0; BATCH] }
    }

    /// Takes what is there, without waiting, and returns how many; fewer than [`BATCH`] means that nothing is left.
    pub(crate) fn receive(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        // SAFETY: vectors and headers of zeros have null pointers and zero lengths.
        let (mut vectors, mut headers): ([libc::iovec; BATCH], [libc::mmsghdr; BATCH]) = unsafe { zeroed() };
        let parts = self.room.chunks_exact_mut(ROOM).zip(&mut self.names);
        for ((part, name), (vector, header)) in parts.zip(vectors.iter_mut().zip(&mut headers)) {
            *vector = libc::iovec { iov_base: part.as_mut_ptr().cast(), iov_len: part.len() };
            header.msg_hdr.msg_name = ptr::from_mut(name).cast();
            header.msg_hdr.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
            header.msg_hdr.msg_iov = vector;
            header.msg_hdr.msg_iovlen = 1;
        }
        // SAFETY: the headers are as many as said; each has a name and one vector of the lengths said, which live until
        // the call returns and are used by nobody else.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                BATCH as libc::c_uint,
                libc::MSG_DONTWAIT,
                ptr::null_mut(),
            )
        };
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        for (length, header) in self.lengths.iter_mut().zip(&headers[..count]) {
            *length = header.msg_len as usize;
        }
        Ok(count)
    }

    /// A datagram of the last call: its room, its length, and its source.
    #[inline]
    pub(crate) fn datagram(&mut self, number: usize) -> Option<(&mut [u8], usize, SocketAddr)> {
        let from = address(&self.names[number])?;
        Some((&mut self.room[number * ROOM..][..ROOM], self.lengths[number].min(ROOM), from))
    }
}

#[inline]
fn address(name: &libc::sockaddr_storage) -> Option<SocketAddr> {
    match libc::c_int::from(name.ss_family) {
        libc::AF_INET => {
            // SAFETY: of this family it is a sockaddr_in, and a sockaddr_storage has its size and alignment.
            let name = unsafe { &*ptr::from_ref(name).cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from(u32::from_be(name.sin_addr.s_addr));
            Some(SocketAddr::V4(SocketAddrV4::new(ip, u16::from_be(name.sin_port))))
        }
        libc::AF_INET6 => {
            // SAFETY: of this family it is a sockaddr_in6, and a sockaddr_storage has its size and alignment.
            let name = unsafe { &*ptr::from_ref(name).cast::<libc::sockaddr_in6>() };
            let ip = Ipv6Addr::from(name.sin6_addr.s6_addr);
            let port = u16::from_be(name.sin6_port);
            Some(SocketAddr::V6(SocketAddrV6::new(ip, port, name.sin6_flowinfo, name.sin6_scope_id)))
        }
        _ => None,
    }
}
