//! Counters, in a fixed order; every dropped datagram has a cause among them.

macro_rules! counters {
    ($($name:ident = $text:literal),* $(,)?) => {
        /// Names of counters.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Counter { $($name),* }
        const NAMES: &[(Counter, &str)] = &[$((Counter::$name, $text)),*];
    };
}

counters! {
    DatagramsIn = "datagrams_in",
    DatagramsOut = "datagrams_out",
    KeepalivesIn = "keepalives_in",
    KeepalivesOut = "keepalives_out",
    RequestsIn = "requests_in",
    ResponsesIn = "responses_in",
    Retransmits = "retransmits_out",
    RetransmitsIn = "retransmits_in",
    IkeSasEstablished = "ike_sas_established",
    IkeSasRekeyed = "ike_sas_rekeyed",
    IkeSasClosed = "ike_sas_closed",
    ChildSasInstalled = "child_sas_installed",
    ChildSasRekeyed = "child_sas_rekeyed",
    ChildSasClosed = "child_sas_closed",
    AttemptsFailed = "attempts_failed",
    CookiesSent = "cookies_sent",
    DropJunk = "drop_junk",
    DropEsp = "drop_esp_on_ike_socket",
    DropMalformed = "drop_malformed",
    DropVersion = "drop_major_version",
    DropUnknownSpi = "drop_unknown_spi",
    DropExchange = "drop_unexpected_exchange",
    DropMessageId = "drop_message_id",
    DropIntegrity = "drop_integrity",
    DropUnprotected = "drop_unprotected",
    DropInProgress = "drop_request_in_progress",
    DropHalfOpenLimit = "drop_half_open_limit",
    DropBadCookie = "drop_bad_cookie",
    DropUnexpectedResponse = "drop_unexpected_response",
    DropBadInit = "drop_bad_ike_sa_init",
    DropShutdown = "drop_shutting_down",
    ErrorRepliesSuppressed = "error_replies_suppressed",
    UnauthenticatedErrors = "unauthenticated_errors_in",
}

/// The counters of an endpoint.
#[derive(Debug, Default)]
pub(crate) struct Stats(std::collections::BTreeMap<Counter, u64>);

impl Stats {
    /// One more.
    pub(crate) fn count(&mut self, counter: Counter) {
        let n = self.0.entry(counter).or_default();
        *n = n.saturating_add(1);
    }
    /// All of them.
    pub(crate) fn all(&self) -> Vec<(&'static str, u64)> {
        NAMES
            .iter()
            .map(|(c, name)| (*name, self.0.get(c).copied().unwrap_or(0)))
            .collect()
    }
}
