//! A connection's octets, in and out.
//!
//! A file goes from the kernel's memory to the socket by sendfile(2), so that a response holds
//! neither a buffer nor a thread; nothing is mapped, since a file that shrinks under a map kills the
//! process. Where the kernel would have to wait for a disk, the same call is made on a blocking
//! thread.

use std::io;
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;
use tokio_openssl::SslStream;

use crate::files::OpenFile;
use crate::net::{is_at_hand, is_writable, read_at_hand, send_file};

/// A client's connection. What is cancelled here has lost nothing, but for [`Stream::send`].
pub(super) enum Stream {
    Plain(TcpStream),
    Secure(Box<SslStream<TcpStream>>),
}

impl Stream {
    /// The connection below.
    pub(super) fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Secure(tls) => tls.get_ref(),
        }
    }

    pub(super) fn is_secure(&self) -> bool {
        matches!(self, Self::Secure(_))
    }

    /// Reads once, behind what is in `buffer`; 0 is the client's end.
    pub(super) async fn read(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.read_buf(buffer).await,
            Self::Secure(tls) => tls.read_buf(buffer).await,
        }
    }

    /// Has what is written gathered into full segments from now on (TCP_CORK), or no longer: then the rest
    /// leaves. TLS writes its records as they are.
    pub(super) fn gather(&self, on: bool) {
        if let Self::Plain(tcp) = self {
            // Where the system does not, more and smaller segments leave.
            let _ = SockRef::from(tcp).set_tcp_cork(on);
        }
    }

    /// Writes some of `octets`; where more is to follow, they may wait for it.
    pub(super) async fn write(&mut self, octets: &[u8], more: bool) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => {
                let flags = libc::MSG_NOSIGNAL | if more { libc::MSG_MORE } else { 0 };
                let write = || SockRef::from(&*tcp).send_with_flags(octets, flags);
                tcp.async_io(Interest::WRITABLE, write).await
            }
            // What was encrypted and has yet to leave is kept by OpenSSL, which wants the same octets
            // again, and gets them.
            Self::Secure(tls) => tls.write(octets).await,
        }
    }

    /// Sends octets of a file as they are, as many as the socket takes now; `WouldBlock` where it takes none. To
    /// be awaited to its end, which only a disk can delay.
    pub(super) async fn send(
        &self,
        file: &Arc<OpenFile>,
        at: u64,
        len: usize,
    ) -> io::Result<usize> {
        let tcp = self.tcp();
        let sent = if is_at_hand(&file.file, at, len) {
            send_file(tcp, &file.file, at, len)
        } else {
            let (socket, file) = (tcp.as_fd().try_clone_to_owned()?, file.clone());
            let sending = spawn_blocking(move || send_file(&socket, &file.file, at, len));
            sending.await.map_err(io::Error::other)?
        };
        if sent.as_ref().map_or(true, |sent| *sent < len) {
            // The runtime does not know that the socket is full: asked here, it does, and waits until a third
            // of it is empty. Who sends on as soon as there is any room sends small packets, and is
            // acknowledged as often.
            let full = || is_writable(tcp).then_some(()).ok_or(io::ErrorKind::WouldBlock.into());
            let _ = tcp.try_io(Interest::WRITABLE, full);
        }
        sent
    }

    /// Says that nothing follows.
    pub(super) async fn shut_down(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(tcp) => SockRef::from(&*tcp).shutdown(Shutdown::Write),
            Self::Secure(tls) => tls.shutdown().await,
        }
    }
}

/// Octets of a file in memory.
pub(super) async fn read(file: &Arc<OpenFile>, at: u64, len: usize) -> io::Result<Vec<u8>> {
    let mut octets = vec![0; len];
    if read_at_hand(&file.file, &mut octets, at).ok() == Some(len) {
        return Ok(octets);
    }
    let file = file.clone();
    let reading = spawn_blocking(move || {
        file.file.read_exact_at(&mut octets, at)?;
        Ok(octets)
    });
    reading.await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use tokio::net::TcpListener;

    use super::*;

    /// The runtime knows when a socket is full, also where the last call has sent something.
    #[tokio::test]
    async fn a_full_socket_is_known_to_be_full() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let _far = listener.accept().await.unwrap();
        let (file, len) = (tempfile::tempfile().unwrap(), 1 << 30);
        file.set_len(len).unwrap();
        let file = Arc::new(OpenFile { file, len, modified: UNIX_EPOCH, inode: 0 });
        let stream = Stream::Plain(near);
        stream.tcp().writable().await.unwrap();
        for _ in 0..1000 {
            let _ = stream.send(&file, 0, 1 << 30).await;
            if !is_writable(stream.tcp()) {
                break;
            }
        }
        let known = stream.tcp().try_io(Interest::WRITABLE, || Ok(()));
        assert_eq!(known.unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }
}
