//! A body on its way to the endpoint: made as the connection takes it, with its length known beforehand, since there are
//! servers that refuse a chunked request.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::escape::escape;

/// Bytes made at a time. A connection that the network holds up queues 16 of these and no more.
const FRAME: usize = 8 << 10;

/// A text that stands in a body without being part of its JSON yet.
#[derive(Debug)]
pub(crate) struct SharedText {
    /// Where it belongs: before this byte of the JSON.
    pub at: usize,
    /// The text.
    pub text: Arc<str>,
}

/// A body that has been given out up to some byte.
#[derive(Debug)]
pub(crate) struct Upload {
    json: Bytes,
    shared: Arc<[SharedText]>,
    /// Bytes of `json` given out.
    json_done: usize,
    /// Shared texts given out, and bytes of the next one.
    shared_done: usize,
    text_done: usize,
    /// Bytes still to come.
    left: usize,
}

impl Upload {
    /// A body of `len` bytes: the JSON with the shared texts in their places, which ascend.
    pub fn new(json: Bytes, shared: Arc<[SharedText]>, len: usize) -> Self {
        Self { json, shared, json_done: 0, shared_done: 0, text_done: 0, left: len }
    }

    /// All that is left in one piece.
    pub fn into_bytes(mut self) -> Bytes {
        let mut out = Vec::with_capacity(self.left);
        self.write(&mut out, usize::MAX);
        out.into()
    }

    /// Appends the next bytes until `out` holds `most` of them, or some more where the last ones had to be escaped.
    pub fn write(&mut self, out: &mut Vec<u8>, most: usize) {
        let start = out.len();
        while out.len() < most && self.write_part(out, most - out.len()) {}
        self.left -= out.len() - start;
    }

    /// Appends up to `most` bytes of what comes next, JSON or a shared text; false at the end.
    fn write_part(&mut self, out: &mut Vec<u8>, most: usize) -> bool {
        let next = self.shared.get(self.shared_done);
        if let Some(shared) = next.filter(|shared| shared.at == self.json_done) {
            let rest = &shared.text.as_bytes()[self.text_done..];
            let part = &rest[..rest.len().min(most)];
            escape(part, out);
            self.text_done += part.len();
            if part.len() == rest.len() {
                self.shared_done += 1;
                self.text_done = 0;
            }
            return true;
        }
        let rest = &self.json[self.json_done..next.map_or(self.json.len(), |shared| shared.at)];
        let part = &rest[..rest.len().min(most)];
        out.extend_from_slice(part);
        self.json_done += part.len();
        !part.is_empty()
    }
}

impl http_body::Body for Upload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        // an eighth more than is asked for: the last bytes may have escapes
        let mut out = Vec::with_capacity(self.left.min(FRAME + FRAME / 8));
        self.write(&mut out, FRAME);
        Poll::Ready(Some(Ok(Frame::data(out.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left as u64)
    }
}
