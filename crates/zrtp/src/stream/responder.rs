//! The responder's states: DHPart1 sent, Confirm1 sent.

use std::sync::Arc;
use std::time::Instant;

use subtle::ConstantTimeEq;

use super::Step;
use super::core::{Core, Peer};
use super::initiator::{self, HOLD, Plan, dh_part, value};
use super::keyed::{Agreed, Keyed, Proof, Remembered};
use super::secure::Secure;
use crate::agreement::{AgreementError, KeyPair};
use crate::algorithm::KeyAgreement;
use crate::crypto::{Digested, sha256, signed_by};
use crate::derive::{Context, preshared_key, preshared_key_id};
use crate::event::{Alert, Failure};
use crate::message::{Commit, CommitMode, DhPart, ErrorCode, Message, MessageType, Sealed};
use crate::negotiation::Terms;
use crate::retained::{Ids, Known, Role, Shared};
use crate::secret::Secret;

fn failed(error: impl std::fmt::Display) -> Step {
    Step::Fail(Failure::Crypto(error.to_string()), ErrorCode::SOFTWARE)
}

/// Diffie-Hellman Commits that a stream answers. Who abandons one after another gets another guess at the SAS each time,
/// so they are few.
const MAX_ANSWERS: u32 = 4;

/// Answers the peer's Commit, whose H2 has been checked. `before` is where things stay if it is not taken.
pub(super) fn commit(
    core: &mut Core,
    peer: Arc<Peer>,
    theirs: &Commit,
    raw: &[u8],
    before: Step,
    aux: Option<&Secret>,
    now: Instant,
) -> Step {
    if theirs.zid != peer.hello.zid {
        core.alert(Alert::HashChain(MessageType::Commit));
        return before;
    }
    let terms = match Terms::accept(&core.association.config, theirs) {
        Ok(terms) => terms,
        Err(code) => {
            core.alert(Alert::Unsupported(code));
            core.answer(&Message::Error(code), now);
            return before;
        }
    };
    if terms.agreement != KeyAgreement::Multistream && core.association.session().is_some_and(|s| s.confirmed)
    {
        core.alert(Alert::NotOfThisCall);
        return before;
    }
    if !core.exchanges.take(now) {
        core.alert(Alert::Flood);
        return before;
    }
    let hash = terms.hash;
    // Of the modes without Diffie-Hellman.
    let context = Context {
        hash,
        cipher: terms.cipher,
        zid_i: peer.hello.zid,
        zid_r: core.association.zid,
        total_hash: hash.digest(&[&core.hello, raw]),
    };
    let proof = Proof::Commit { h2: theirs.h2, raw: raw.to_vec() };
    match theirs.mode {
        CommitMode::Dh { .. } => {
            if core.answered >= MAX_ANSWERS {
                core.alert(Alert::Flood);
                return before;
            }
            if !core.association.settle(core.id, &value(&theirs.mode)) {
                return before;
            }
            core.answered += 1;
            // Only a public value that nobody has seen yet may answer a Commit.
            let kept = match before {
                Step::Committed(committed) => committed.into_key(terms.agreement),
                _ => None,
            };
            let key = match kept.map_or_else(|| KeyPair::generate(terms.agreement, terms.cipher), Ok) {
                Ok(key) => key,
                Err(error) => return failed(error),
            };
            let remembered = Remembered::load(core, &peer, aux);
            let ids = match remembered.known.ids(hash, Role::Responder, &core.chain.h3) {
                Ok(ids) => ids,
                Err(error) => return failed(error),
            };
            let part1 = dh_part(core, &key, ids, Role::Responder);
            begin(core, &part1, now);
            let (commit, raw) = (theirs.clone(), raw.to_vec());
            Step::AwaitDhPart2(Box::new(AwaitDhPart2 {
                peer,
                terms,
                commit,
                raw,
                part1,
                key,
                remembered,
                since: now,
            }))
        }
        CommitMode::Multistream { nonce } => {
            let Some(session) = core.association.session_with(&peer.hello.zid) else { return before };
            if !core.association.is_fresh(&nonce) {
                // Section 4.4.3.1 has the Error; but who replays an old Commit must not end what there is.
                core.alert(Alert::NonceReuse);
                core.answer(&Message::Error(ErrorCode::NONCE_REUSE), now);
                return before;
            }
            let agreed = Agreed { peer, role: Role::Responder, terms, context, proof };
            confirm1(core, Keyed::multistream(agreed, &session), raw, now)
        }
        CommitMode::Preshared { key_id, .. } => {
            let remembered = Remembered::load(core, &peer, aux);
            let Some((key, shared)) = preshared(&terms, &remembered.known, &key_id) else {
                // Our Commit with Diffie-Hellman goes before theirs without.
                if core.association.config.passive {
                    core.answer(&Message::Error(ErrorCode::NO_SHARED_SECRET), now);
                    return before;
                }
                return if core.association.may_lead(core.id) {
                    initiator::commit(core, peer, Plan::Dh, aux, now)
                } else {
                    before
                };
            };
            if !core.association.settle(core.id, &value(&theirs.mode)) {
                return before;
            }
            let s0 = context.s0_preshared(&key);
            let agreed = Agreed { peer, role: Role::Responder, terms, context, proof };
            let keyed = Keyed::first(agreed, &s0, remembered, shared);
            confirm1(core, keyed, raw, now)
        }
    }
}

/// Which of our secrets a Preshared Commit was made with (section 4.4.2.3).
fn preshared(terms: &Terms, known: &Known, key_id: &[u8; 8]) -> Option<(Digested, Shared)> {
    known.rs1.as_ref()?;
    [(true, true), (false, true), (true, false), (false, false)].into_iter().find_map(|(aux, pbx)| {
        let subset = Known {
            rs1: known.rs1.clone(),
            rs2: None,
            aux: known.aux.clone().filter(|_| aux),
            pbx: known.pbx.clone().filter(|_| pbx),
        };
        let key = preshared_key(terms.hash, &subset);
        let same = bool::from(preshared_key_id(terms.hash, &key).ct_eq(key_id));
        same.then(|| (key, Shared { s1: subset.rs1, s2: subset.aux, s3: subset.pbx }))
    })
}

/// The first answer to a Commit: our own, if there was one, is void, and only the initiator repeats.
fn begin(core: &mut Core, answer: &[u8], now: Instant) {
    core.hello_answered();
    core.repeat = None;
    core.deadline = Some(now + core.patience());
    core.send(answer);
}

fn confirm1(core: &mut Core, keyed: Keyed, asked: &[u8], now: Instant) -> Step {
    let confirm1 = match keyed.confirm(core) {
        Ok(confirm1) => confirm1,
        Err(error) => return failed(error),
    };
    begin(core, &confirm1, now);
    Step::AwaitConfirm2(Box::new(AwaitConfirm2 { keyed, asked: asked.to_vec(), confirm1, since: now }))
}

/// DHPart1 sent.
pub(super) struct AwaitDhPart2 {
    peer: Arc<Peer>,
    terms: Terms,
    commit: Commit,
    raw: Vec<u8>,
    part1: Vec<u8>,
    key: KeyPair,
    remembered: Remembered,
    since: Instant,
}

impl AwaitDhPart2 {
    pub(super) fn peer(&self) -> &Peer {
        &self.peer
    }

    /// The same Commit again, or another one: this one may have been forged, or have been for a forged Hello.
    pub(super) fn commit(
        self: Box<Self>,
        core: &mut Core,
        theirs: &Commit,
        raw: &[u8],
        aux: Option<&Secret>,
        now: Instant,
    ) -> Step {
        if raw == self.raw {
            core.again(&self.part1, now);
            return Step::AwaitDhPart2(self);
        }
        if now < self.since + HOLD {
            return Step::AwaitDhPart2(self);
        }
        match core.peer_of(&theirs.h2, MessageType::Commit) {
            Some(peer) => commit(core, peer, theirs, raw, Step::AwaitDhPart2(self), aux, now),
            None => Step::AwaitDhPart2(self),
        }
    }

    pub(super) fn dh_part2(
        self: Box<Self>,
        core: &mut Core,
        part: &DhPart,
        raw: &[u8],
        now: Instant,
    ) -> Step {
        if sha256(&part.h1) != self.commit.h2 {
            core.alert(Alert::HashChain(MessageType::DhPart2));
            return Step::AwaitDhPart2(self);
        }
        if !signed_by(&part.h1, &self.raw) {
            core.alert(Alert::MessageMac(MessageType::Commit));
            return Step::AwaitDhPart2(self);
        }
        let hash = self.terms.hash;
        let expected: [u8; 32] = hash.digest(&[raw, &core.hello]).first();
        if !bool::from(expected.ct_eq(&value(&self.commit.mode))) {
            // Not used, and not the end either: who can send this can also be somebody who only listened.
            core.seen_bad_hvi = true;
            core.alert(Alert::Hvi);
            return Step::AwaitDhPart2(self);
        }
        let result = match self.key.shared_secret(&part.public_value) {
            Ok(result) => result,
            Err(AgreementError::PublicValue) => {
                return Step::Fail(Failure::PublicValue, ErrorCode::PUBLIC_VALUE);
            }
            Err(error) => return failed(error),
        };
        let total_hash = hash.digest(&[&core.hello, &self.raw, &self.part1, raw]);
        let context = Context {
            hash,
            cipher: self.terms.cipher,
            zid_i: self.peer.hello.zid,
            zid_r: core.association.zid,
            total_hash,
        };
        let shared = self.remembered.known.shared(hash, Role::Responder, &Ids::of(part), &self.peer.hello.h3);
        let s0 = context.s0_dh(&result, &shared);
        let proof = Proof::DhPart { h1: part.h1, raw: raw.to_vec() };
        let (peer, terms) = (self.peer.clone(), self.terms);
        let agreed = Agreed { peer, role: Role::Responder, terms, context, proof };
        let keyed = Keyed::first(agreed, &s0, self.remembered.clone(), shared);
        confirm1(core, keyed, raw, now)
    }
}

/// Confirm1 sent.
pub(super) struct AwaitConfirm2 {
    keyed: Keyed,
    /// The message that Confirm1 answers: DHPart2, or a Commit without Diffie-Hellman.
    asked: Vec<u8>,
    confirm1: Vec<u8>,
    since: Instant,
}

impl AwaitConfirm2 {
    pub(super) fn peer(&self) -> &Peer {
        &self.keyed.peer
    }

    /// Whether the peer has shown more than a Commit, which anybody can make: H1 of its chain, and what it had committed to.
    pub(super) fn shown(&self) -> bool {
        !matches!(self.keyed.proof, Proof::Commit { .. })
    }

    /// What Confirm1 answered came again: it was lost.
    pub(super) fn again(self: Box<Self>, core: &mut Core, raw: &[u8], now: Instant) -> Step {
        if raw == self.asked {
            core.again(&self.confirm1, now);
        }
        Step::AwaitConfirm2(self)
    }

    /// The same Commit without Diffie-Hellman again; or one of another Hello's sender, the first one having been anybody's.
    pub(super) fn commit(
        self: Box<Self>,
        core: &mut Core,
        theirs: &Commit,
        raw: &[u8],
        aux: Option<&Secret>,
        now: Instant,
    ) -> Step {
        if raw == self.asked || self.shown() || now < self.since + HOLD {
            return self.again(core, raw, now);
        }
        match core.peer_of(&theirs.h2, MessageType::Commit) {
            Some(peer) if peer.raw != self.keyed.peer.raw => {
                commit(core, peer, theirs, raw, Step::AwaitConfirm2(self), aux, now)
            }
            _ => Step::AwaitConfirm2(self),
        }
    }

    pub(super) fn confirm2(
        mut self: Box<Self>,
        core: &mut Core,
        sealed: &Sealed,
        raw: &[u8],
        now: Instant,
    ) -> Step {
        if !self.keyed.confirmed(core, sealed, MessageType::Confirm2) {
            return Step::AwaitConfirm2(self);
        }
        core.send(&Message::Conf2Ack.to_bytes());
        if let Ok(Message::Commit(Commit { mode: CommitMode::Multistream { nonce }, .. })) =
            Message::parse(&self.asked)
        {
            core.association.use_nonce(&nonce);
        }
        match self.keyed.secured(core, now) {
            Ok(()) => Step::Secure(Box::new(Secure::new(self.keyed, Some(raw.to_vec())))),
            Err(error) => failed(error),
        }
    }
}
