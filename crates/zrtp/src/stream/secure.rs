//! Keys are there: what is still answered, GoClear, and the way back.

use std::sync::Arc;
use std::time::Instant;

use subtle::ConstantTimeEq;

use super::Step;
use super::core::{Core, Peer};
use super::keyed::Keyed;
use crate::algorithm::Algorithm;
use crate::derive::{next_zrtp_sess, pbx_secret};
use crate::event::{Alert, Event};
use crate::message::{ErrorCode, Flags, MAC_LEN, Message, MessageType, SasRelayBody, Sealed};
use crate::sas::Sas;
use crate::secret::Secret;

/// Both ends have keys.
pub(super) struct Secure {
    pub(super) keyed: Keyed,
    /// The initiator's Confirm2, to acknowledge it again.
    confirm2: Option<Vec<u8>>,
}

fn clear_mac(keyed: &Keyed, key: &[u8]) -> [u8; MAC_LEN] {
    keyed.terms.hash.short_mac(key, &[&MessageType::GoClear.block()])
}

impl Secure {
    pub(super) fn new(keyed: Keyed, confirm2: Option<Vec<u8>>) -> Self {
        Self { keyed, confirm2 }
    }

    pub(super) fn confirm2_again(&self, core: &mut Core, raw: &[u8], now: Instant) {
        if self.confirm2.as_deref() == Some(raw) {
            core.acknowledge(&Message::Conf2Ack, now);
        }
    }

    pub(super) fn relayed(&self, core: &mut Core, sealed: &Sealed, now: Instant) {
        self.keyed.relayed(core, sealed, now);
    }

    /// Sends the far end's SAS to who is enrolled here, and how it is shown to who is not. False: a phone does not relay.
    pub(super) fn relay(&self, core: &mut Core, sas: &Sas, flags: Flags, now: Instant) -> bool {
        if !core.association.config.mitm {
            return false;
        }
        let sas_hash = if self.keyed.shared.s3.is_some() { *sas.hash() } else { [0; 32] };
        let flags = Flags { enrolment: false, ..flags };
        let body = SasRelayBody { flags, sas_type: sas.kind().name(), sas_hash, signature: None };
        let Some(sealed) = body.to_bytes().ok().and_then(|body| self.keyed.seal(body).ok()) else {
            return false;
        };
        let sends = core.association.config.t2.sends;
        core.send_until_answered(Message::SasRelay(sealed).to_bytes(), sends, now);
        true
    }

    /// The peer wants to go on without SRTP.
    pub(super) fn go_clear(self: Box<Self>, core: &mut Core, mac: &[u8; MAC_LEN], now: Instant) -> Step {
        let expected = clear_mac(&self.keyed, &self.keyed.peers().mac);
        if !bool::from(expected.ct_eq(mac)) {
            core.alert(Alert::Mac(MessageType::GoClear));
            return Step::Secure(self);
        }
        if !core.association.config.allows_clear() {
            core.alert(Alert::GoClear);
            core.answer(&Message::Error(ErrorCode::GO_CLEAR), now);
            return Step::Secure(self);
        }
        core.acknowledge(&Message::ClearAck, now);
        self.cleared(core, Some(*mac))
    }

    /// The keys go, and ZRTPSess becomes another one at both ends (section 4.7.2.1).
    fn cleared(self: Box<Self>, core: &mut Core, theirs: Option<[u8; MAC_LEN]>) -> Step {
        core.association.update_session(|session| {
            let (zid_i, zid_r) = (session.zid_i, session.zid_r);
            session.zrtp_sess = next_zrtp_sess(session.hash, &session.zrtp_sess, &zid_i, &zid_r);
        });
        core.repeat = None;
        core.tell(Event::Cleared);
        Step::Clear(Box::new(Clear { peer: self.keyed.peer.clone(), theirs }))
    }

    /// Asks the peer to go on without SRTP. False: the peer does not allow it.
    pub(super) fn send_go_clear(&self, core: &mut Core, now: Instant) -> bool {
        let allowed = self.keyed.theirs.is_some_and(|(flags, ..)| flags.allow_clear && !flags.enrolment);
        if allowed {
            let mac = clear_mac(&self.keyed, &self.keyed.ours().mac);
            let sends = core.association.config.t2.sends;
            core.send_until_answered(Message::GoClear(mac).to_bytes(), sends, now);
        }
        allowed
    }

    /// ClearACK, or no answer: the keys go either way.
    pub(super) fn clear_acknowledged(self: Box<Self>, core: &mut Core) -> Step {
        self.cleared(core, None)
    }

    /// The user trusts the PBX.
    pub(super) fn accept_enrolment(&self, core: &mut Core) -> bool {
        let offered =
            self.keyed.peer.hello.mitm && self.keyed.theirs.is_some_and(|(flags, ..)| flags.enrolment);
        let secret = core
            .association
            .session_with(&self.keyed.peer.hello.zid)
            .filter(|_| offered)
            .map(|session| pbx_secret(session.hash, &session.zrtp_sess, &session.zid_i, &session.zid_r));
        match secret {
            Some(secret) => self.keyed.keep_pbx(core, Secret::new(*secret.bytes())),
            None => return false,
        }
        true
    }
}

/// The keys are gone by GoClear.
pub(super) struct Clear {
    pub(super) peer: Arc<Peer>,
    /// Of the peer's GoClear, to acknowledge it again.
    theirs: Option<[u8; MAC_LEN]>,
}

impl Clear {
    pub(super) fn go_clear_again(&self, core: &mut Core, mac: &[u8; MAC_LEN], now: Instant) {
        if self.theirs == Some(*mac) {
            core.acknowledge(&Message::ClearAck, now);
        }
    }
}
