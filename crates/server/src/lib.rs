//! lapwingd: directory, management server and Graph-compatible API.
