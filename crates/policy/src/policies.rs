//! Every section of a configuration file, resolved: what holds for each end point, and under each policy.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::error::{Fault, FaultKind};
use crate::origin::{Origin, Place};
use crate::rules::ZrtpRule;
use crate::{Config, Key, Scope, Warning};

/// The section that holds for everybody.
pub const GENERAL: &str = "general";
/// The key that names the policy under which a section begins.
const POLICY: &str = "policy";
/// The key that makes a section a policy.
const TYPE: &str = "type";
const TYPES: [&str; 2] = ["policy", "endpoint"];

/// Most bytes of a value.
pub const MAX_VALUE: usize = 64 * 1024;
/// Most bytes of a section's name.
pub const MAX_NAME: usize = 256;
/// Most sections.
pub const MAX_SECTIONS: usize = 4096;
/// Most policies of which one begins under the next.
pub const MAX_DEPTH: usize = 8;
/// Most faults that are remembered.
const MAX_FAULTS: usize = 1000;

/// A policy that is there unless the file has one of its name.
struct BuiltIn {
    name: &'static str,
    values: &'static [(Key, &'static str)],
}

const BUILT_IN: [BuiltIn; 3] = [
    // Keys in the signalling or by a handshake that it announces: whoever has neither gets 488, not a silent call.
    BuiltIn {
        name: "strict",
        values: &[(Key::Offer, "sdes, dtls"), (Key::Accept, "sdes, dtls"), (Key::Fallback, "reject")],
    },
    BuiltIn {
        name: "opportunistic",
        values: &[
            (Key::Offer, "zrtp, dtls, sdes"),
            (Key::Accept, "sdes, dtls, zrtp"),
            (Key::Fallback, "rtp"),
        ],
    },
    BuiltIn { name: "clear", values: &[(Key::Offer, "none"), (Key::Accept, "none"), (Key::Fallback, "rtp")] },
];

/// What every section comes to. Names of sections are told apart without regard to the case of ASCII letters.
///
/// ```
/// use sealrtp_policy::{Fallback, Key, Policies};
///
/// let mut builder = Policies::builder();
/// for (line, section, key, value) in [
///     (2, "general", "suites", "AEAD_AES_256_GCM, AES_CM_128_HMAC_SHA1_80"),
///     (5, "vault", "type", "policy"),
///     (6, "vault", "policy", "strict"),
///     (7, "vault", "recording", "refuse"),
///     (10, "PJSIP/alice", "policy", "vault"),
/// ] {
///     builder.set("sealrtp.conf", line, section, key, value)?;
/// }
/// let (policies, warnings) = builder.finish().unwrap();
/// assert!(warnings.is_empty());
///
/// let alice = policies.endpoint("PJSIP/alice");
/// assert_eq!(alice.fallback(), Fallback::Reject);
/// assert_eq!(alice.rule(Key::Recording), "recording = refuse (sealrtp.conf line 7, [vault])");
/// assert_eq!(alice.rule(Key::Fallback), "fallback = reject (built-in policy strict)");
/// assert_eq!(policies.endpoint("PJSIP/bob").fallback(), Fallback::Rtp);
/// # Ok::<(), sealrtp_policy::Fault>(())
/// ```
#[derive(Clone, Debug)]
pub struct Policies {
    general: Config,
    policies: BTreeMap<String, Config>,
    endpoints: BTreeMap<String, Config>,
    any_rejects: bool,
    any_secures: bool,
    any_has_zrtp: bool,
}

impl Default for Policies {
    /// What an empty file gives.
    fn default() -> Self {
        Builder::default().resolve().0
    }
}

impl Policies {
    /// Begins with an empty file.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// What holds for end points without a section.
    pub fn general(&self) -> &Config {
        &self.general
    }

    /// What holds for an end point by its name, e.g. `PJSIP/alice`: the section `[PJSIP/alice]`, else `[alice]`, else
    /// `[general]`.
    pub fn endpoint(&self, name: &str) -> &Config {
        let find = |name: &str| self.endpoints.get(&folded(name));
        find(name).or_else(|| name.split_once('/').and_then(|(_, bare)| find(bare))).unwrap_or(&self.general)
    }

    /// What holds under a policy, of the file or built in.
    pub fn policy(&self, name: &str) -> Option<&Config> {
        self.policies.get(&folded(name))
    }

    /// What holds for a call of an end point: under `policy` if one is named, whatever the end point's section says.
    /// None: there is no such policy.
    pub fn endpoint_under(&self, endpoint: &str, policy: Option<&str>) -> Option<&Config> {
        policy.map_or_else(|| Some(self.endpoint(endpoint)), |policy| self.policy(policy))
    }

    /// The policies, those built in among them, in alphabetical order.
    pub fn policies(&self) -> impl Iterator<Item = &Config> {
        self.policies.values()
    }

    /// The sections of end points, in alphabetical order.
    pub fn endpoints(&self) -> impl Iterator<Item = &Config> {
        self.endpoints.values()
    }

    /// Whether `fallback = reject` holds in `[general]`, for an end point with a section, or under a policy of the file:
    /// until it is known whose call it is, nothing clear may pass then.
    pub fn any_rejects(&self) -> bool {
        self.any_rejects
    }

    /// Whether any of these offers or accepts a method, or rejects what is clear: if not, calls need no look.
    pub fn any_secures(&self) -> bool {
        self.any_secures
    }

    /// Whether any of these has ZRTP.
    pub fn any_has_zrtp(&self) -> bool {
        self.any_has_zrtp
    }
}

/// A line's value, as the configuration writes it.
#[derive(Clone, Debug)]
struct Value {
    text: String,
    place: Arc<Place>,
}

#[derive(Clone, Debug)]
struct Section {
    /// As it first stood.
    name: Arc<str>,
    place: Arc<Place>,
    is_policy: bool,
    policy: Option<Value>,
    values: BTreeMap<Key, Value>,
}

/// Takes a file line by line, in any order of sections; of lines with the same section and key the last one counts.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    /// By folded name.
    sections: BTreeMap<String, Section>,
    files: BTreeSet<Arc<str>>,
    faults: Vec<Fault>,
}

impl Builder {
    /// Takes a line. White space around key and value does not count.
    ///
    /// # Errors
    /// What is wrong with the line; it counts for nothing, and [`finish`](Self::finish) will not give policies.
    pub fn set(
        &mut self,
        file: &str,
        line: u32,
        section: &str,
        key: &str,
        value: &str,
    ) -> Result<Option<Warning>, Fault> {
        let place = Arc::new(self.place(file, line, section));
        let taken = self.take(&place, section.trim(), key.trim(), value.trim());
        taken.map_err(|kind| {
            let fault = Fault::new(Arc::clone(&place), kind);
            if self.faults.len() < MAX_FAULTS {
                self.faults.push(fault.clone());
            }
            fault
        })
    }

    /// What the lines come to, with what should be thought over; independent of the order of sections.
    ///
    /// # Errors
    /// Every fault, those that [`set`](Self::set) has told among them, in the order of the lines.
    pub fn finish(self) -> Result<(Policies, Vec<Warning>), Vec<Fault>> {
        let mut faults = self.faults.clone();
        let (policies, found) = self.resolve();
        faults.extend(found);
        if faults.is_empty() {
            let warnings = self.warnings(&policies);
            return Ok((policies, warnings));
        }
        faults.sort_by(|a, b| (&a.place().file, a.place().line).cmp(&(&b.place().file, b.place().line)));
        faults.dedup();
        Err(faults)
    }

    /// File names repeat in every line: one copy serves them all.
    fn place(&mut self, file: &str, line: u32, section: &str) -> Place {
        let cut =
            |text: &str, most: usize| -> Arc<str> { text.chars().take(most).collect::<String>().into() };
        let file = self.files.get(file).cloned().unwrap_or_else(|| {
            let file = cut(file, MAX_NAME);
            if self.files.len() < MAX_SECTIONS {
                self.files.insert(Arc::clone(&file));
            }
            file
        });
        let known = self.sections.get(&folded(section)).map(|known| Arc::clone(&known.name));
        Place { file, line, section: known.unwrap_or_else(|| cut(section.trim(), MAX_NAME)) }
    }

    fn take(
        &mut self,
        place: &Arc<Place>,
        section: &str,
        key: &str,
        value: &str,
    ) -> Result<Option<Warning>, FaultKind> {
        if value.len() > MAX_VALUE {
            return Err(FaultKind::LongValue(key.to_owned()));
        }
        if section.is_empty() || section.len() > MAX_NAME || section.contains(char::is_control) {
            return Err(FaultKind::SectionName);
        }
        let full = self.sections.len() >= MAX_SECTIONS;
        let section = match self.sections.entry(folded(section)) {
            Entry::Vacant(_) if full => return Err(FaultKind::TooManySections),
            entry => entry.or_insert_with(|| Section {
                name: Arc::clone(&place.section),
                place: Arc::clone(place),
                is_policy: false,
                policy: None,
                values: BTreeMap::new(),
            }),
        };
        let general = section.name.eq_ignore_ascii_case(GENERAL);
        let place = Arc::clone(place);
        if key.eq_ignore_ascii_case(TYPE) || key.eq_ignore_ascii_case(POLICY) {
            if general {
                return Err(FaultKind::NotInGeneral(key.to_ascii_lowercase()));
            }
            if key.eq_ignore_ascii_case(POLICY) {
                section.policy = Some(Value { text: value.to_owned(), place });
                return Ok(None);
            }
            let chosen = TYPES.iter().position(|known| known.eq_ignore_ascii_case(value));
            section.is_policy = chosen.ok_or_else(|| FaultKind::Type(value.to_owned()))? == 0;
            return Ok(None);
        }
        let key = Key::find(key)?;
        if key.scope() == Scope::General && !general {
            return Err(FaultKind::OnlyInGeneral(key));
        }
        let mut read = Config::default();
        let warning = key.read(&mut read, value)?;
        section.values.insert(key, Value { text: read.get(key), place: Arc::clone(&place) });
        Ok(warning.map(|text| Warning::of(key, text).at(Some(place))))
    }

    fn resolve(&self) -> (Policies, Vec<Fault>) {
        let mut faults = Vec::new();
        let mut general = Config { section: GENERAL.into(), ..Config::default() };
        if let Some(section) = self.sections.get(GENERAL) {
            apply(&mut general, section, &mut faults);
        }
        let (mut policies, mut endpoints) = (BTreeMap::new(), BTreeMap::new());
        for built_in in &BUILT_IN {
            let mut config = Config { section: built_in.name.into(), ..general.clone() };
            apply_built_in(&mut config, built_in);
            policies.insert(built_in.name.to_owned(), config);
        }
        for (name, section) in self.sections.iter().filter(|(name, _)| *name != GENERAL) {
            let mut config = Config { section: Arc::clone(&section.name), ..general.clone() };
            match self.chain(section) {
                Ok(chain) => {
                    if let Some(built_in) = chain.built_in {
                        apply_built_in(&mut config, built_in);
                    }
                    for section in chain.sections.into_iter().rev() {
                        apply(&mut config, section, &mut faults);
                    }
                }
                Err(fault) => faults.push(fault),
            }
            let of_its_kind = if section.is_policy { &mut policies } else { &mut endpoints };
            of_its_kind.insert(name.clone(), config);
        }
        let of_file = policies.iter().filter(|(name, _)| self.has_policy(name)).map(|(_, config)| config);
        let all = || std::iter::once(&general).chain(of_file.clone()).chain(endpoints.values());
        let any_rejects = all().any(Config::rejects);
        let any_secures = any_rejects || all().any(Config::secures);
        let any_has_zrtp = all().any(|config| config.zrtp_rule() != ZrtpRule::No);
        (Policies { general, policies, endpoints, any_rejects, any_secures, any_has_zrtp }, faults)
    }

    /// The section itself, the policy under which it begins, that one's, and so on.
    fn chain<'a>(&'a self, section: &'a Section) -> Result<Chain<'a>, Fault> {
        let mut chain = Chain { sections: vec![section], built_in: None };
        let mut last = section;
        while let Some(policy) = &last.policy {
            let fault = |kind| Fault::new(Arc::clone(&policy.place), kind);
            let name = folded(&policy.text);
            let known = self.sections.get(&name).filter(|found| found.is_policy);
            let Some(found) = known else {
                chain.built_in = BUILT_IN.iter().find(|built_in| built_in.name == name);
                if chain.built_in.is_none() {
                    return Err(fault(FaultKind::UnknownPolicy {
                        given: policy.text.clone(),
                        known: self.names(),
                    }));
                }
                break;
            };
            if chain.sections.iter().any(|passed| std::ptr::eq(*passed, found)) {
                return Err(fault(FaultKind::Loop(policy.text.clone())));
            }
            if chain.sections.len() > MAX_DEPTH {
                return Err(fault(FaultKind::TooDeep));
            }
            chain.sections.push(found);
            last = found;
        }
        Ok(chain)
    }

    /// Whether the file has this policy, by its folded name.
    fn has_policy(&self, name: &str) -> bool {
        self.sections.get(name).is_some_and(|section| section.is_policy)
    }

    /// Names of policies, for an administrator; the first of them where there are many.
    fn names(&self) -> String {
        const NAMED: usize = 20;
        let own = self.sections.values().filter(|section| section.is_policy).map(|section| &*section.name);
        let mut names: BTreeSet<&str> = own.collect();
        names.extend(BUILT_IN.iter().map(|built_in| built_in.name));
        let more = if names.len() > NAMED { ", ..." } else { "" };
        names.into_iter().take(NAMED).collect::<Vec<_>>().join(", ") + more
    }

    /// What is consistent and yet hardly meant.
    fn warnings(&self, policies: &Policies) -> Vec<Warning> {
        let mut warnings = Vec::new();
        let of_file = policies.policies.iter().filter(|(name, _)| self.has_policy(name));
        let all = of_file.chain(&policies.endpoints).map(|(_, config)| config);
        for config in std::iter::once(&policies.general).chain(all) {
            warnings.extend(config.doubts());
        }
        for (name, section) in &self.sections {
            if !section.is_policy && BUILT_IN.iter().any(|built_in| built_in.name == name) {
                let text =
                    format!("[{}] is an end point; a policy of that name needs type = policy", section.name);
                warnings.push(Warning::of_section(text, Arc::clone(&section.place)));
            }
        }
        // What [general] says is repeated by all that inherit it.
        let mut told = BTreeSet::new();
        warnings.retain(|warning| told.insert(warning.to_string()));
        warnings
    }
}

struct Chain<'a> {
    sections: Vec<&'a Section>,
    built_in: Option<&'static BuiltIn>,
}

fn folded(name: &str) -> String {
    name.trim().to_ascii_lowercase()
}

fn apply(config: &mut Config, section: &Section, faults: &mut Vec<Fault>) {
    for (key, value) in &section.values {
        match key.read(config, &value.text) {
            Ok(_) => config.origins.set(*key, Origin::Line(Arc::clone(&value.place))),
            Err(error) => faults.push(Fault::new(Arc::clone(&value.place), error.into())),
        }
    }
}

fn apply_built_in(config: &mut Config, built_in: &'static BuiltIn) {
    for (key, value) in built_in.values {
        let read = key.read(config, value);
        debug_assert!(read.is_ok(), "{read:?}");
        config.origins.set(*key, Origin::BuiltIn(built_in.name));
    }
}
