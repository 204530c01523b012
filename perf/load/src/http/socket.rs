//! One connection as the pool sees it, plain or encrypted: [`Socket`].

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

#[cfg(feature = "tls")]
use crate::http::tls::TlsStream;

/// One connection.
#[derive(Debug)]
pub(crate) enum Socket {
    Plain(TcpStream),
    #[cfg(feature = "tls")]
    Tls(Box<TlsStream>),
}

impl Socket {
    /// Whether nothing has come that no request asked for, and the other side has not closed.
    pub(crate) fn is_quiet(&mut self) -> bool {
        match self {
            Self::Plain(socket) => {
                let nothing = socket.try_read(&mut [0]);
                nothing.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
            }
            // Session tickets come by themselves, and are no content.
            #[cfg(feature = "tls")]
            Self::Tls(socket) => {
                let mut cx = Context::from_waker(std::task::Waker::noop());
                let mut byte = [0];
                Pin::new(socket).poll_read(&mut cx, &mut ReadBuf::new(&mut byte)).is_pending()
            }
        }
    }

    /// Sends some of `both`, and gives how much.
    pub(crate) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        both: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(socket) => Pin::new(socket).poll_write_vectored(cx, both),
            #[cfg(feature = "tls")]
            Self::Tls(socket) => Pin::new(socket).poll_write_vectored(cx, both),
        }
    }

    /// Sends what was taken but has not gone out yet.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(socket) => Pin::new(socket).poll_flush(cx),
            #[cfg(feature = "tls")]
            Self::Tls(socket) => Pin::new(socket).poll_flush(cx),
        }
    }

    /// Reads once what has arrived.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        read: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(socket) => Pin::new(socket).poll_read(cx, read),
            #[cfg(feature = "tls")]
            Self::Tls(socket) => match Pin::new(socket).poll_read(cx, read) {
                // Many servers close without a word; whether the response is whole is seen from its
                // framing.
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    Poll::Ready(Ok(()))
                }
                other => other,
            },
        }
    }
}
