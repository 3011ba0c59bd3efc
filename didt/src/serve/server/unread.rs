//! Answers that wait for their clients to read them.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::activity::Sending;

/// How much of an answer is handed over at a time: a frame of HTTP/2 (RFC 9113 section 4.2). What is
/// handed over of a stream whose window is full waits outside of our count.
const PIECE: usize = 16 * 1024;

/// An answer in pieces. Until the last is handed over it counts as one that is being sent.
pub(super) struct Unread {
    body: Body,
    /// What has come of the body and was not handed over.
    rest: Bytes,
    _sending: Sending,
}

impl Unread {
    pub(super) fn body(body: Body, sending: Sending) -> Body {
        Body::new(Self { body, rest: Bytes::new(), _sending: sending })
    }

    fn piece(&mut self) -> Option<Frame<Bytes>> {
        let len = self.rest.len().min(PIECE);
        (len > 0).then(|| Frame::data(self.rest.split_to(len)))
    }
}

impl HttpBody for Unread {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        loop {
            if let Some(piece) = self.piece() {
                return Poll::Ready(Some(Ok(piece)));
            }
            match std::task::ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if data.is_empty() => {}
                    Ok(data) => self.rest = data,
                    Err(frame) => return Poll::Ready(Some(Ok(frame))),
                },
                other => return Poll::Ready(other),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, inner) = (self.rest.len() as u64, self.body.size_hint());
        let mut hint = SizeHint::new();
        hint.set_lower(inner.lower().saturating_add(rest));
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::super::activity::Activity;
    use super::*;

    #[tokio::test]
    async fn an_answer_is_handed_over_in_pieces_and_arrives_whole() {
        let text: Vec<u8> = (0..100_000_u32).map(|number| number as u8).collect();
        let activity = Activity::new();
        let sending = activity.begin(http::Version::HTTP_2).sending(text.len());
        let mut body = Unread::body(Body::from(text.clone()), sending);
        assert_eq!(body.size_hint().exact(), Some(100_000));
        let mut arrived = Vec::new();
        while let Some(frame) = body.frame().await {
            assert!(!activity.watch().nothing_waits(), "until the last piece it is being sent");
            let data = frame.expect("a frame").into_data().expect("data");
            assert!(data.len() <= PIECE);
            arrived.extend_from_slice(&data);
            assert_eq!(body.size_hint().exact(), Some(100_000 - arrived.len() as u64));
        }
        assert_eq!(arrived, text);
        drop(body);
        assert!(activity.watch().nothing_waits());
    }
}
