//! What is attached to a session, and how handlers change it.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::data_error::{self, DataError, UnreadableData};
use super::session::{Identity, Session};
use crate::session::{DataUpdate, SessionData, SessionRecord};

/// How often [`Session::modify_data`] tries before it returns a conflict. With each failure another
/// request's change was stored, so that this many others have to come first.
const MAX_MODIFY_TRIES: usize = 16;

impl Session {
    /// What the [hook](super::DidAuth::with_on_sign_in) attached, or what it was [changed to](Self::modify_data) since.
    /// `None` if nothing is attached.
    ///
    /// ```
    /// # use tower_didt::Session;
    /// #[derive(serde::Deserialize)]
    /// struct User {
    ///     id: u64,
    /// }
    ///
    /// fn user_id(session: &Session) -> Option<u64> {
    ///     session.data::<User>().ok().flatten().map(|user| user.id)
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// If the data has another form than `T`, for example because an older
    /// version of the application attached it.
    pub fn data<T: DeserializeOwned>(&self) -> Result<Option<T>, serde_json::Error> {
        self.with_attached(SessionData::read)
    }

    /// Reads the data as `T`, which has to be there: as the extractor `Data` does.
    ///
    /// # Errors
    ///
    /// If the data has another form than `T`; or if nothing is attached and `T` has no form for
    /// that, as `Option` has.
    pub fn require_data<T: DeserializeOwned>(&self) -> Result<T, UnreadableData> {
        self.with_attached(data_error::read)
    }

    /// How often the data was changed since sign-in: another number is other data. For a form that
    /// is sent back later, and must not undo what happened in the meantime.
    #[must_use]
    pub fn data_version(&self) -> u64 {
        self.with_attached(SessionData::version)
    }

    /// Replaces the data, unless another request has changed it since this one has read it. What
    /// Magic said of the person stays.
    ///
    /// Every request that begins afterwards sees the new data, on other machines within the time in
    /// which they learn of a revocation; so do this `Session` and its clones. Where sessions live in
    /// their cookies (`SealedStore`), the response brings a new cookie: change data before the
    /// response begins, and see there what an earlier cookie still opens.
    ///
    /// ```
    /// use tower_didt::Session;
    /// use tower_didt::layer::DataError;
    ///
    /// #[derive(serde::Serialize)]
    /// struct Settings {
    ///     language: String,
    /// }
    ///
    /// async fn speak(session: &Session, language: &str) -> Result<(), DataError> {
    ///     session.update_data(&Settings { language: language.to_owned() }).await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`DataError::Conflict`] if another request was faster: this `Session` then shows the new
    /// data, and the next call replaces it. [`DataError::Store`] with
    /// [`StoreError::TooLarge`](crate::StoreError::TooLarge) above
    /// [`MAX_SESSION_DATA_BYTES`](crate::store::MAX_SESSION_DATA_BYTES), or the store's own limit.
    /// After any other error of the store, the data may have been stored or not.
    pub async fn update_data<T: Serialize>(&self, data: &T) -> Result<(), DataError> {
        let data = SessionData::new(data).map_err(DataError::NotJson)?;
        self.store_data(&data).await
    }

    /// Changes the data by a function of what it is, without losing changes that other requests
    /// make at the same time. Returns the new data.
    ///
    /// `change` is called again with the newest data each time another request was faster, at most
    /// 16 times, so it should do nothing but compute. It gets `None` where nothing is attached.
    ///
    /// ```
    /// use tower_didt::Session;
    /// use tower_didt::layer::DataError;
    ///
    /// #[derive(Default, serde::Deserialize, serde::Serialize)]
    /// struct Basket {
    ///     items: u32,
    /// }
    ///
    /// async fn add(session: &Session) -> Result<u32, DataError> {
    ///     let basket = session
    ///         .modify_data(|basket: Option<Basket>| {
    ///             let items = basket.unwrap_or_default().items + 1;
    ///             Basket { items }
    ///         })
    ///         .await?;
    ///     Ok(basket.items)
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`update_data`](Self::update_data), with [`DataError::Conflict`] only where the newest
    /// data cannot be had, because sessions live in their cookies, or after 16 tries; and
    /// [`DataError::Unreadable`] if the data has another form than `T`.
    pub async fn modify_data<T, F>(&self, mut change: F) -> Result<T, DataError>
    where
        T: Serialize + DeserializeOwned,
        F: FnMut(Option<T>) -> T,
    {
        for _ in 0..MAX_MODIFY_TRIES {
            let read = self.newest().ok_or(DataError::NoSession)?;
            let value = change(data_error::read(&read.data)?);
            let data = SessionData::new(&value).map_err(DataError::NotJson)?;
            match self.store_data_after(&read, &data).await {
                Ok(()) => return Ok(value),
                // Without newer data, the next try would fail as this one did.
                Err(DataError::Conflict) if self.data_version() != read.data.version() => {}
                Err(error) => return Err(error),
            }
        }
        Err(DataError::Conflict)
    }

    /// Reads what is attached.
    pub(super) fn with_attached<R>(&self, read: impl FnOnce(&SessionData) -> R) -> R {
        if let Some(record) = self.happened().record() {
            return read(&record.data);
        }
        match self.identity() {
            Identity::Session(record) => read(&record.data),
            Identity::Token { data, .. } => read(data),
        }
    }

    async fn store_data(&self, data: &SessionData) -> Result<(), DataError> {
        let read = self.newest().ok_or(DataError::NoSession)?;
        self.store_data_after(&read, data).await
    }

    /// Stores the application's value of `data` as the version after what was read.
    async fn store_data_after(
        &self,
        read: &SessionRecord,
        data: &SessionData,
    ) -> Result<(), DataError> {
        let (gate, data) = (self.gate(), read.data.changed_to(data));
        gate.check_size(&data)?;
        let now = gate.clock.now();
        match gate.store.update_data(read, data.clone(), now).await? {
            DataUpdate::Stored { renewed } => {
                let record = SessionRecord { data, ..read.clone() };
                let in_cookie = renewed.is_some();
                let cookie = renewed.and_then(|ticket| gate.cookie_of(&ticket, &record, now));
                let read = read.data.version();
                let too_late = self.happened().changed_to(Arc::new(record), cookie, read);
                if in_cookie && too_late { Err(DataError::ResponseSent) } else { Ok(()) }
            }
            DataUpdate::Conflict { current } => {
                if let Some(current) = current {
                    self.happened().changed_to(current, None, read.data.version());
                }
                Err(DataError::Conflict)
            }
            DataUpdate::Ended => Err(DataError::Ended),
        }
    }

    /// The record with the newest data that is known here.
    fn newest(&self) -> Option<Arc<SessionRecord>> {
        self.happened().record().or_else(|| self.record().cloned())
    }
}
