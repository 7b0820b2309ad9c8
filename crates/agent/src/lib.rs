//! lapwing-agent: joins, takes policy, rotates, backs up.
