//! SyncML messages to the management server.

use crate::{Client, Error, client::Request};
use reqwest::{Method, header};
use zeroize::Zeroizing;

/// Path of the management server. Windows adds a query; the server routes on the path alone.
pub const PATH: &str = "/mdm";
/// Content type of SyncML as XML (MS-MDM 2.1).
pub const CONTENT_TYPE: &str = "application/vnd.syncml.dm+xml";
/// Largest message that is read, in bytes.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

impl Client {
    /// Posts one message of a session and returns the server's next one. Both are SyncML documents; the
    /// HTTP status is 200 for every outcome within the protocol.
    ///
    /// # Errors
    /// [`Error`]; without a device certificate of this server the status is 401.
    pub async fn mdm(&self, message: Vec<u8>) -> Result<Vec<u8>, Error> {
        let request = Request::new(Method::POST, PATH)
            .query("mode", "Machine")
            .header(header::ACCEPT, header::HeaderValue::from_static(CONTENT_TYPE))
            .body(CONTENT_TYPE, Zeroizing::new(message))
            .answer_bytes_max(MESSAGE_BYTES_MAX);
        let mut answer = self.send(request).await?;
        Ok(core::mem::take(&mut *answer.body))
    }
}
