//! A data plane that only takes notes.
use crate::{ChildId, ChildSaSpec, Outbound, Path};
use std::collections::{BTreeMap, BTreeSet};

/// A child as installed.
#[derive(Debug)]
pub struct Installed {
    /// What was asked for.
    pub spec: ChildSaSpec,
    /// Whether it may send.
    pub sending: bool,
    /// Outer addresses now.
    pub path: Path,
    order: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Plane {
    /// What is installed.
    pub sas: BTreeMap<ChildId, Installed>,
    /// Refuse as many of the next installations.
    pub refuse: u32,
    /// Do not answer as many of the next installations.
    pub ignore: u32,
    /// Broken promises: keys or SPIs used twice, unknown children…
    pub complaints: Vec<String>,
    /// How many were ever installed.
    pub installed: u64,
    seen: BTreeSet<Vec<u8>>,
    order: u64,
}

impl Plane {
    pub(crate) fn install(&mut self, spec: ChildSaSpec) -> Result<(), String> {
        if self.refuse > 0 {
            self.refuse -= 1;
            return Err("no room".into());
        }
        for (spi, (encr, integ)) in [(spec.spi_in, &spec.keys_in), (spec.spi_out, &spec.keys_out)] {
            let mut key = encr.expose().to_vec();
            key.extend_from_slice(integ.expose());
            if !self.seen.insert(key) {
                self.complaints.push(format!("key of {spi} used twice"));
            }
        }
        if self.sas.values().any(|i| i.spec.spi_in == spec.spi_in) {
            self.complaints.push(format!("{} in use", spec.spi_in));
        }
        if spec.flows.is_empty() {
            self.complaints
                .push(format!("{} has no flows", spec.spi_in));
        }
        self.order += 1;
        self.installed += 1;
        self.sas.insert(
            spec.id,
            Installed {
                sending: spec.outbound == Outbound::Now,
                path: spec.path,
                order: self.order,
                spec,
            },
        );
        Ok(())
    }

    pub(crate) fn activate(&mut self, id: ChildId) -> Result<(), String> {
        self.order += 1;
        let order = self.order;
        match self.sas.get_mut(&id) {
            Some(i) => {
                i.sending = true;
                i.order = order;
                Ok(())
            }
            None => {
                self.complaints
                    .push(format!("activation of unknown {id:?}"));
                Err("unknown child".into())
            }
        }
    }

    pub(crate) fn update(&mut self, id: ChildId, path: Path) -> Result<(), String> {
        match self.sas.get_mut(&id) {
            Some(i) => {
                i.path = path;
                Ok(())
            }
            None => {
                self.complaints.push(format!("update of unknown {id:?}"));
                Err("unknown child".into())
            }
        }
    }

    pub(crate) fn remove(&mut self, id: ChildId) -> Result<(), String> {
        if self.sas.remove(&id).is_none() {
            // A refused installation is also removed; that is harmless.
            return Err("unknown child".into());
        }
        Ok(())
    }

    /// The child that sends for a child name now: the one whose outbound started last.
    pub fn sender(&self, child: &str) -> Option<&Installed> {
        self.sas
            .values()
            .filter(|i| i.sending && i.spec.child == child)
            .max_by_key(|i| i.order)
    }
}
