//! The client end of the control socket: blocking, and always within a deadline. Neither a daemon that
//! accepts nothing, nor one that stops in the middle of an answer, nor one that answers for ever
//! can hold it.
use iked::control::proto::{Decoder, ProtoError, Reply, Request, encode};
use rustix::{
    io::Errno,
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType},
};
use std::{
    io::{self, Read as _, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    time::{Duration, Instant},
};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// Nobody listens.
    #[error("{0}")]
    NoDaemon(io::Error),
    /// We may not.
    #[error("{0}")]
    Denied(io::Error),
    /// It does not take connections or says nothing.
    #[error("no answer within {} s", .0.as_secs())]
    Timeout(Duration),
    /// It went away.
    #[error("the daemon closed the connection")]
    Closed,
    /// Something else with the socket.
    #[error("{0}")]
    Io(io::Error),
    /// It speaks something else.
    #[error("{0}")]
    Protocol(#[from] ProtoError),
}

/// Sends a request and returns the whole answer; its last reply says how it ended.
pub(crate) fn ask(
    socket: &Path,
    request: &Request,
    wait: Duration,
) -> Result<Vec<Reply>, ClientError> {
    let deadline = Instant::now() + wait;
    let left = || match deadline.checked_duration_since(Instant::now()) {
        Some(left) if !left.is_zero() => Ok(left),
        _ => Err(ClientError::Timeout(wait)),
    };
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => ClientError::Timeout(wait),
        io::ErrorKind::BrokenPipe
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::UnexpectedEof => ClientError::Closed,
        _ => ClientError::Io(error),
    };

    let mut stream = connect(socket, &left)?;
    let octets = encode(request)?;
    let mut rest = octets.as_slice();
    while !rest.is_empty() {
        stream
            .set_write_timeout(Some(left()?))
            .map_err(ClientError::Io)?;
        match stream.write(rest) {
            Ok(n) => rest = rest.get(n..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // It may have said why before it closed.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
                ) =>
            {
                break;
            }
            Err(error) => return Err(failed(error)),
        }
    }

    let mut decoder = Decoder::<Reply>::new();
    let mut replies = Vec::new();
    let mut piece = vec![0u8; 64 * 1024];
    loop {
        while let Some(reply) = decoder.next_message()? {
            let last = reply.is_last();
            replies.push(reply);
            if last {
                return Ok(replies);
            }
        }
        stream
            .set_read_timeout(Some(left()?))
            .map_err(ClientError::Io)?;
        match stream.read(&mut piece) {
            Ok(0) => return Err(ClientError::Closed),
            Ok(n) => decoder.feed(piece.get(..n).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error)),
        }
    }
}

/// Connects without ever blocking in connect(2): a daemon that is stuck has a full backlog.
fn connect(
    socket: &Path,
    left: &impl Fn() -> Result<Duration, ClientError>,
) -> Result<UnixStream, ClientError> {
    let address = SocketAddrUnix::new(socket).map_err(|e| ClientError::NoDaemon(e.into()))?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let fd = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
        .map_err(|e| ClientError::Io(e.into()))?;
    loop {
        match rustix::net::connect(&fd, &address) {
            Ok(()) => break,
            Err(Errno::AGAIN) => {
                let pause = left()?.min(Duration::from_millis(50));
                std::thread::sleep(pause);
            }
            Err(Errno::INTR) => {
                left()?;
            }
            Err(e @ (Errno::ACCESS | Errno::PERM)) => return Err(ClientError::Denied(e.into())),
            Err(e) => return Err(ClientError::NoDaemon(e.into())),
        }
    }
    let stream = UnixStream::from(fd);
    stream.set_nonblocking(false).map_err(ClientError::Io)?;
    Ok(stream)
}
