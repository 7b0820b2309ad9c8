//! The HTTPS client of device API, Graph and OAuth2.
