//! The mistakes that a gateway of the tests may have been built with.

/// One mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Right in all things.
    None,
    /// Whatever is not spelled as the guarded route is public, and the upstream is no `didt echo`.
    OpenByDefaultToOtherUpstream,
    /// Requests with this method are not asked about.
    OpenMethod(&'static str),
    /// HTTP/1.0 is not asked about.
    OpenHttp10,
    /// Its own 401, without the challenge.
    NoChallenge,
    /// Its own 401, for caches to keep.
    CacheableDenial,
    /// It redirects for good.
    PermanentRedirect,
    /// The client's identity headers stay, and win.
    KeepsIdentity,
    /// They stay beside its own.
    AppendsIdentity,
    /// They stay where nobody has to sign in.
    KeepsIdentityOnPublic,
    /// The same with underscores.
    KeepsUnderscores,
    /// The same with dots.
    KeepsDots,
    /// The same with what is neither letter nor digit.
    KeepsMarks,
    /// Whoever says who he is, is believed.
    BelievesIdentity,
    /// It sends a placeholder in place of nobody's issuer on public routes.
    PlaceholderOnPublic,
    /// What the client's `Connection` names is removed last.
    ConnectionRemoves,
    /// The client's `Upgrade` stays, whatever it is to.
    KeepsUpgrade,
    /// Public is what begins so, the upstream gets it as it came.
    RawPrefix,
    /// Public is what begins so, the upstream gets it resolved.
    ResolvesAfterCheck,
    /// Public is what ends so.
    MatchesEnd,
    /// Only what begins with `/private` is guarded.
    OpenByDefault,
    /// The client's `X-Forwarded-Uri` is what it asks about.
    BelievesForwardedUri,
    /// The client's `X-Original-Method`, likewise; `OPTIONS` is not asked about.
    BelievesOriginalMethod,
    /// Other hosts are other sites, without rules.
    OpenHosts,
    /// The path is looked for behind the first slash of scheme, host and target in one text.
    GluesHost,
    /// It renews the cookie and forbids to store the answer.
    RenewsCookie,
    /// A dead cookie is removed on an answer that caches may store.
    StoresRemoval,
    /// It renews the cookie on answers that caches may store.
    StoresCookie,
    /// It renews the cookie, and the fields for particular caches stay.
    StoresCookieInCdn,
    /// Of two hosts the last counts.
    LastHost,
    /// The upstream is not told who is calling.
    NoIdentity,
    /// It is told so literally.
    Placeholder,
    /// It is told that everybody is the same.
    WrongIdentity,
    /// The upstream sees the session cookie.
    LeaksCookie,
    /// The upstream sees the token.
    LeaksToken,
    /// Of two `Authorization` headers it takes the first.
    FirstAuthorization,
    /// Of two cookies it takes the first.
    FirstCookie,
    /// Of a list of credentials it takes the first.
    SplitsCommas,
    /// The check is asked with GET.
    HidesMethod,
    /// The check is asked without `Upgrade`.
    HidesUpgrade,
    /// The check is asked without `Origin`.
    HidesOrigin,
    /// Answers that allow it are kept, for everybody.
    SharedCache,
    /// The same, but the check is asked first: for everybody who has a session.
    CacheForAllUsers,
    /// The check's answers are kept, for the cookie that they were for.
    CachesDecisions,
    /// The check's answers are kept for the target, whoever asks.
    CachesForTarget,
    /// Anybody may read `/metrics`.
    OpenMetrics,
    /// Anybody may ask the check.
    OpenCheck,
    /// Anybody may reach administration.
    OpenAdmin,
    /// The same, which asks for its secret.
    OpenGuardedAdmin,
    /// Cookies do not reach the client.
    DropsCookies,
    /// They do so twice.
    DoublesCookies,
    /// They do so without `Secure`.
    InsecureCookies,
    /// The one that takes the session away does not reach the client.
    DropsClearing,
    /// The upstream is another.
    OtherUpstream,
    /// The upstream is gone.
    UpstreamGone,
    /// Nobody ever answers on public routes.
    Hangs,
    /// The answers tell the client's credentials.
    TellsSecrets,
    /// None, and it has a sign-in page.
    Page,
    /// The page redirects to wherever `rd` says.
    PageOpen,
    /// Whatever is in `rd` is decoded into the head of the answer.
    PageSplits,
    /// Caches may store the page.
    PageStored,
    /// Caches may store the way there.
    RedirectStored,
    /// Whoever is refused is sent to the page.
    PageForAll,
    /// Nobody is sent to the page.
    PageForNobody,
    /// The way back is forgotten.
    PageForgets,
    /// People are sent to another site.
    PageElsewhere,
}

impl Fault {
    pub(crate) fn has_page(self) -> bool {
        use Fault::*;
        matches!(
            self,
            Page | PageOpen
                | PageSplits
                | PageStored
                | RedirectStored
                | PageForAll
                | PageForNobody
                | PageForgets
                | PageElsewhere
        )
    }
}
