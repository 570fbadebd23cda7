//! Packets with any header into protection, with buffers of any room: what is refused stays as it was, what is protected
//! keeps its header, fits, and opens again as it was.
//!
//! Input: [`Setup`], then steps: a byte (lowest bit: RTCP; the others: room behind the packet), a word that is the length
//! claimed for the packet if it is longer than the packet's own, a packet.

use sealrtp_srtp::{Inbound, MAX_TRAILER_LEN, Outbound};

use crate::input::{Input, Setup};
use crate::stream::Protocol;

/// Bounds the time of one run.
const MAX_STEPS: usize = 256;

/// Runs one input. Returns how many packets were protected.
pub fn run(data: &[u8]) -> usize {
    let mut input = Input(data);
    let setup = Setup::read(&mut input);
    let Some(keys) = setup.keys(0) else { return 0 };
    let mut sender = Outbound::new(&keys, setup.limits());
    let mut receiver = Inbound::new(&keys, setup.limits());
    let mut protected = 0;
    for _ in 0..MAX_STEPS {
        if input.is_empty() {
            break;
        }
        let kind = input.byte();
        let (protocol, fixed_header) = if kind & 1 == 0 { (Protocol::Rtp, 12) } else { (Protocol::Rtcp, 8) };
        let room = usize::from(kind >> 1) * MAX_TRAILER_LEN / 120;
        let claimed = input.word();
        let clear = input.packet();
        let mut buf = clear.to_vec();
        buf.resize(clear.len() + room, 0xee);
        let before = buf.clone();
        let len = claimed.max(clear.len());
        match protocol.protect(&mut sender, &mut buf, len) {
            Err(_) => assert_eq!(buf, before, "refused and changed"),
            Ok(new_len) => {
                protected += 1;
                assert!(new_len >= len && new_len <= buf.len() && new_len <= len + MAX_TRAILER_LEN);
                assert_eq!(buf[..fixed_header], before[..fixed_header], "header changed");
                assert_eq!(buf[new_len..], before[new_len..], "written behind the packet");
                let authenticates = protocol == Protocol::Rtcp || setup.authenticates_rtp();
                if let Ok(opened) = protocol.unprotect(&mut receiver, &mut buf[..new_len]) {
                    assert!(!authenticates || buf[..opened] == before[..len], "opened as something else");
                }
            }
        }
    }
    protected
}
