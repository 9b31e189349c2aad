//! The keys that sign tokens (Sig4): each is published where the Hub looks for it, under its `kid`, in time, and is the one that signs. What
//! signs and what verifies is the filter's own code.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hub_auth_filter::facade::callout::Answer as CalloutAnswer;
use hub_auth_filter::facade::config::{self, Config, Direction, Signing};
use hub_auth_filter::facade::gateway::GatewayKind;
use hub_auth_filter::facade::jose::{Algorithm, KeySet, UnverifiedToken};
use hub_auth_filter::facade::time::UnixTime;
use hub_auth_filter::facade::trial::{KeySetView, Minting};
use rustls::pki_types::CertificateDer;
use serde_json::Value;

use crate::callouts;
use crate::certificates::read_leaf;
use crate::doctor::Context;
use crate::doctor::checks::Check;
use crate::doctor::http::Answer;
use crate::doctor::report::{Finding, Report};

/// How long before it signs a key has to be published (spec §2.4).
const PUBLICATION: Duration = Duration::from_secs(10 * 60);

/// Who signs.
pub(super) struct Signer<'a> {
    pub(super) context: &'a Context,
    pub(super) signing: &'a Signing,
    /// The CAs of a remote one.
    pub(super) ca: Option<&'a Path>,
}

/// A key of the configuration, by its public parts.
pub(super) struct Key {
    key_id: String,
    /// From when on it signs.
    active_from: UnixTime,
    /// The configuration as if this were its only key.
    config: Config,
}

/// Makes these checks for each key. The key that is active, if there is one that signs.
pub(super) fn check(
    signer: &Signer<'_>,
    key_set: Result<&Answer, &str>,
    now: SystemTime,
    report: &mut Report,
) -> Option<Key> {
    let answer = match key_set {
        Ok(answer) => {
            let view = KeySetView::of(&answer.body, false);
            report.add(
                Check::Sig4Keystore,
                match &view.refused {
                    None => Finding::passed(format!("usable keys: {}", view.usable.len())),
                    Some(why) => Finding::failed(why.as_str()),
                },
            );
            view.refused.is_none().then_some(answer)
        }
        Err(why) => {
            report.add(Check::Sig4Keystore, Finding::failed(why));
            None
        }
    };
    let now = unix_time(now);
    let mut current: Option<Key> = None;
    for key in signer.keys() {
        let token = signer.sign(&key);
        let is_newest = current.as_ref().is_none_or(|other| other.active_from <= key.active_from);
        let signs = key.active_from <= now && is_newest && token.is_ok();
        check_key(&key, token, answer, now, report);
        if signs {
            current = Some(key);
        }
    }
    current
}

fn check_key(key: &Key, token: Result<String, String>, answer: Option<&Answer>, now: UnixTime, report: &mut Report) {
    let id = key.key_id.as_str();
    let checks = [Check::Sig4Published, Check::Sig4Key, Check::Sig4Age];
    let Some((answer, set)) =
        answer.and_then(|answer| Some((answer, KeySet::parse(&answer.body, &[Algorithm::Ps256]).ok()?)))
    else {
        for check in checks {
            report.add_of(check, id, Finding::not_checked("there is no key set"));
        }
        return;
    };
    let signs_in = now.until(key.active_from);
    let Some(published) = set.key(id, Algorithm::Ps256) else {
        let finding = if signs_in > PUBLICATION {
            Finding::warning(format!("not yet; it signs in {}", humantime::format_duration(whole(signs_in))))
        } else {
            Finding::failed(why_not_usable(answer, id))
        };
        report.add_of(Check::Sig4Published, id, finding);
        for check in [Check::Sig4Key, Check::Sig4Age] {
            report.add_of(check, id, Finding::not_checked("it is not published"));
        }
        return;
    };
    report.add_of(Check::Sig4Published, id, Finding::passed("it is"));
    report.add_of(
        Check::Sig4Key,
        id,
        match token {
            Err(why) => Finding::not_checked(why),
            Ok(token) => {
                let mut decoded = Vec::new();
                let parsed = UnverifiedToken::parse(&token, &mut decoded);
                match parsed.map(|token| token.verify(Algorithm::Ps256, published)) {
                    Ok(Ok(())) => Finding::passed("the published key verifies a token of it"),
                    _ => Finding::failed("the published key does not verify a token of it: they are different keys"),
                }
            }
        },
    );
    report.add_of(Check::Sig4Age, id, age(answer, id, signs_in, now));
}

/// Whether a key has been published for long enough. Nobody says when a key was: its set may say when it was changed last, and the key's
/// certificate when it was made, before which the key was not published.
fn age(answer: &Answer, key_id: &str, signs_in: Duration, now: UnixTime) -> Finding {
    if signs_in >= PUBLICATION {
        return Finding::passed(format!("it signs in {}", humantime::format_duration(whole(signs_in))));
    }
    let minutes = |duration: Duration| duration.as_secs() / 60;
    if let Some(unchanged) = answer.unchanged_for.filter(|unchanged| *unchanged >= PUBLICATION) {
        return Finding::passed(format!("the set was changed {} minutes ago (Last-Modified)", minutes(unchanged)));
    }
    let made = certificate_of(answer, key_id).and_then(|issued| now.since(issued));
    match made {
        Some(age) if age < PUBLICATION => {
            Finding::failed(format!("its certificate was made {} minutes ago", minutes(age)))
        }
        _ => Finding::not_checked("that cannot be known: the keystore does not say since when the set is as it is"),
    }
}

/// When the certificate of a published key begins, if the set has one.
fn certificate_of(answer: &Answer, key_id: &str) -> Option<UnixTime> {
    let set: Value = answer.json()?;
    let keys = set.get("keys")?.as_array()?;
    let key = keys.iter().find(|key| key.get("kid").and_then(Value::as_str) == Some(key_id))?;
    let der = STANDARD.decode(key.get("x5c")?.get(0)?.as_str()?).ok()?;
    Some(read_leaf(&CertificateDer::from(der)).ok()?.validity().not_before())
}

/// Why a set has no key of this id that could verify a token.
fn why_not_usable(answer: &Answer, key_id: &str) -> String {
    let view = KeySetView::of(&answer.body, false);
    let skipped = view.skipped.iter().find(|(name, _)| name.as_deref() == Some(key_id));
    match skipped {
        Some((_, why)) => format!("it is there and of no use: {why}"),
        None => {
            let others: Vec<&str> = view.usable.iter().take(4).map(|key| key.key_id.as_str()).collect();
            format!("it is not there, but {}", others.join(", "))
        }
    }
}

impl Signer<'_> {
    /// The keys of the configuration, each by itself; a remote signer has one.
    fn keys(&self) -> Vec<Key> {
        let with = |signer: config::Signer| {
            let mut config = self.context.config.clone();
            if let Direction::Outbound(outbound) = &mut config.direction {
                outbound.signing.signer = signer;
            }
            config
        };
        match &self.signing.signer {
            config::Signer::Local(keys) => {
                let of_one = |key: &_| {
                    let mut only = Clone::clone(key);
                    let (key_id, active_from) = active(&mut only);
                    Key { key_id, active_from, config: with(config::Signer::Local(vec![only])) }
                };
                keys.iter().map(of_one).collect()
            }
            remote => vec![Key {
                key_id: remote.remote_key().map(|key| key.key_id.clone()).unwrap_or_default(),
                active_from: UnixTime::EPOCH,
                config: self.context.config.clone(),
            }],
        }
    }

    /// A token that this key signed, or why there is none.
    pub(super) fn sign(&self, key: &Key) -> Result<String, String> {
        if let Some(name) = self.context.unset.first() {
            return Err(format!("{name} is not set here: set it, or name a file with --env-file"));
        }
        let mut random = [0; 32];
        aws_lc_rs::rand::fill(&mut random).map_err(|_| "the system gives no random numbers".to_owned())?;
        // What gateways differ in decides on no token.
        let capabilities = GatewayKind::Envoy.capabilities(None, false);
        let minting = Minting::new(key.config.clone(), &capabilities).ok_or("there is no key")?;
        let mut troubles: Vec<String> = Vec::new();
        let minted = minting.mint(random, &|| unix_time(SystemTime::now()), &mut |callout| -> CalloutAnswer {
            let (answer, trouble) = callouts::make(&callout.request, self.ca);
            troubles.extend(trouble);
            answer
        });
        minted.map(|minted| minted.token).map_err(|error| {
            troubles.dedup();
            troubles.insert(0, error.message);
            format!("nobody signs: {}", troubles.join("; "))
        })
    }
}

/// The id of a key and from when on it signs; from now on it always does.
fn active(key: &mut config::LocalKey) -> (String, UnixTime) {
    (key.key_id.clone(), std::mem::replace(&mut key.active_from, UnixTime::EPOCH))
}

fn unix_time(time: SystemTime) -> UnixTime {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixTime::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

fn whole(duration: Duration) -> Duration {
    Duration::from_secs(duration.as_secs())
}
