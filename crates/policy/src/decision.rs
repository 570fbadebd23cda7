//! What is taken of an offer, what an offer carries, and what an answer means.
//!
//! A decision comes with the rule that led to it, and a refusal with what to change, both for administrators.

use crate::{Config, Fallback, Key, Method, SdesSignalling};

/// How a call's SIP messages travel, as far as it can be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signalling {
    /// Over TLS.
    Tls,
    /// Over UDP or TCP: who can read them has the keys in them.
    Clear,
}

/// The transport profile of an m-line, as far as policy cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// RTP/AVP or RTP/AVPF.
    Optional,
    /// RTP/SAVP or RTP/SAVPF (RFC 3711, RFC 4568).
    Savp,
    /// UDP/TLS/RTP/SAVP or UDP/TLS/RTP/SAVPF (RFC 5764).
    UdpTls,
}

impl Security {
    /// Whether a line of this profile can have its keys by a method. ZRTP stands where media may be clear before it; who says
    /// UDP/TLS means DTLS.
    pub const fn allows(self, method: Method) -> bool {
        match self {
            Self::Optional => true,
            Self::Savp => matches!(method, Method::Sdes | Method::Dtls),
            Self::UdpTls => matches!(method, Method::Dtls),
        }
    }

    /// The profile without feedback, as in an m-line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Optional => "RTP/AVP",
            Self::Savp => "RTP/SAVP",
            Self::UdpTls => "UDP/TLS/RTP/SAVP",
        }
    }
}

/// What an m-line has for one method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Carried {
    /// Nothing.
    Not,
    /// Something that can be used.
    Usable,
    /// Something that cannot, and why.
    Unusable(String),
}

/// Where an m-line's keys come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// This method, which the SDP names.
    Method(Method),
    /// ZRTP, if the peer answers it in the media path. Until then clear media passes or not, as `fallback` says.
    InBand,
    /// Nowhere: media is clear.
    Clear,
}

/// What was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Where the keys come from.
    pub taken: Taken,
    /// The rule that led to it.
    pub because: String,
}

/// Why an offer or answer is refused, and what to change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PolicyRefusal(String);

/// What an offer of ours has in each m-line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Methods whose attributes it carries, best first.
    pub methods: Vec<Method>,
    /// The m-line's profile.
    pub security: Security,
    /// The rule that led to it.
    pub because: String,
}

impl Config {
    /// Whether SDP and media of an end point are policy's at all.
    pub fn is_active(&self) -> bool {
        !self.offer().is_empty() || !self.accept().is_empty()
    }

    /// Whether clear media may pass.
    pub fn allows_clear(&self) -> bool {
        self.fallback() == Fallback::Rtp
    }

    /// Whether SDES keys may be in a message that travels so.
    pub fn sdes_may_be_signalled(&self, signalling: Signalling) -> bool {
        signalling == Signalling::Tls || self.sdes_signalling() == SdesSignalling::Any
    }

    /// What to take of an m-line that the peer offers. `carried` is asked in the order of `accept` until something can be
    /// used.
    ///
    /// # Errors
    /// A [`PolicyRefusal`]: the offer is answered by 488.
    pub fn take(
        &self,
        security: Security,
        signalling: Signalling,
        mut carried: impl FnMut(Method) -> Carried,
    ) -> Result<Decision, PolicyRefusal> {
        let mut passed_over = Vec::new();
        for &method in self.accept() {
            if !security.allows(method) {
                continue;
            }
            if method == Method::Sdes && !self.sdes_may_be_signalled(signalling) {
                if carried(method) != Carried::Not {
                    passed_over.push(self.sdes_over_clear());
                }
                continue;
            }
            match carried(method) {
                Carried::Not => {}
                Carried::Usable => {
                    let mut because = format!("{}: {} is taken", self.rule(Key::Accept), method.name());
                    for said in &passed_over {
                        because.push_str("; ");
                        because.push_str(said);
                    }
                    return Ok(Decision { taken: Taken::Method(method), because });
                }
                Carried::Unusable(why) => {
                    passed_over.push(format!("{} cannot be used: {why}", method.name()));
                }
            }
        }
        self.without_method(security, passed_over)
    }

    /// What an offer of ours carries.
    ///
    /// # Errors
    /// A [`PolicyRefusal`] if nothing can be offered and clear media may not pass.
    pub fn offers(&self, signalling: Signalling) -> Result<Offer, PolicyRefusal> {
        let may = |method: &Method| *method != Method::Sdes || self.sdes_may_be_signalled(signalling);
        let mut methods: Vec<Method> = self.offer().iter().copied().filter(may).collect();
        let mut because = self.rule(Key::Offer);
        if methods.len() < self.offer().len() {
            because = format!("{because}; {}", self.sdes_over_clear());
        }
        let security = match (self.fallback(), methods.first()) {
            (Fallback::Rtp, _) | (Fallback::Reject, Some(Method::Zrtp)) => Security::Optional,
            (Fallback::Reject, Some(Method::Dtls)) => Security::UdpTls,
            (Fallback::Reject, Some(Method::Sdes)) => Security::Savp,
            (Fallback::Reject, None) => {
                return Err(PolicyRefusal(format!(
                    "nothing can be offered, and {}: {because}",
                    self.rule(Key::Fallback)
                )));
            }
        };
        methods.retain(|method| security.allows(*method));
        because = format!("{because}; {}: profile {}", self.rule(Key::Fallback), security.name());
        Ok(Offer { methods, security, because })
    }

    /// What an answer to an offer of ours means. Keys in the SDP count before ZRTP, which is still to come.
    ///
    /// # Errors
    /// A [`PolicyRefusal`]: the call must end.
    pub fn answered(
        &self,
        offered: &Offer,
        security: Security,
        mut carried: impl FnMut(Method) -> Carried,
    ) -> Result<Decision, PolicyRefusal> {
        for method in [Method::Sdes, Method::Dtls, Method::Zrtp] {
            if !security.allows(method) {
                continue;
            }
            let was_offered = offered.methods.contains(&method);
            match carried(method) {
                Carried::Not => {}
                Carried::Usable if was_offered => {
                    let because = format!("the answer picks {} of our offer", method.name());
                    return Ok(Decision { taken: Taken::Method(method), because });
                }
                // Its Hello may come all the same; nothing depends on the attribute.
                Carried::Usable if method == Method::Zrtp => {}
                Carried::Usable => {
                    return Err(PolicyRefusal(format!(
                        "the answer has {}, which was not offered: {}",
                        method.name(),
                        self.rule(Key::Offer)
                    )));
                }
                Carried::Unusable(why) => {
                    return Err(PolicyRefusal(format!(
                        "the answer's {} cannot be used: {why}",
                        method.name()
                    )));
                }
            }
        }
        if security != Security::Optional {
            return Err(PolicyRefusal(format!(
                "the answer says {} and has no keys for it: a fault of the peer's",
                security.name()
            )));
        }
        let in_band = offered.methods.contains(&Method::Zrtp) && offered.security == Security::Optional;
        match (in_band, self.fallback()) {
            (true, _) => Ok(self.in_band("the answer names no method")),
            (false, Fallback::Rtp) => Ok(Decision {
                taken: Taken::Clear,
                because: format!("the answer is clear; {}", self.rule(Key::Fallback)),
            }),
            (false, Fallback::Reject) => Err(PolicyRefusal(format!(
                "the answer is clear, and {}. Switch media encryption on at the peer, or set fallback = rtp for it",
                self.rule(Key::Fallback)
            ))),
        }
    }

    /// Nothing of `accept` can be used in an offer.
    fn without_method(
        &self,
        security: Security,
        passed_over: Vec<String>,
    ) -> Result<Decision, PolicyRefusal> {
        let mut why = format!("no method of {} is in the offer", self.rule(Key::Accept));
        for said in &passed_over {
            why.push_str("; ");
            why.push_str(said);
        }
        if security != Security::Optional {
            return Err(PolicyRefusal(format!(
                "{why}. An offer of {} is never answered in the clear",
                security.name()
            )));
        }
        if self.accept().contains(&Method::Zrtp) {
            return Ok(self.in_band(&why));
        }
        match self.fallback() {
            Fallback::Rtp => Ok(Decision {
                taken: Taken::Clear,
                because: format!("{why}; {}: media is clear", self.rule(Key::Fallback)),
            }),
            Fallback::Reject => Err(PolicyRefusal(format!(
                "{why}, and {}. Switch media encryption on at the peer, or set fallback = rtp for it",
                self.rule(Key::Fallback)
            ))),
        }
    }

    fn in_band(&self, why: &str) -> Decision {
        let meanwhile =
            if self.allows_clear() { "clear media passes until it answers" } else { "nothing clear passes" };
        Decision {
            taken: Taken::InBand,
            because: format!(
                "{why}; ZRTP is tried in the media path, {}: {meanwhile}",
                self.rule(Key::Fallback)
            ),
        }
    }

    fn sdes_over_clear(&self) -> String {
        format!(
            "SDES is passed over because this call's signalling is not TLS and {}: use SIP over TLS, or set sdes_signalling = any",
            self.rule(Key::SdesSignalling)
        )
    }
}
