//! A data plane that only records: for `set dataplane none`, `set decouple` and tests.
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use crate::{Block, ChildSa, Counters, DataPlane, Event, KernelError, Outbound};

/// Records what was asked.
#[derive(Debug, Default)]
pub struct Mock {
    children: BTreeMap<u64, ChildSa>,
    blocks: Vec<Block>,
    events: VecDeque<Event>,
    log: Vec<String>,
}

impl Mock {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }
    /// Children installed now.
    pub fn children(&self) -> impl Iterator<Item = &ChildSa> {
        self.children.values()
    }
    /// Blocks in force.
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }
    /// Requests in order, in words without keys.
    pub fn log(&self) -> &[String] {
        &self.log
    }
    /// Makes [`DataPlane::poll_event`] return this later.
    pub fn push_event(&mut self, event: Event) {
        self.events.push_back(event);
    }

    fn child(&mut self, request: &str, id: u64) -> Result<&mut ChildSa, KernelError> {
        self.children
            .get_mut(&id)
            .ok_or_else(|| KernelError::refused(request, format!("child {id} is not installed")))
    }
}

impl DataPlane for Mock {
    fn install(&mut self, child: ChildSa) -> Result<(), KernelError> {
        self.log.push(format!(
            "install {} {} in {} out {}",
            child.id, child.child, child.spi_in, child.spi_out
        ));
        if self.children.contains_key(&child.id) {
            return Err(KernelError::refused(
                "install",
                format!("child {} is installed already", child.id),
            ));
        }
        self.children.insert(child.id, child);
        Ok(())
    }
    fn activate_outbound(&mut self, id: u64) -> Result<(), KernelError> {
        self.log.push(format!("activate {id}"));
        self.child("activate", id)?.outbound = Outbound::Now;
        Ok(())
    }
    fn update(
        &mut self,
        id: u64,
        local: SocketAddr,
        peer: SocketAddr,
        udp_encap: bool,
    ) -> Result<(), KernelError> {
        self.log
            .push(format!("update {id} {local} {peer} encap {udp_encap}"));
        let child = self.child("update", id)?;
        (child.local, child.peer, child.udp_encap) = (local, peer, udp_encap);
        Ok(())
    }
    fn remove(&mut self, id: u64) -> Result<(), KernelError> {
        self.log.push(format!("remove {id}"));
        self.children.remove(&id);
        Ok(())
    }
    fn block(&mut self, block: Block) -> Result<(), KernelError> {
        self.log
            .push(format!("block {} {}", block.policy, block.child));
        self.blocks
            .retain(|b| (&b.policy, &b.child) != (&block.policy, &block.child));
        if !block.flows.is_empty() {
            self.blocks.push(block);
        }
        Ok(())
    }
    fn unblock(&mut self, policy: &str) -> Result<(), KernelError> {
        self.log.push(format!("unblock {policy}"));
        self.blocks.retain(|b| b.policy != policy);
        Ok(())
    }
    fn flush(&mut self) -> Result<(), KernelError> {
        self.log.push("flush".into());
        self.children.clear();
        self.blocks.clear();
        Ok(())
    }
    fn counters(&mut self, id: u64) -> Result<Counters, KernelError> {
        self.child("counters", id).map(|_| Counters::default())
    }
    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }
}
