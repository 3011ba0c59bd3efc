//! Tells systemd about start, reload and stop (`sd_notify(3)`), if it started us.

use sd_notify::NotifyState;

/// It serves.
pub(crate) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// Certificates are being read again; [`ready`] has to follow. With the time, by which
/// `Type=notify-reload` recognises that this is about its own signal.
pub(crate) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        // Said without the time, it would be waited for in vain.
        Err(error) => tracing::debug!(%error, "there is no monotonic clock"),
    }
}

/// It is about to end.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd cannot be told");
    }
}
