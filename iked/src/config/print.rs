//! The canonical form of a loaded configuration (`iked -nv`): one policy per statement, macros
//! resolved, defaults spelled out, secrets as `<hidden>`.
use super::Loaded;

/// Prints a configuration that loads to the same policies, but for the secrets.
pub fn canonical(_loaded: &Loaded) -> String {
    todo!()
}
