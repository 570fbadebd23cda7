//! An exchange that has keys: Confirm messages, the cache, what is told.

use std::sync::Arc;
use std::time::Instant;

use sealrtp_srtp::{KeySet, MasterKey};

use super::core::{Core, Peer};
use crate::algorithm::{KeyAgreement, suite};
use crate::association::Session;
use crate::cache::Entry;
use crate::chain::HashChain;
use crate::crypto::{Digested, random, signed_by};
use crate::derive::{Context, RoleKeys, SessionKeys, StreamKeys, pbx_secret};
use crate::event::{Alert, Continuity, Event, Secured};
use crate::message::{ConfirmBody, Flags, Message, MessageType, SasRelayBody, Sealed};
use crate::negotiation::Terms;
use crate::retained::{Known, Role, Shared};
use crate::sas::Sas;
use crate::secret::{ExportedKey, Secret};

/// What was in the cache when the exchange began.
#[derive(Clone, Default)]
pub(super) struct Remembered {
    pub(super) known: Known,
    pub(super) verified: bool,
    /// There is a cache, and it works.
    pub(super) usable: bool,
}

impl Remembered {
    pub(super) fn load(core: &mut Core, peer: &Peer, aux: Option<&Secret>) -> Self {
        let entry = match core.association.cache.as_ref().map(|cache| cache.load(&peer.hello.zid)) {
            None => None,
            Some(Ok(entry)) => Some(entry.unwrap_or_default()),
            Some(Err(error)) => {
                core.tell(Event::CacheUnusable(error.0));
                None
            }
        };
        let usable = entry.is_some();
        let Entry { rs1, rs2, aux: kept, pbx, verified } = entry.unwrap_or_default();
        Self { known: Known { rs1, rs2, aux: aux.cloned().or(kept), pbx }, verified, usable }
    }
}

/// What the peer's H0 is checked against.
pub(super) enum Proof {
    /// The peer's DHPart, as it came: H0 leads to the H1 in it and is the key of its MAC.
    DhPart { h1: [u8; 32], raw: Vec<u8> },
    /// The initiator's Commit without DHPart: H1 is the key of its MAC.
    Commit { h2: [u8; 32], raw: Vec<u8> },
    /// The responder's Hello alone: H2 is the key of its MAC.
    Hello,
}

/// What two ends have agreed on when the keys are derived.
pub(super) struct Agreed {
    pub(super) peer: Arc<Peer>,
    pub(super) role: Role,
    pub(super) terms: Terms,
    pub(super) context: Context,
    pub(super) proof: Proof,
}

/// An exchange that has keys.
pub(super) struct Keyed {
    pub(super) peer: Arc<Peer>,
    pub(super) role: Role,
    pub(super) terms: Terms,
    pub(super) keys: StreamKeys,
    /// Of DH and Preshared modes.
    pub(super) session: Option<SessionKeys>,
    pub(super) context: Context,
    pub(super) proof: Proof,
    pub(super) remembered: Remembered,
    pub(super) shared: Shared,
    /// Of the peer's Confirm.
    pub(super) theirs: Option<(Flags, u32, Option<crate::message::Name>)>,
    /// The mode's SAS, or that of the call's first stream.
    pub(super) sas: Sas,
    /// A new secret that waits for the user's word, after a mismatch.
    pub(super) held: Option<Secret>,
}

impl Keyed {
    /// Of DH and Preshared modes.
    pub(super) fn first(agreed: Agreed, s0: &Digested, remembered: Remembered, shared: Shared) -> Self {
        let session = agreed.context.session_keys(s0);
        let sas = Sas::new(agreed.terms.sas_type, session.sas_hash);
        Self { remembered, shared, session: Some(session), ..Self::new(agreed, s0, sas) }
    }

    /// Of Multistream mode.
    pub(super) fn multistream(agreed: Agreed, session: &Session) -> Self {
        let s0 = agreed.context.s0_multistream(&session.zrtp_sess);
        Self::new(agreed, &s0, session.sas.clone())
    }

    fn new(agreed: Agreed, s0: &Digested, sas: Sas) -> Self {
        let Agreed { peer, role, terms, context, proof } = agreed;
        let keys = context.stream_keys(s0);
        let (remembered, shared) = (Remembered::default(), Shared::default());
        let (session, theirs, held) = (None, None, None);
        Self { peer, role, terms, keys, session, context, proof, remembered, shared, theirs, sas, held }
    }

    pub(super) fn ours(&self) -> &RoleKeys {
        self.keys.of(self.role)
    }

    pub(super) fn peers(&self) -> &RoleKeys {
        self.keys.of(self.role.other())
    }

    fn continuity(&self) -> Continuity {
        match (&self.session, self.remembered.usable) {
            (None, _) | (_, false) => Continuity::Unused,
            _ if self.shared.s1.is_some() => Continuity::Match,
            _ if self.remembered.known.rs1.is_some() => Continuity::Mismatch,
            _ => Continuity::New,
        }
    }

    fn our_expiry(&self, core: &Core) -> u32 {
        match (&self.session, self.remembered.usable) {
            (None, _) => u32::MAX,
            (_, true) => core.association.config.cache_expiry,
            (_, false) => 0,
        }
    }

    /// Our Confirm message.
    pub(super) fn confirm(&self, core: &Core) -> Result<Vec<u8>, String> {
        let config = &core.association.config;
        let body = ConfirmBody {
            h0: core.chain.h0,
            flags: Flags {
                enrolment: config.enrolment && config.mitm,
                verified: self.remembered.verified && self.shared.s1.is_some(),
                allow_clear: config.allows_clear(),
                disclosure: config.disclosure,
            },
            cache_expiry: self.our_expiry(core),
            signature: None,
        };
        let sealed = self.seal(body.to_bytes().map_err(|error| error.to_string())?)?;
        Ok(match self.role {
            Role::Initiator => Message::Confirm2(sealed),
            Role::Responder => Message::Confirm1(sealed),
        }
        .to_bytes())
    }

    /// Encrypts under our keys.
    pub(super) fn seal(&self, mut body: Vec<u8>) -> Result<Sealed, String> {
        let iv = random().map_err(|error| error.to_string())?;
        let keys = self.ours();
        self.terms.cipher.encrypt(&keys.zrtp, &iv, &mut body).map_err(|_| "key length".to_owned())?;
        let mac = self.terms.hash.short_mac(&keys.mac, &[&body]);
        Ok(Sealed { mac, iv, sealed: body.into() })
    }

    /// What the peer has encrypted, if its MAC is right.
    fn open(&self, sealed: &Sealed) -> Option<zeroize::Zeroizing<Vec<u8>>> {
        if !self.terms.hash.verify(&self.peers().mac, &[&sealed.sealed], &sealed.mac) {
            return None;
        }
        let mut bytes = zeroize::Zeroizing::new(sealed.sealed.to_vec());
        self.terms.cipher.decrypt(&self.peers().zrtp, &sealed.iv, &mut bytes).ok()?;
        Some(bytes)
    }

    /// Checks the peer's Confirm: MAC, hash chain, and the MAC that H0 is the key of. False: not used.
    pub(super) fn confirmed(&mut self, core: &mut Core, sealed: &Sealed, kind: MessageType) -> bool {
        let Some(bytes) = self.open(sealed) else {
            core.seen_bad_confirm = true;
            core.alert(Alert::Mac(kind));
            return false;
        };
        let Ok(body) = ConfirmBody::parse(&bytes) else {
            core.alert(Alert::Malformed);
            return false;
        };
        let chain = HashChain::from_h0(body.h0);
        let (in_chain, signed, signer) = match &self.proof {
            Proof::DhPart { h1, raw } => (
                chain.h1 == *h1,
                signed_by(&chain.h0, raw),
                match self.role {
                    Role::Initiator => MessageType::DhPart1,
                    Role::Responder => MessageType::DhPart2,
                },
            ),
            Proof::Commit { h2, raw } => (chain.h2 == *h2, signed_by(&chain.h1, raw), MessageType::Commit),
            Proof::Hello => {
                (chain.h3 == self.peer.hello.h3, signed_by(&chain.h2, &self.peer.raw), MessageType::Hello)
            }
        };
        if !in_chain || !signed {
            core.seen_bad_confirm = true;
            core.alert(if in_chain { Alert::MessageMac(signer) } else { Alert::HashChain(kind) });
            return false;
        }
        self.theirs = Some((body.flags, body.cache_expiry, body.signature.as_ref().map(|s| s.kind)));
        true
    }

    fn key_set(&self, keys: &RoleKeys) -> Result<KeySet, String> {
        let suite = suite(self.terms.cipher, self.terms.auth_tag);
        let key =
            MasterKey::new(suite, &keys.srtp_key, &keys.srtp_salt).map_err(|error| error.to_string())?;
        Ok(KeySet::single(key))
    }

    /// Keys of what the peer sends.
    pub(super) fn inbound(&self) -> Result<KeySet, String> {
        self.key_set(self.peers())
    }

    /// The session that other streams build on.
    pub(super) fn session(&self, confirmed: bool) -> Option<Session> {
        self.session.as_ref().map(|session| Session {
            hash: self.terms.hash,
            zrtp_sess: session.zrtp_sess.clone(),
            zid_i: self.context.zid_i,
            zid_r: self.context.zid_r,
            peer: self.peer.hello.zid,
            sas: self.sas.clone(),
            confirmed,
        })
    }

    /// Both ends have the keys: tells the owner, opens the session to other streams, updates the cache.
    pub(super) fn secured(&mut self, core: &mut Core, now: Instant) -> Result<(), String> {
        let (inbound, outbound) = (self.inbound()?, self.key_set(self.ours())?);
        if let Some(session) = self.session(true) {
            core.association.set_session(session);
        }
        core.association.release(core.id);
        core.repeat = None;
        core.deadline = None;
        let (flags, _, signature) = self.theirs.unwrap_or_default();
        let continuity = self.continuity();
        if continuity == Continuity::Mismatch {
            core.tell(Event::CacheMismatch { peer: self.peer.hello.zid });
            self.held = self.session.as_ref().map(|session| session.rs1.clone());
        } else {
            self.keep(core, None);
        }
        let session = self.session.take();
        let config = &core.association.config;
        if config.mitm
            && config.enrolment
            && let Some(session) = &session
        {
            let secret =
                pbx_secret(self.terms.hash, &session.zrtp_sess, &self.context.zid_i, &self.context.zid_r);
            self.keep_pbx(core, secret);
        }
        let secured = Secured {
            suite: suite(self.terms.cipher, self.terms.auth_tag),
            inbound,
            outbound,
            role: self.role,
            terms: self.terms,
            sas: self.sas.clone(),
            peer_zid: self.peer.hello.zid,
            peer_client: self.peer.hello.client_name(),
            verified: self.remembered.verified && flags.verified && self.shared.s1.is_some(),
            continuity,
            aux_match: self.remembered.known.aux.as_ref().map(|_| self.shared.s2.is_some()),
            enrolled: self.shared.s3.is_some(),
            enrolment_offered: flags.enrolment && self.peer.hello.mitm,
            disclosure: flags.disclosure,
            peer_allows_clear: flags.allow_clear && !flags.enrolment,
            mitm: self.peer.hello.mitm,
            signature,
            exported: session.as_ref().map(|session| ExportedKey(session.exported.clone())),
            took: now.saturating_duration_since(self.peer.heard),
            retransmissions: core.retransmissions,
        };
        core.tell(Event::Secured(Box::new(secured)));
        // The owner has them now.
        self.keys.forget_srtp();
        Ok(())
    }

    fn change(&self, core: &mut Core, expiry: u32, change: impl FnOnce(&mut Entry)) {
        let Some(cache) = core.association.cache.clone().filter(|_| self.remembered.usable) else { return };
        let peer = &self.peer.hello.zid;
        let stored = cache.load(peer).and_then(|entry| {
            let mut entry = entry.unwrap_or_default();
            change(&mut entry);
            cache.store(peer, &entry, expiry)
        });
        if let Err(error) = stored {
            core.tell(Event::CacheUnusable(error.0));
        }
    }

    fn expiry(&self, core: &Core) -> u32 {
        let theirs = self.theirs.as_ref().map_or(0, |(_, expiry, _)| *expiry);
        theirs.min(core.association.config.cache_expiry)
    }

    /// Section 4.6.1: the old rs1 becomes rs2, in DH mode, and the new one rs1.
    fn keep(&mut self, core: &mut Core, held: Option<Secret>) {
        let verified = held.is_some();
        let Some(rs1) = held.or_else(|| self.session.as_ref().map(|session| session.rs1.clone())) else {
            return;
        };
        let expiry = self.expiry(core);
        if expiry == 0 && self.remembered.known.rs1.is_none() {
            return;
        }
        let moves = self.terms.agreement != KeyAgreement::Preshared;
        self.change(core, expiry, |entry| {
            // Preshared mode does not keep the old one.
            if moves {
                entry.rs2 = entry.rs1.take();
            }
            entry.rs1 = Some(rs1);
            entry.verified |= verified;
        });
    }

    pub(super) fn keep_pbx(&self, core: &mut Core, secret: Secret) {
        let expiry = self.expiry(core);
        self.change(core, expiry, |entry| entry.pbx = Some(secret));
    }

    /// The user compared the SAS, or takes it back.
    pub(super) fn set_verified(&mut self, core: &mut Core, verified: bool) {
        if verified && let Some(rs1) = self.held.take() {
            return self.keep(core, Some(rs1));
        }
        let expiry = self.expiry(core);
        self.change(core, expiry, |entry| entry.verified = verified && entry.rs1.is_some());
    }

    /// What a SASrelay says, if it comes from a PBX we are enrolled at. Acknowledged if its MAC is right.
    pub(super) fn relayed(&self, core: &mut Core, sealed: &Sealed, now: Instant) {
        let Some(body) = self.open(sealed).and_then(|bytes| SasRelayBody::parse(&bytes).ok()) else {
            return core.alert(Alert::Mac(MessageType::SasRelay));
        };
        core.acknowledge(&Message::RelayAck, now);
        let trusted = self.peer.hello.mitm && self.shared.s3.is_some() && body.sas_hash != [0; 32];
        if let (true, Ok(kind)) = (trusted, crate::algorithm::Algorithm::from_name(body.sas_type)) {
            core.tell(Event::RelayedSas(Sas::new(kind, body.sas_hash)));
        }
    }
}
