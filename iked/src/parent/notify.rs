//! Telling the service manager how we are (sd_notify(3)): one datagram, lost without harm.
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Sends a state such as `READY=1`, if a service manager asked for it.
pub(super) fn notify(state: &str) {
    if let Some(path) = std::env::var_os("NOTIFY_SOCKET")
        && let Err(e) = send(&path.into_vec(), state)
    {
        tracing::debug!("service manager: {e}");
    }
}

fn send(path: &[u8], state: &str) -> std::io::Result<()> {
    let address = match path.split_first() {
        Some((b'@', name)) => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(path))?,
    };
    UnixDatagram::unbound()?
        .send_to_addr(state.as_bytes(), &address)
        .map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_manager_hears_us() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        send(path.as_os_str().as_bytes(), "READY=1").unwrap();
        let mut buffer = [0; 20];
        let got = manager.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..got], b"READY=1");
    }
}
