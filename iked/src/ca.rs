//! The `ca` process: holds every long-term secret, makes and checks AUTH with them (RFC 7296
//! §2.15). It has no socket to the network, sees no directory but --etc, and answers only typed
//! requests; it refuses to hand out a secret, so the process that reads the network has none.
use std::collections::BTreeMap;

use ike_crypto::{Prf, Secret, auth};
use ike_sa::{Answer, PeerAuthenticated, Request};
use ike_wire::{AuthMethod, PrfId};

use crate::event_loop::PollSet;
use crate::ipc::{CaToIkev2, CaToParent, Ikev2ToCa, ParentToCa};
use crate::log;
use crate::privsep::Role;
use crate::privsep::channel::{Channel, ChannelError};
use crate::privsep::spawn;
use crate::role::{Exit, RoleError, closed_parent_is};
use std::os::fd::AsFd;

/// Secrets by policy.
#[derive(Debug, Default)]
pub struct KeyStore {
    psk: BTreeMap<String, Secret>,
}

impl KeyStore {
    /// Adds a pre-shared key.
    pub fn add_psk(&mut self, policy: String, psk: Secret) {
        self.psk.insert(policy, psk);
    }

    /// Answers a request for a signature or a check; `None` for one that is not for this process.
    pub fn answer(&self, request: &Request) -> Option<Answer> {
        match request {
            Request::MakeAuth {
                policy,
                prf,
                octets,
            } => Some(Answer::AuthMade(self.make(policy, *prf, octets))),
            Request::VerifyAuth {
                policy,
                peer_id,
                prf,
                octets,
                method,
                data,
            } => Some(Answer::AuthVerified(
                self.verify(policy, *prf, octets, *method, data)
                    .map(|()| PeerAuthenticated::attest(peer_id.clone())),
            )),
            _ => None,
        }
    }

    fn make(
        &self,
        policy: &str,
        prf: PrfId,
        octets: &[u8],
    ) -> Result<(AuthMethod, Vec<u8>), String> {
        let psk = self.psk_of(policy)?;
        let prf = known(prf)?;
        Ok((
            AuthMethod::SHARED_KEY_MIC,
            auth::shared_key_mac(prf, psk, octets),
        ))
    }

    fn verify(
        &self,
        policy: &str,
        prf: PrfId,
        octets: &[u8],
        method: AuthMethod,
        data: &[u8],
    ) -> Result<(), String> {
        let psk = self.psk_of(policy)?;
        let prf = known(prf)?;
        if method != AuthMethod::SHARED_KEY_MIC {
            return Err(format!(
                "peer used {method}, policy \"{policy}\" wants a pre-shared key"
            ));
        }
        auth::verify_shared_key(prf, psk, octets, data)
            .map_err(|_| "the pre-shared keys differ".to_owned())
    }

    fn psk_of(&self, policy: &str) -> Result<&Secret, String> {
        self.psk
            .get(policy)
            .ok_or_else(|| format!("policy \"{policy}\" has no pre-shared key"))
    }
}

fn known(prf: PrfId) -> Result<Prf, String> {
    Prf::from_id(prf).ok_or_else(|| format!("{prf} is not implemented"))
}

/// The process.
pub fn run() -> Result<Exit, RoleError> {
    let (mut parent, mut fds) = spawn::boot::<CaToParent, ParentToCa>(Role::Ca)?;
    let mut ikev2: Channel<CaToIkev2, Ikev2ToCa> = fds.channel(Role::Ikev2)?;
    let mut store = KeyStore::default();
    let mut next = KeyStore::default();
    loop {
        let mut poll = PollSet::new();
        let from_parent = poll.add(parent.as_fd(), parent.interest());
        let from_ikev2 = poll.add(ikev2.as_fd(), ikev2.interest());
        let ready = poll.wait(None)?;
        parent.flush()?;
        ikev2.flush()?;
        if ready.readable(from_parent) {
            loop {
                match parent.receive() {
                    Ok(Some((ParentToCa::Psk { policy, psk }, _))) => next.add_psk(policy, psk),
                    Ok(Some((ParentToCa::Commit(generation), _))) => {
                        store = std::mem::take(&mut next);
                        parent.send(&CaToParent::Committed(generation))?;
                    }
                    Ok(Some((ParentToCa::Log(level), _))) => log::set_level(level),
                    Ok(None) => break,
                    Err(e) => return closed_parent_is(e),
                }
            }
        }
        if ready.readable(from_ikev2) {
            while let Some((Ikev2ToCa::Request(id, request), _)) = ikev2.receive()? {
                let Some(answer) = store.answer(&request) else {
                    return Err(ChannelError::Violation("request that is not for ca").into());
                };
                ikev2.send(&CaToIkev2::Answer(id, answer))?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ike_sa::Id;
    use ike_wire::IdType;

    fn store(psk: &str) -> KeyStore {
        let mut store = KeyStore::default();
        store.add_psk("gw".into(), Secret::new(psk.as_bytes().to_vec()));
        store
    }

    fn made(store: &KeyStore, policy: &str) -> Result<(AuthMethod, Vec<u8>), String> {
        let request = Request::MakeAuth {
            policy: policy.into(),
            prf: PrfId::HMAC_SHA2_256,
            octets: b"octets".to_vec(),
        };
        match store.answer(&request) {
            Some(Answer::AuthMade(result)) => result,
            other => panic!("{other:?}"),
        }
    }

    fn verified(store: &KeyStore, method: AuthMethod, data: Vec<u8>) -> Result<Id, String> {
        let request = Request::VerifyAuth {
            policy: "gw".into(),
            peer_id: Id {
                kind: IdType::FQDN,
                data: b"b.example".to_vec(),
            },
            prf: PrfId::HMAC_SHA2_256,
            octets: b"octets".to_vec(),
            method,
            data,
        };
        match store.answer(&request) {
            Some(Answer::AuthVerified(result)) => result.map(|proof| proof.id().clone()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_one_end_makes_the_other_accepts() {
        let (method, data) = made(&store("foobar"), "gw").unwrap();
        let id = verified(&store("foobar"), method, data).unwrap();
        assert_eq!(id.to_string(), "b.example");
    }

    #[test]
    fn another_key_is_refused() {
        let (method, data) = made(&store("foobar"), "gw").unwrap();
        assert_eq!(
            verified(&store("barfoo"), method, data).unwrap_err(),
            "the pre-shared keys differ"
        );
    }

    #[test]
    fn another_method_is_refused_even_with_the_right_octets() {
        let (_, data) = made(&store("foobar"), "gw").unwrap();
        assert!(verified(&store("foobar"), AuthMethod(14), data).is_err());
    }

    #[test]
    fn a_policy_without_key_is_named() {
        assert!(
            made(&store("foobar"), "other")
                .unwrap_err()
                .contains("other")
        );
    }

    #[test]
    fn requests_for_other_processes_are_not_answered() {
        let request = Request::ActivateOutbound(ike_sa::ChildId(1));
        assert!(store("x").answer(&request).is_none());
    }
}
