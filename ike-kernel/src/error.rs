//! Errors.
use serde::{Deserialize, Serialize};

/// A refused request. Plain data, since it crosses processes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{request}: {reason}")]
pub struct KernelError {
    /// What was asked, in words.
    pub request: String,
    /// Why not: the text of the errno, or our own.
    pub reason: String,
    /// The errno, if it came from the system.
    pub errno: Option<i32>,
}

impl KernelError {
    /// A refusal of our own.
    pub fn refused(request: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            request: request.into(),
            reason: reason.into(),
            errno: None,
        }
    }

    /// A refusal of the system.
    pub fn system(request: impl Into<String>, error: &std::io::Error) -> Self {
        Self {
            request: request.into(),
            reason: error.to_string(),
            errno: error.raw_os_error(),
        }
    }
}
