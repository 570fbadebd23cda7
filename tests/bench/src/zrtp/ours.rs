//! One end of ours, as [`super::bzrtp::End`] is one of libbzrtp's.

use std::sync::Arc;
use std::time::Instant;

use sealrtp_zrtp::message::Zid;
use sealrtp_zrtp::{Association, Config, Event, Stream};

use super::Result;

/// Turns of both ends that a handshake takes at most.
pub const TURNS: usize = 12;

pub struct End {
    association: Association,
    stream: Stream,
    secure: bool,
}

impl End {
    pub fn new(config: &Arc<Config>, number: u8) -> Result<Self> {
        let association = Association::new(config.clone(), Zid([number; 12]), None)?;
        let stream = Stream::new(&association, number.into(), Instant::now())?;
        Ok(Self { association, stream, secure: false })
    }

    /// Another stream of the same call.
    pub fn second(&self, number: u8) -> Result<Self> {
        let stream = Stream::new(&self.association, number.into(), Instant::now())?;
        Ok(Self { association: self.association.clone(), stream, secure: false })
    }

    pub fn start(&mut self) {
        self.stream.start(Instant::now());
    }

    /// Takes datagrams and goes on as far as it can.
    pub fn run(&mut self, datagrams: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>> {
        let now = Instant::now();
        for datagram in datagrams {
            self.stream.receive(&datagram, now);
        }
        while let Some(event) = self.stream.poll_event() {
            match event {
                Event::Secured(_) => self.secure = true,
                Event::Failed(failure) => return Err(failure.into()),
                _ => {}
            }
        }
        Ok(std::iter::from_fn(|| self.stream.poll_transmit()).collect())
    }

    pub fn is_secure(&self) -> bool {
        self.secure
    }
}
