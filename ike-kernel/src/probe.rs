//! Whether the kernel can do ESP: tried, not guessed. A kernel may have XFRM policies without ESP.
use crate::KernelError;

/// Adds an ESP SA with an unlikely SPI between documentation addresses and deletes it again.
///
/// Needs `CAP_NET_ADMIN`. The error says what is missing.
pub fn kernel_esp() -> Result<(), KernelError> {
    crate::xfrm::Xfrm::open(crate::xfrm::XfrmConfig::default())?.probe()
}
