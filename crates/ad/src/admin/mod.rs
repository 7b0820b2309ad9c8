//! What administrators do in the directory: the schema, rights and who holds them, reading a password, expiring it.
