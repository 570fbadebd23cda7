//! One call's descriptions, both ways.

use std::time::Instant;

use sealrtp_dtls::{Context, Setup, Sha1};
use sealrtp_policy::{Config, Method, OnFailure, Security, Signalling, Taken, ZrtpMode};
use sealrtp_sdes::Negotiator;
use sealrtp_sdp::{Description, Media, Profile, Rewrite};
use sealrtp_session::{Component, Session, State};
use sealrtp_zrtp::Association;
use zeroize::Zeroizing;

use crate::error::Refusal;
use crate::exchange::{Exchange, Message, Role};
use crate::explanation::Explanation;
use crate::line::{Agreement, DtlsPeer, Found, Line, Offered};

/// Text that holds keys.
type Text = Zeroizing<Vec<u8>>;

/// What becomes of the peer's description.
#[derive(Debug, PartialEq, Eq)]
pub enum Remote {
    /// It says nothing of security: as it came.
    AsItCame,
    /// The text for the PBX.
    Text(Text),
}

/// A line of our own description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// "audio", "video", ...
    pub media: String,
    /// The RTP port; 0: declined.
    pub port: u16,
    /// Whether it is RTP, and so of interest.
    pub rtp: bool,
    /// Whether its description or its keys are ZRTP's.
    pub zrtp: bool,
}

/// What a PBX has for a line beside the session.
#[derive(Clone, Copy)]
pub struct Means<'a> {
    /// Our certificate, and its fingerprint as `a=fingerprint` has it.
    pub dtls: Option<(&'a Context, &'a str)>,
    /// The call's ZRTP association and the SSRC under which the stream sends.
    pub zrtp: Option<(&'a Association, u32)>,
}

/// What a line's session has now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// Nothing is agreed on yet.
    Open,
    /// Clear media passes, and nobody makes keys.
    Clear,
    /// The keys of SDES.
    Sdes,
    /// What a DTLS handshake needs: it begins when media may flow.
    Dtls,
    /// ZRTP, which begins when media may flow.
    Zrtp,
}

/// Our description between [`OfferAnswer::local`] and [`OfferAnswer::write`].
pub struct Local {
    body: Text,
    role: Role,
    described: Vec<Described>,
}

#[derive(Clone, Default)]
struct Described {
    /// RTP, and not declined.
    open: bool,
    rtp: bool,
    dtls: Option<(String, Setup)>,
    zrtp: Option<String>,
}

/// One call's offers and answers with one peer. See the crate's page for the way of a description.
pub struct OfferAnswer {
    name: String,
    config: Config,
    /// Whether the PBX speaks RTP/AVPF with this peer; as the peer does when `None`.
    feedback: Option<bool>,
    exchange: Exchange,
    lines: Vec<Line>,
    /// The peer's offer while it is unanswered.
    unanswered: Option<Unanswered>,
    local: Option<Local>,
    explanation: Explanation,
}

/// An offer of the peer, and where things stood before it.
struct Unanswered {
    body: Text,
    message: Message,
    exchange: Exchange,
    lines: Vec<Line>,
}

impl OfferAnswer {
    /// Nothing was said yet. `name` is for texts.
    pub fn new(config: Config, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            config,
            feedback: None,
            exchange: Exchange::default(),
            lines: Vec::new(),
            unanswered: None,
            local: None,
            explanation: Explanation::default(),
        }
    }

    /// The peer's description, with the text for a PBX that knows of no security.
    ///
    /// # Errors
    /// A [`Refusal`]: an offer is to be answered by 488, a call whose answer it is must end. What was agreed on stands.
    pub fn remote(&mut self, body: &[u8], message: &Message) -> Result<Remote, Refusal> {
        let description = Description::parse(body).map_err(|error| Refusal::Sdp(error.to_string()))?;
        let before = (self.exchange.clone(), self.lines.clone());
        let read = self.read(&description, message);
        match &read {
            Err(_) => (self.exchange, self.lines) = before,
            Ok((Role::Offer, _)) => {
                // Until it is answered another policy may still be chosen for the call.
                let (exchange, lines) = match self.unanswered.take() {
                    Some(first) if first.message.cseq == message.cseq => (first.exchange, first.lines),
                    _ => before,
                };
                let body = Zeroizing::new(body.to_vec());
                self.unanswered = Some(Unanswered { body, message: *message, exchange, lines });
            }
            Ok((Role::Answer, _)) => {}
        }
        let (_, text) = read?;
        Ok(if text.as_slice() == body { Remote::AsItCame } else { Remote::Text(text) })
    }

    fn read(&mut self, description: &Description<'_>, message: &Message) -> Result<(Role, Text), Refusal> {
        let role = self.exchange.of_peer(message);
        let mut rewrite = Rewrite::new(description);
        rewrite.strip_session();
        for (index, theirs) in description.media().iter().enumerate() {
            self.make_line(index, theirs)?;
            let Some(security) = security(theirs.profile()) else { continue };
            if !is_declined(theirs) {
                self.remote_line(index, theirs, security, role, message.signalling)?;
            }
            if let Some(mut edit) = rewrite.line(index) {
                edit.profile(self.clear_profile(theirs.profile())).strip();
            }
        }
        Ok((role, rewrite.finish()))
    }

    /// Another policy for the call from here on: an offer of the peer that is not answered yet is decided anew, what was agreed
    /// on stands.
    ///
    /// # Errors
    /// A [`Refusal`] of that offer: it is to be answered by 488. The policy is the new one.
    pub fn set_config(&mut self, config: Config) -> Result<(), Refusal> {
        self.config = config;
        let Some(offer) = self.unanswered.take() else { return Ok(()) };
        (self.exchange, self.lines) = (offer.exchange, offer.lines);
        self.explain_step("another policy for this call");
        self.remote(&offer.body, &offer.message).map(|_| ())
    }

    /// Whether the PBX speaks RTP/AVPF with this peer: some take one of RTP/AVP and RTP/AVPF only, whatever the peer speaks.
    /// Without it each line stays what it is.
    pub fn set_feedback(&mut self, feedback: bool) {
        self.feedback = Some(feedback);
    }

    /// The profile in which the PBX sees a line of this one.
    fn clear_profile(&self, theirs: Profile) -> Profile {
        match self.feedback {
            Some(true) => Profile::Avpf,
            Some(false) => Profile::Avp,
            None => theirs.clear(),
        }
    }

    fn make_line(&mut self, index: usize, media: &Media<'_>) -> Result<(), Refusal> {
        while self.lines.len() <= index {
            let line = self.new_line(media.profile())?;
            self.lines.push(line);
        }
        Ok(())
    }

    fn new_line(&self, profile: Profile) -> Result<Line, Refusal> {
        let sdes =
            Negotiator::new(sdes_config(&self.config)).map_err(|error| Refusal::System(error.to_string()))?;
        Ok(Line {
            sdes,
            offered: Offered::Nothing,
            profile,
            agreement: Agreement::Open,
            fresh_keys: false,
            had_keys: false,
        })
    }

    /// What a line's session is to have, as offer and answer stand: what [`apply`](Self::apply) would say.
    pub fn method(&self, index: usize) -> Applied {
        match self.lines.get(index).map(|line| &line.agreement) {
            None | Some(Agreement::Open) => Applied::Open,
            Some(Agreement::Clear) => Applied::Clear,
            Some(Agreement::InBand | Agreement::Zrtp(_)) => Applied::Zrtp,
            Some(Agreement::Sdes) => Applied::Sdes,
            Some(Agreement::Dtls(_)) => Applied::Dtls,
        }
    }

    /// Whether the last description answered an offer, of whichever side: what is agreed on may be
    /// [applied](Self::apply).
    pub fn is_answered(&self) -> bool {
        self.exchange.is_answered()
    }

    /// Whether a description of ours in such a message would answer the peer's offer.
    pub fn would_answer(&self, message: &Message) -> bool {
        self.exchange.clone().of_ours(message) == Role::Answer
    }

    /// A line was declined and its session is gone: should it come back, it begins anew and with other keys of ours, since those
    /// that were used go on nowhere. That it was secured is not forgotten.
    ///
    /// # Errors
    /// A [`Refusal`]: the configuration cannot be used.
    pub fn forget(&mut self, index: usize) -> Result<(), Refusal> {
        let Some(line) = self.lines.get(index) else { return Ok(()) };
        let had_keys = line.had_keys || line.agreement.has_keys();
        self.lines[index] = Line { had_keys, ..self.new_line(line.profile)? };
        Ok(())
    }

    fn remote_line(
        &mut self,
        index: usize,
        theirs: &Media<'_>,
        security: Security,
        role: Role,
        signalling: Signalling,
    ) -> Result<(), Refusal> {
        let Self { config, lines, .. } = self;
        let Line { sdes, fresh_keys, offered, .. } = &mut lines[index];
        let mut found = Found::default();
        let mut carried = |method| Line::carried(sdes, fresh_keys, &mut found, theirs, config, role, method);
        let decided = match (role, &*offered) {
            (Role::Answer, Offered::Ours(offer)) => config.answered(offer, security, &mut carried),
            _ => config.take(security, signalling, &mut carried),
        };
        let said = match role {
            Role::Offer => "offer",
            Role::Answer => "answer",
        };
        let carries = contents(theirs);
        let about = format!("{said} from the peer: {} {} with {carries}", theirs.kind(), theirs.profile());
        let decision = match decided {
            Ok(decision) => decision,
            Err(refusal) => {
                self.explain_step(&format!("{about}: refused: {refusal}"));
                return Err(Refusal::Policy(refusal.to_string()));
            }
        };
        let agreement = match decision.taken {
            Taken::Method(Method::Sdes) => Some(Agreement::Sdes),
            Taken::Method(Method::Dtls) => found.dtls.map(Agreement::Dtls),
            Taken::Method(Method::Zrtp) => found.zrtp.map(Agreement::Zrtp),
            Taken::InBand => Some(Agreement::InBand),
            Taken::Clear => Some(Agreement::Clear),
        };
        let agreement =
            agreement.ok_or_else(|| Refusal::System("a method was taken that is not there".into()))?;
        self.explain_step(&format!("{about}: {}", decision.because));
        let line = &mut self.lines[index];
        let had_keys = line.had_keys || line.agreement.has_keys();
        let downgrade = had_keys && !agreement.has_keys() && !matches!(agreement, Agreement::Zrtp(_));
        let tolerated = self.config.allows_clear() && self.config.on_failure() == OnFailure::Warn;
        if downgrade && !tolerated {
            let why = format!(
                "the call was secured, and this {said} takes that away. If it is meant: {} would have to be warn, and {} rtp",
                self.config.rule(sealrtp_policy::Key::OnFailure),
                self.config.rule(sealrtp_policy::Key::Fallback)
            );
            self.explain_step(&format!("{about}: refused: {why}"));
            return Err(Refusal::Policy(why));
        }
        line.agreement = agreement;
        if role == Role::Offer {
            line.offered = Offered::Theirs;
            line.profile = theirs.profile();
        }
        Ok(())
    }

    /// Our description as the PBX has made it. Then [`describe`](Self::describe) its lines, and [`write`](Self::write) it.
    ///
    /// # Errors
    /// A [`Refusal`]: nothing may be sent.
    pub fn local(&mut self, body: &[u8], message: &Message) -> Result<Vec<Plan>, Refusal> {
        let description = Description::parse(body).map_err(|error| Refusal::Sdp(error.to_string()))?;
        let before = self.exchange.clone();
        let planned = self.plan(&description, body, message);
        if planned.is_err() {
            self.exchange = before;
        }
        planned
    }

    fn plan(
        &mut self,
        description: &Description<'_>,
        body: &[u8],
        message: &Message,
    ) -> Result<Vec<Plan>, Refusal> {
        let role = self.exchange.of_ours(message);
        if role == Role::Answer {
            self.unanswered = None;
        }
        let mut plans = Vec::new();
        let mut described = Vec::new();
        for (index, ours) in description.media().iter().enumerate() {
            self.make_line(index, ours)?;
            let rtp = security(ours.profile()).is_some();
            if rtp && !is_declined(ours) && role == Role::Offer {
                self.plan_offer(index, ours, message.signalling)?;
            }
            let line = &self.lines[index];
            let zrtp = match (&line.agreement, &line.offered) {
                (Agreement::Zrtp(_) | Agreement::InBand, _) => true,
                (Agreement::Sdes, _) => self.config.zrtp_upgrade(),
                (_, Offered::Ours(offer)) => offer.methods.contains(&Method::Zrtp),
                _ => false,
            };
            plans.push(Plan { media: ours.kind().to_owned(), port: ours.port(), rtp, zrtp: zrtp && rtp });
            described.push(Described { open: rtp && !is_declined(ours), rtp, dtls: None, zrtp: None });
        }
        self.local = Some(Local { body: Zeroizing::new(body.to_vec()), role, described });
        Ok(plans)
    }

    /// What an offer of ours has for a line: what was agreed on, or all that policy names.
    fn plan_offer(&mut self, index: usize, ours: &Media<'_>, signalling: Signalling) -> Result<(), Refusal> {
        let mut offer = match self.config.offers(signalling) {
            Ok(offer) => offer,
            Err(refusal) => {
                self.explain_step(&format!("our offer: refused: {refusal}"));
                return Err(Refusal::Policy(refusal.to_string()));
            }
        };
        let line = &mut self.lines[index];
        if line.agreement == Agreement::Sdes && !self.config.sdes_may_be_signalled(signalling) {
            let why = format!(
                "this message would show the call's SDES keys, because it does not travel over TLS and {}",
                self.config.rule(sealrtp_policy::Key::SdesSignalling)
            );
            self.explain_step(&format!("our offer: refused: {why}"));
            return Err(Refusal::Policy(why));
        }
        if let Some(method) = line.agreement.method() {
            offer.methods = vec![method];
            offer.security = security(line.profile).unwrap_or(offer.security);
            offer.because = "what was agreed on".into();
        }
        let profile = match offer.security {
            Security::Optional => ours.profile().clear(),
            Security::Savp => ours.profile().srtp(),
            Security::UdpTls => ours.profile().dtls_srtp(),
        };
        let methods: Vec<&str> = offer.methods.iter().map(|method| method.name()).collect();
        let methods = if methods.is_empty() { "no keys".to_owned() } else { methods.join(", ") };
        let step = format!("our offer: {} {profile} with {methods}: {}", ours.kind(), offer.because);
        line.profile = profile;
        line.offered = Offered::Ours(offer);
        self.explain_step(&step);
        Ok(())
    }

    /// Takes the fingerprint, role and Hello hash of a line's stream into our description, setting DTLS or ZRTP up where the
    /// session has not.
    ///
    /// # Errors
    /// A [`Refusal`] if what the peer said of DTLS cannot be used after all, or the session cannot be set up.
    pub fn describe(
        &mut self,
        index: usize,
        session: &mut Session,
        means: &Means<'_>,
        now: Instant,
    ) -> Result<(), Refusal> {
        let Some(local) = &mut self.local else { return Ok(()) };
        let (Some(line), Some(described)) = (self.lines.get(index), local.described.get_mut(index)) else {
            return Ok(());
        };
        let offers =
            |method| matches!(&line.offered, Offered::Ours(offer) if offer.methods.contains(&method));
        match (local.role, &line.agreement) {
            (Role::Offer, _) if offers(Method::Dtls) => {
                let (_, fingerprint) = means.dtls.ok_or_else(no_certificate)?;
                let setup = session.dtls_local_setup().unwrap_or(Setup::ActPass);
                described.dtls = Some((fingerprint.to_owned(), setup));
            }
            (Role::Answer, Agreement::Dtls(peer)) => {
                let (context, fingerprint) = means.dtls.ok_or_else(no_certificate)?;
                take_dtls(session, context, peer, &line.offered, &self.config)?;
                let setup = session.dtls_local_setup().map_err(|error| Refusal::System(error.to_string()))?;
                described.dtls = Some((fingerprint.to_owned(), setup));
            }
            _ => {}
        }
        let zrtp = match local.role {
            Role::Offer => offers(Method::Zrtp),
            Role::Answer => {
                matches!(line.agreement, Agreement::Zrtp(_) | Agreement::InBand)
                    || line.agreement == Agreement::Sdes && self.config.zrtp_upgrade()
            }
        };
        if let Some((association, ssrc)) = means.zrtp.filter(|_| zrtp && !session.uses_dtls()) {
            use_zrtp(session, association, ssrc, now)?;
            // In passthrough the phones hear one another's Hello, not ours.
            if self.config.zrtp_mode() == ZrtpMode::Endpoint {
                described.zrtp = session.zrtp_local_hash().map(|hash| hash.to_string());
            }
        }
        Ok(())
    }

    /// Our description for the peer. None: [`local`](Self::local) was not called.
    ///
    /// # Errors
    /// A [`Refusal`]: nothing may be sent.
    pub fn write(&mut self) -> Result<Option<Text>, Refusal> {
        let Some(local) = &self.local else { return Ok(None) };
        let description = Description::parse(&local.body).map_err(|error| Refusal::Sdp(error.to_string()))?;
        let mut rewrite = Rewrite::new(&description);
        rewrite.strip_session();
        for (index, described) in local.described.iter().enumerate() {
            let Some(line) = self.lines.get_mut(index).filter(|_| described.rtp) else { continue };
            let Some(mut edit) = rewrite.line(index) else { continue };
            edit.profile(line.profile).strip();
            if !described.open {
                continue;
            }
            let mut attributes =
                line.crypto(local.role).map_err(|error| Refusal::System(error.to_string()))?;
            if let Some((fingerprint, setup)) = &described.dtls {
                attributes.push(Zeroizing::new(format!("fingerprint:{fingerprint}")));
                attributes.push(Zeroizing::new(format!("setup:{setup}")));
            }
            if let Some(hash) = &described.zrtp {
                attributes.push(Zeroizing::new(format!("zrtp-hash:{hash}")));
            }
            for attribute in attributes {
                edit.insert(&attribute).map_err(|error| Refusal::Sdp(error.to_string()))?;
            }
        }
        Ok(Some(rewrite.finish()))
    }

    /// Puts what was agreed on for a line into its session; as often as asked, with the same result.
    ///
    /// # Errors
    /// A [`Refusal`]: the call must end.
    pub fn apply(
        &mut self,
        index: usize,
        session: &mut Session,
        means: &Means<'_>,
        now: Instant,
    ) -> Result<Applied, Refusal> {
        let Some(line) = self.lines.get_mut(index) else { return Ok(Applied::Open) };
        match &line.agreement {
            Agreement::Open => return Ok(Applied::Open),
            Agreement::Clear => {
                session.zrtp_stop();
                return Ok(Applied::Clear);
            }
            Agreement::InBand | Agreement::Zrtp(_) => {
                if !self.config.allows_clear() {
                    session.demand_security();
                }
                let Some((association, ssrc)) = means.zrtp.filter(|_| !session.uses_dtls()) else {
                    return if self.config.allows_clear() {
                        Ok(Applied::Clear)
                    } else {
                        Err(Refusal::System("ZRTP was agreed on and cannot be done here".into()))
                    };
                };
                use_zrtp(session, association, ssrc, now)?;
                if let Agreement::Zrtp(hash) = &line.agreement {
                    session.zrtp_remote_hash(hash, now);
                }
                return Ok(Applied::Zrtp);
            }
            Agreement::Sdes => {
                session.demand_security();
                if !self.config.zrtp_upgrade() {
                    session.zrtp_stop();
                }
                if line.fresh_keys || session.state(Component::Rtp) != State::Secure {
                    let keys = line.sdes.inbound().zip(line.sdes.outbound());
                    let (inbound, outbound) =
                        keys.ok_or_else(|| Refusal::System("SDES was agreed on without keys".into()))?;
                    session.set_inbound(&inbound);
                    session.set_outbound(&outbound);
                    line.fresh_keys = false;
                }
            }
            Agreement::Dtls(peer) => {
                session.demand_security();
                let (context, _) = means.dtls.ok_or_else(no_certificate)?;
                take_dtls(session, context, peer, &line.offered, &self.config)?;
                return Ok(Applied::Dtls);
            }
        }
        Ok(Applied::Sdes)
    }

    /// Each step so far with the rule behind it, one on a line; no keys.
    pub fn explain(&self) -> String {
        self.explanation.text()
    }

    /// A further step of the call, e.g. how its handshake ended.
    pub fn note(&mut self, step: &str) {
        self.explain_step(step);
    }

    fn explain_step(&mut self, step: &str) {
        // The peer's words may be in it, and it is shown on a terminal.
        let step: String = step.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        self.explanation.add(format!("[{}] {step}", self.name));
    }
}

fn no_certificate() -> Refusal {
    Refusal::System("DTLS was agreed on, and there is no certificate of ours".into())
}

/// What the peer said of DTLS, told to the session; again, it changes nothing.
fn take_dtls(
    session: &mut Session,
    context: &Context,
    peer: &DtlsPeer,
    offered: &Offered,
    config: &Config,
) -> Result<(), Refusal> {
    if !session.uses_dtls() {
        let sha1 = if config.dtls().sha1() { Sha1::Allowed } else { Sha1::Refused };
        session.dtls_use(context.clone(), Setup::ActPass, sha1);
        if matches!(offered, Offered::Ours(_)) {
            // What our offer has said already.
            session.dtls_local_setup().map_err(|error| Refusal::System(error.to_string()))?;
        }
    }
    session.dtls_remote_setup(peer.setup).map_err(|error| Refusal::Policy(error.to_string()))?;
    for value in &peer.fingerprints {
        session.dtls_remote_fingerprint(value).map_err(|error| Refusal::Policy(error.to_string()))?;
    }
    if let Some(tls_id) = &peer.tls_id {
        session.dtls_remote_tls_id(tls_id.clone());
    }
    Ok(())
}

fn use_zrtp(
    session: &mut Session,
    association: &Association,
    ssrc: u32,
    now: Instant,
) -> Result<(), Refusal> {
    if session.zrtp_state().is_some() {
        return Ok(());
    }
    session.zrtp_use(association, ssrc, now).map_err(|error| Refusal::System(error.to_string()))
}

/// None: not RTP over UDP.
fn security(profile: Profile) -> Option<Security> {
    match profile {
        Profile::Avp | Profile::Avpf => Some(Security::Optional),
        Profile::Savp | Profile::Savpf => Some(Security::Savp),
        Profile::UdpTlsSavp | Profile::UdpTlsSavpf => Some(Security::UdpTls),
        Profile::Other => None,
    }
}

fn is_declined(media: &Media<'_>) -> bool {
    media.port() == 0 && !media.bundle_only()
}

/// What a line carries of keys, in words.
fn contents(media: &Media<'_>) -> String {
    let mut parts = Vec::new();
    match media.crypto().count() {
        0 => {}
        1 => parts.push("SDES".to_owned()),
        count => parts.push(format!("SDES ({count} attributes)")),
    }
    if media.fingerprints().next().is_some() {
        parts.push("DTLS".into());
    }
    if media.zrtp_hashes().next().is_some() {
        parts.push("ZRTP".into());
    }
    if parts.is_empty() { "no keys".into() } else { parts.join(", ") }
}

fn sdes_config(config: &Config) -> sealrtp_sdes::Config {
    sealrtp_sdes::Config {
        suites: config.suites().to_vec(),
        lifetime: config.lifetime(),
        mki_length: config.mki_length(),
        key_derivation_rate: config.key_derivation_rate(),
        session_parameters: config.session_parameters().to_vec(),
        libsrtp_aes192: config.libsrtp_aes192(),
    }
}
