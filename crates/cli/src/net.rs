//! The two UDP sockets, the one place that waits, and what else may end the waiting.

use std::io;
use std::net::SocketAddr;
use std::os::unix::net::UnixStream as StdStream;
use std::sync::Arc;
use std::time::Instant;

use mio::net::{UdpSocket, UnixStream};
use mio::{Events, Interest, Poll, Token, Waker};
use sealrtp_relay::bind_pair;
use sealrtp_session::Component;
use signal_hook::consts::{SIGINT, SIGTERM};

/// Largest datagram.
pub const MAX_DATAGRAM: usize = 65_536;
/// Datagrams to read before timers are looked at again.
pub const AT_A_TIME: usize = 64;

const WOKEN: Token = Token(2);
const SIGNAL: Token = Token(3);

/// The sockets of RTP and RTCP.
pub struct Net {
    poll: Poll,
    events: Events,
    sockets: [UdpSocket; 2],
    readable: [bool; 2],
    waker: Arc<Waker>,
    /// Written to by the signal handler.
    _signals: UnixStream,
    signalled: bool,
}

impl Net {
    /// Binds both; without a port the system chooses, and without an RTCP port it is the one above RTP's.
    ///
    /// # Errors
    /// The system's.
    pub fn bind(rtp: SocketAddr, rtcp_port: Option<u16>) -> io::Result<Self> {
        let poll = Poll::new()?;
        let sockets = bind_pair(rtp, rtcp_port)?;
        for socket in &sockets {
            socket.set_nonblocking(true)?;
        }
        let mut sockets = sockets.map(UdpSocket::from_std);
        for (socket, component) in sockets.iter_mut().zip(Component::BOTH) {
            poll.registry().register(socket, Token(component as usize), Interest::READABLE)?;
        }
        let (ours, handlers) = StdStream::pair()?;
        ours.set_nonblocking(true)?;
        for signal in [SIGINT, SIGTERM] {
            signal_hook::low_level::pipe::register(signal, handlers.try_clone()?)?;
        }
        let mut signals = UnixStream::from_std(ours);
        poll.registry().register(&mut signals, SIGNAL, Interest::READABLE)?;
        Ok(Self {
            waker: Arc::new(Waker::new(poll.registry(), WOKEN)?),
            poll,
            events: Events::with_capacity(16),
            sockets,
            readable: [false; 2],
            _signals: signals,
            signalled: false,
        })
    }

    /// The address a socket is bound to.
    ///
    /// # Errors
    /// The system's.
    pub fn local(&self, component: Component) -> io::Result<SocketAddr> {
        self.sockets[component as usize].local_addr()
    }

    /// Ends the waiting from another thread.
    pub fn waker(&self) -> Arc<Waker> {
        Arc::clone(&self.waker)
    }

    /// Whether SIGINT or SIGTERM came.
    pub fn signalled(&self) -> bool {
        self.signalled
    }

    /// Waits until a datagram, a waker or a signal comes, at most until `deadline`.
    ///
    /// # Errors
    /// The system's.
    pub fn wait(&mut self, deadline: Instant) -> io::Result<()> {
        let more = self.readable.iter().any(|readable| *readable);
        let until =
            if more { Default::default() } else { deadline.saturating_duration_since(Instant::now()) };
        match self.poll.poll(&mut self.events, Some(until)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            result => result?,
        }
        for event in &self.events {
            match event.token() {
                SIGNAL => self.signalled = true,
                Token(socket) => {
                    if let Some(readable) = self.readable.get_mut(socket) {
                        *readable = true;
                    }
                }
            }
        }
        Ok(())
    }

    /// The next datagram that has come, if there is one.
    ///
    /// # Errors
    /// The system's.
    pub fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Option<(Component, usize, SocketAddr)>> {
        for component in Component::BOTH {
            let number = component as usize;
            while self.readable[number] {
                match self.sockets[number].recv_from(buffer) {
                    Ok((len, from)) => return Ok(Some((component, len, from))),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.readable[number] = false,
                    // The peer's port is not open yet, or not any more.
                    Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(None)
    }

    /// Sends a datagram; false if the system has no room for it now.
    ///
    /// # Errors
    /// The system's, if it will never be sent.
    pub fn send(&self, component: Component, datagram: &[u8], to: SocketAddr) -> io::Result<bool> {
        match self.sockets[component as usize].send_to(datagram, to) {
            Ok(_) => Ok(true),
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::ConnectionRefused | io::ErrorKind::OutOfMemory => {
                    Ok(false)
                }
                _ => Err(error),
            },
        }
    }
}
