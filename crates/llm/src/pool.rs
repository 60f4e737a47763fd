//! The endpoints behind one role.
//!
//! Requests that share an affinity (the calls of one sample) go to the same endpoint, so that its prefix cache serves
//! them. Rendezvous hashing keeps most samples where they are when an endpoint is added or removed.

use std::sync::Arc;

use agentwrite::call::{CallFailure, ChatAnswer, ChatRequest};
use agentwrite::ids::Hash;
use agentwrite::ports::ChatModel;
use async_trait::async_trait;

use crate::chat::HttpChat;
use crate::endpoint::EndpointError;

/// One or more endpoints that answer for the same role.
#[derive(Debug, Clone)]
pub struct Pool {
    first: Arc<HttpChat>,
    others: Vec<Arc<HttpChat>>,
}

impl Pool {
    /// A pool of these endpoints; fails if there is none. Their names should differ: they decide who gets what.
    pub fn new(members: Vec<Arc<HttpChat>>) -> Result<Self, EndpointError> {
        let mut members = members.into_iter();
        let first = members.next().ok_or(EndpointError::EmptyPool)?;
        Ok(Self { first, others: members.collect() })
    }

    /// The endpoints.
    pub fn members(&self) -> impl Iterator<Item = &Arc<HttpChat>> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// The endpoint for an affinity: the same one as long as the pool has it.
    pub fn pick(&self, affinity: &str) -> &Arc<HttpChat> {
        let weigh = |member: &&Arc<HttpChat>| weight(&member.config().name, affinity);
        self.others.iter().max_by_key(weigh).filter(|best| weigh(best) > weigh(&&self.first)).unwrap_or(&self.first)
    }
}

fn weight(name: &str, affinity: &str) -> u64 {
    Hash::of("pool", &[name, affinity]).to_u64()
}

#[async_trait]
impl ChatModel for Pool {
    async fn chat(&self, request: ChatRequest) -> Result<ChatAnswer, CallFailure> {
        Ok(self.pick(&request.affinity).ask(request).await?.answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::EndpointConfig;

    fn pool(names: &[&str]) -> Pool {
        let member = |name: &&str| Arc::new(HttpChat::new(EndpointConfig::new(*name, "http://localhost:1")).unwrap());
        Pool::new(names.iter().map(member).collect()).unwrap()
    }

    #[test]
    fn a_pool_needs_an_endpoint() {
        assert!(matches!(Pool::new(Vec::new()), Err(EndpointError::EmptyPool)));
        assert_eq!(pool(&["a"]).pick("x").config().name, "a");
    }

    #[test]
    fn an_affinity_stays_and_only_the_lost_endpoints_share_moves() {
        let (three, two) = (pool(&["a", "b", "c"]), pool(&["a", "b"]));
        let mut counts = std::collections::BTreeMap::<String, usize>::new();
        for sample in 0..600 {
            let affinity = format!("smp_{sample}");
            let before = &three.pick(&affinity).config().name;
            assert_eq!(before, &three.pick(&affinity).config().name);
            *counts.entry(before.clone()).or_default() += 1;
            if before != "c" {
                assert_eq!(before, &two.pick(&affinity).config().name);
            }
        }
        assert!(counts.values().all(|count| (120..280).contains(count)), "{counts:?}");
    }
}
