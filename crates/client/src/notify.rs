//! Channels by which people are told of reads.

use crate::{Error, SignedIn};
use proto::admin::{Channel, CreatedChannel, NewChannel};
use reqwest::Method;

/// A name as one segment of a path, percent-encoded.
fn segment(name: &str) -> String {
    use core::fmt::Write as _;
    name.bytes().fold(String::new(), |mut path, byte| {
        if byte.is_ascii_alphanumeric() || b"-_".contains(&byte) {
            path.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(path, "%{byte:02X}");
        }
        path
    })
}

impl SignedIn {
    /// Channels.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn channels(&self) -> Result<Vec<Channel>, Error> {
        self.list("/v1.0/lapwing/channels", &[]).await
    }

    /// Makes a channel.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn create_channel(&self, new: &NewChannel) -> Result<CreatedChannel, Error> {
        self.ask(Method::POST, "/v1.0/lapwing/channels", Some(new)).await
    }

    /// Removes a channel.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn delete_channel(&self, name: &str) -> Result<(), Error> {
        self.act::<()>(Method::DELETE, &format!("/v1.0/lapwing/channels/{}", segment(name)), None).await
    }

    /// Pauses a channel, or lets it go on from where it was.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn pause_channel(&self, name: &str, paused: bool) -> Result<(), Error> {
        let act = if paused { "pause" } else { "resume" };
        self.act::<()>(Method::POST, &format!("/v1.0/lapwing/channels/{}/{act}", segment(name)), None).await
    }

    /// Sends a test notice; done when the receiver took it.
    ///
    /// # Errors
    /// [`Error`]; code `not_delivered` with what the receiver said.
    pub async fn test_channel(&self, name: &str) -> Result<(), Error> {
        self.act::<()>(Method::POST, &format!("/v1.0/lapwing/channels/{}/test", segment(name)), None).await
    }
}
