//! The initiator's states: Commit sent, DHPart2 sent, Confirm2 sent.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::core::{Core, Peer};
use super::keyed::{Agreed, Keyed, Proof, Remembered};
use super::secure::Secure;
use super::{Step, responder};
use crate::agreement::{AgreementError, KeyPair};
use crate::algorithm::{Algorithm, KeyAgreement};
use crate::association::Session;
use crate::crypto::{random, sha256, sign};
use crate::derive::{Context, preshared_key, preshared_key_id};
use crate::event::{Alert, Event, Failure};
use crate::message::{Commit, CommitMode, DhPart, ErrorCode, Hello, Message, MessageType, Sealed};
use crate::negotiation::{Terms, lists};
use crate::retained::{Ids, Role, Shared};
use crate::secret::Secret;

/// How often a Confirm2 goes out at least: the responder is secure already, so that giving up would leave it alone.
const CONFIRM2_SENDS: u32 = 60;
/// Commits before a stream gives up, when several Hellos came and one after the other is tried.
pub(super) const MAX_COMMITS: u32 = 8;
/// Repetitions of a Commit before the next Hello's sender is tried.
const PATIENCE: u32 = 2;

/// How long a Commit is held to before another one may take its place. Its DHPart2 comes sooner, unless it was forged or
/// was for another Hello.
pub(super) const HOLD: Duration = Duration::from_millis(400);

/// What an initiator brings along.
pub(super) enum Mode {
    Dh(Box<Dh>),
    /// Multistream and Preshared: the keys are there at once.
    Keyed(Box<Keyed>),
}

/// A secret value and the DHPart2 that the Commit commits to.
pub(super) struct Dh {
    pub(super) key: KeyPair,
    part2: Vec<u8>,
    remembered: Remembered,
}

/// Commit sent.
pub(super) struct Committed {
    pub(super) peer: Arc<Peer>,
    terms: Terms,
    commit: Vec<u8>,
    pub(super) mode: CommitMode,
    pub(super) with: Mode,
    /// The peer's Commit that lost against ours, and when it came.
    contender: Option<(Vec<u8>, Instant)>,
}

/// The hvi or nonce that decides a contention.
pub(super) fn value(mode: &CommitMode) -> [u8; 32] {
    match mode {
        CommitMode::Dh { hvi } => *hvi,
        CommitMode::Multistream { nonce } | CommitMode::Preshared { nonce, .. } => {
            let mut value = [0; 32];
            value[..16].copy_from_slice(nonce);
            value
        }
    }
}

pub(super) fn dh_part(core: &Core, key: &KeyPair, ids: Ids, role: Role) -> Vec<u8> {
    let part = DhPart {
        h1: core.chain.h1,
        rs1_id: ids.rs1,
        rs2_id: ids.rs2,
        aux_id: ids.aux,
        pbx_id: ids.pbx,
        public_value: key.public().into(),
        mac: [0; 8],
    };
    let message = if role == Role::Initiator { Message::DhPart2(part) } else { Message::DhPart1(part) };
    let mut bytes = message.to_bytes();
    sign(&core.chain.h0, &mut bytes);
    bytes
}

fn commit_bytes(core: &Core, terms: &Terms, mode: CommitMode) -> Vec<u8> {
    let mut bytes = Message::Commit(Commit {
        h2: core.chain.h2,
        zid: core.association.zid,
        hash: terms.hash.name(),
        cipher: terms.cipher.name(),
        auth_tag: terms.auth_tag.name(),
        agreement: terms.agreement_name,
        sas_type: terms.sas_type.name(),
        mode,
        mac: [0; 8],
    })
    .to_bytes();
    sign(&core.chain.h1, &mut bytes);
    bytes
}

/// Which mode a Commit to this peer may have now.
pub(super) enum Plan {
    Multistream(Session),
    Preshared,
    Dh,
    /// Another stream of the call goes first.
    Wait,
    /// The call has a session, and this peer is another one or cannot build on it. Diffie-Hellman would give this stream a SAS
    /// of its own that nobody compares, so it is never done.
    NotOfThisCall,
}

pub(super) fn plan(core: &Core, hello: &Hello) -> Plan {
    let association = &core.association;
    match association.session() {
        Some(session) if session.peer != hello.zid || !lists(hello, KeyAgreement::Multistream) => {
            if session.confirmed { Plan::NotOfThisCall } else { Plan::Wait }
        }
        Some(session) if session.confirmed => Plan::Multistream(session),
        None if association.may_lead(core.id) => {
            let preshared = association.config.agreements.contains(&KeyAgreement::Preshared)
                && lists(hello, KeyAgreement::Preshared);
            if preshared { Plan::Preshared } else { Plan::Dh }
        }
        _ => Plan::Wait,
    }
}

/// Sends a Commit.
pub(super) fn commit(
    core: &mut Core,
    peer: Arc<Peer>,
    plan: Plan,
    aux: Option<&Secret>,
    now: Instant,
) -> Step {
    core.commits += 1;
    let leads = !matches!(plan, Plan::Multistream(_));
    match try_commit(core, &peer, plan, aux) {
        Ok((terms, mode, commit, with)) => {
            if leads {
                core.association.lead(core.id, value(&mode));
            }
            let sends = core.association.config.t2.sends;
            core.deadline = None;
            core.send_until_answered(commit.clone(), sends, now);
            Step::Committed(Box::new(Committed { peer, terms, commit, mode, with, contender: None }))
        }
        Err(error) => Step::Fail(Failure::Crypto(error.to_string()), ErrorCode::SOFTWARE),
    }
}

type Made = (Terms, CommitMode, Vec<u8>, Mode);

fn try_commit(
    core: &mut Core,
    peer: &Arc<Peer>,
    plan: Plan,
    aux: Option<&Secret>,
) -> Result<Made, AgreementError> {
    let config = core.association.config.clone();
    let terms = Terms::choose(&config, &peer.hello);
    let context = |core: &Core, terms: &Terms, mode: CommitMode| {
        let commit = commit_bytes(core, terms, mode);
        let total_hash = terms.hash.digest(&[&peer.raw, &commit]);
        let (zid_i, zid_r) = (core.association.zid, peer.hello.zid);
        (commit, Context { hash: terms.hash, cipher: terms.cipher, zid_i, zid_r, total_hash })
    };
    let agreed = |terms: Terms, context: Context| {
        let (peer, proof) = (peer.clone(), Proof::Hello);
        Agreed { peer, role: Role::Initiator, terms, context, proof }
    };
    match plan {
        Plan::Multistream(session) => {
            // Some peers can do but one set of algorithms per call, so the hash of the first stream where both list it.
            let terms = Terms { hash: session.hash, ..terms }.with_mode(KeyAgreement::Multistream);
            let nonce = random()?;
            core.association.use_nonce(&nonce);
            let mode = CommitMode::Multistream { nonce };
            let (commit, context) = context(core, &terms, mode);
            let keyed = Keyed::multistream(agreed(terms, context), &session);
            Ok((terms, mode, commit, Mode::Keyed(Box::new(keyed))))
        }
        Plan::Preshared => {
            let remembered = Remembered::load(core, peer, aux);
            if remembered.known.rs1.is_none() || !remembered.verified {
                return try_commit(core, peer, Plan::Dh, aux);
            }
            let terms = terms.with_mode(KeyAgreement::Preshared);
            let key = preshared_key(terms.hash, &remembered.known);
            let mode = CommitMode::Preshared { nonce: random()?, key_id: preshared_key_id(terms.hash, &key) };
            let (commit, context) = context(core, &terms, mode);
            let s0 = context.s0_preshared(&key);
            let known = remembered.known.clone();
            let shared = Shared { s1: known.rs1, s2: known.aux, s3: known.pbx };
            let keyed = Keyed::first(agreed(terms, context), &s0, remembered, shared);
            Ok((terms, mode, commit, Mode::Keyed(Box::new(keyed))))
        }
        Plan::Dh | Plan::Wait | Plan::NotOfThisCall => {
            let key = KeyPair::generate(terms.agreement, terms.cipher)?;
            let remembered = Remembered::load(core, peer, aux);
            let ids = remembered.known.ids(terms.hash, Role::Initiator, &core.chain.h3)?;
            let part2 = dh_part(core, &key, ids, Role::Initiator);
            let hvi = terms.hash.digest(&[&part2, &peer.raw]).first();
            let mode = CommitMode::Dh { hvi };
            Ok((
                terms,
                mode,
                commit_bytes(core, &terms, mode),
                Mode::Dh(Box::new(Dh { key, part2, remembered })),
            ))
        }
    }
}

impl Committed {
    /// The key pair of a Commit that lost, if it fits the winner's.
    pub(super) fn into_key(self, agreement: KeyAgreement) -> Option<KeyPair> {
        match self.with {
            Mode::Dh(dh) if dh.key.agreement() == agreement => Some(dh.key),
            _ => None,
        }
    }

    /// Whether the peer's Commit goes before ours (section 4.2), both being for one stream.
    fn yields_to(&self, core: &Core, theirs: &CommitMode, peer: &Peer) -> bool {
        match (&self.mode, theirs) {
            (CommitMode::Dh { .. }, CommitMode::Preshared { .. }) => false,
            (CommitMode::Preshared { .. }, CommitMode::Dh { .. }) => true,
            // Only one of these can be right about whether there is a session, and it is the one that knows of it.
            (CommitMode::Multistream { .. }, CommitMode::Dh { .. } | CommitMode::Preshared { .. }) => false,
            // The one that is not a PBX becomes the initiator.
            (CommitMode::Preshared { .. }, CommitMode::Preshared { .. })
                if core.association.config.mitm != peer.hello.mitm =>
            {
                core.association.config.mitm
            }
            (ours, theirs) => value(ours) < value(theirs),
        }
    }

    /// The peer committed, too.
    pub(super) fn commit(
        mut self: Box<Self>,
        core: &mut Core,
        theirs: &Commit,
        raw: &[u8],
        aux: Option<&Secret>,
        now: Instant,
    ) -> Step {
        let Some(peer) = core.peer_of(&theirs.h2, MessageType::Commit) else { return Step::Committed(self) };
        if peer.raw != self.peer.raw {
            // Another Hello's sender: only once the one we committed to is silent.
            if core.repeat.as_ref().is_some_and(|repeat| repeat.sent == 0) {
                return Step::Committed(self);
            }
        } else {
            let first = self.contender.get_or_insert_with(|| (raw.to_vec(), now));
            if first.0 != raw {
                // A Commit's hash image alone does not tell whose it is once it was sent: the first one counts.
                if now < first.1 + HOLD {
                    return Step::Committed(self);
                }
                *first = (raw.to_vec(), now);
            }
            if !self.yields_to(core, &theirs.mode, &peer) {
                return Step::Committed(self);
            }
        }
        responder::commit(core, peer, theirs, raw, Step::Committed(self), aux, now)
    }

    pub(super) fn dh_part1(
        self: Box<Self>,
        core: &mut Core,
        part: &DhPart,
        raw: &[u8],
        now: Instant,
    ) -> Step {
        let Mode::Dh(dh) = &self.with else { return Step::Committed(self) };
        let Dh { key, part2, remembered } = &**dh;
        let h2 = sha256(&part.h1);
        if sha256(&h2) != self.peer.hello.h3 {
            core.alert(Alert::HashChain(MessageType::DhPart1));
            return Step::Committed(self);
        }
        if !crate::crypto::signed_by(&h2, &self.peer.raw) {
            core.alert(Alert::MessageMac(MessageType::Hello));
            return Step::Committed(self);
        }
        let result = match key.shared_secret(&part.public_value) {
            Ok(result) => result,
            Err(AgreementError::PublicValue) => {
                return Step::Fail(Failure::PublicValue, ErrorCode::PUBLIC_VALUE);
            }
            Err(error) => return Step::Fail(Failure::Crypto(error.to_string()), ErrorCode::SOFTWARE),
        };
        let hash = self.terms.hash;
        let total_hash = hash.digest(&[&self.peer.raw, &self.commit, raw, part2]);
        let context = Context {
            hash,
            cipher: self.terms.cipher,
            zid_i: core.association.zid,
            zid_r: self.peer.hello.zid,
            total_hash,
        };
        let shared = remembered.known.shared(hash, Role::Initiator, &Ids::of(part), &self.peer.hello.h3);
        let s0 = context.s0_dh(&result, &shared);
        let proof = Proof::DhPart { h1: part.h1, raw: raw.to_vec() };
        let part2 = part2.clone();
        let (peer, terms) = (self.peer.clone(), self.terms);
        let agreed = Agreed { peer, role: Role::Initiator, terms, context, proof };
        let keyed = Keyed::first(agreed, &s0, remembered.clone(), shared);
        core.association.settle(core.id, &value(&self.mode));
        let sends = core.association.config.t2.sends;
        core.send_until_answered(part2, sends, now);
        Step::AwaitConfirm1(Box::new(AwaitConfirm1 { keyed }))
    }

    /// Answers a Commit without Diffie-Hellman.
    pub(super) fn confirm1(self, core: &mut Core, sealed: &Sealed, now: Instant) -> Step {
        match self.with {
            Mode::Keyed(keyed) => match confirm1(*keyed, core, sealed, now) {
                Ok(step) => step,
                Err(keyed) => Step::Committed(Box::new(Self { with: Mode::Keyed(keyed), ..self })),
            },
            with => Step::Committed(Box::new(Self { with, ..self })),
        }
    }

    /// Whether another Hello's sender is to be tried.
    pub(super) fn gives_up_on_peer(&self, core: &Core) -> bool {
        core.peers.len() > 1
            && core.commits < MAX_COMMITS
            && core.repeat.as_ref().is_some_and(|repeat| repeat.sent > PATIENCE)
    }
}

fn confirm1(mut keyed: Keyed, core: &mut Core, sealed: &Sealed, now: Instant) -> Result<Step, Box<Keyed>> {
    if !keyed.confirmed(core, sealed, MessageType::Confirm1) {
        return Err(Box::new(keyed));
    }
    let (confirm2, inbound) = match (keyed.confirm(core), keyed.inbound()) {
        (Ok(confirm2), Ok(inbound)) => (confirm2, inbound),
        (Err(error), _) | (_, Err(error)) => {
            return Ok(Step::Fail(Failure::Crypto(error), ErrorCode::SOFTWARE));
        }
    };
    if let Some(session) = keyed.session(false) {
        // The peer may be secure before we know, and begin another stream.
        core.association.set_session(session);
    }
    let sends = core.association.config.t2.sends.max(CONFIRM2_SENDS);
    core.send_until_answered(confirm2, sends, now);
    core.tell(Event::Inbound(inbound));
    Ok(Step::AwaitConf2Ack(Box::new(AwaitConf2Ack { keyed })))
}

/// DHPart2 sent.
pub(super) struct AwaitConfirm1 {
    keyed: Keyed,
}

impl AwaitConfirm1 {
    pub(super) fn peer(&self) -> &Peer {
        &self.keyed.peer
    }

    pub(super) fn confirm1(self: Box<Self>, core: &mut Core, sealed: &Sealed, now: Instant) -> Step {
        confirm1(self.keyed, core, sealed, now)
            .unwrap_or_else(|keyed| Step::AwaitConfirm1(Box::new(Self { keyed: *keyed })))
    }
}

/// Confirm2 sent.
pub(super) struct AwaitConf2Ack {
    keyed: Keyed,
}

impl AwaitConf2Ack {
    pub(super) fn peer(&self) -> &Peer {
        &self.keyed.peer
    }

    /// Conf2ACK, or SRTP that authenticates.
    pub(super) fn acknowledged(mut self: Box<Self>, core: &mut Core, now: Instant) -> Step {
        match self.keyed.secured(core, now) {
            Ok(()) => Step::Secure(Box::new(Secure::new(self.keyed, None))),
            Err(error) => Step::Fail(Failure::Crypto(error), ErrorCode::SOFTWARE),
        }
    }
}
