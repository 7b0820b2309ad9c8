//! Integration tests of the agent.

mod accounts;
