//! Prepares a stopped server's database for a load.
//!
//! `seed --database FILE --lift-bounds 1`: versions per device are no longer bounded, which a load would meet at once.
//! `seed --database FILE --forget 1`: no version but the proven ones is left. A device has some hundred versions at most; a
//! load of thousands a second would be measured over what no device ever has.
//! `seed --database FILE --devices N`: as many devices as are missing to N, each a copy of one that joined and rotated, with
//! ids of its own. Their passwords are copies of sealed ones and open for nobody; nothing reads them.

use anyhow::{Context as _, Result};
use rusqlite::{Connection, params};

fn main() -> Result<()> {
    let database = bench::argument("database", "lapwing.db");
    let mut connection = Connection::open(&database).with_context(|| format!("open {database}"))?;
    connection.execute_batch("PRAGMA foreign_keys = OFF; PRAGMA cache_size = -262144;")?;
    if bench::number("lift-bounds", 0) == 1 {
        connection.execute("UPDATE tenant SET versions_per_day = 1000000000, unresolved_max = 1000000000", [])?;
    }
    if bench::number("forget", 0) == 1 {
        connection.busy_timeout(std::time::Duration::from_secs(10))?;
        connection.execute("DELETE FROM version WHERE state <> 'current'", [])?;
        return Ok(());
    }
    let wanted = bench::number("devices", 0) as i64;
    let present: i64 = connection.query_row("SELECT count(*) FROM device", [], |row| row.get(0))?;
    if wanted > present {
        copy(&mut connection, wanted - present)?;
    }
    let present: i64 = connection.query_row("SELECT count(*) FROM device", [], |row| row.get(0))?;
    println!("{present} devices in {database}");
    Ok(())
}

/// The tables with a row, or several, for each device, and the column that names it.
const TABLES: [(&str, &str); 6] = [
    ("device", "id"),
    ("seen", "device"),
    ("certificate", "device"),
    ("version", "device"),
    ("report", "device"),
    ("delivery", "device"),
];

fn copy(connection: &mut Connection, count: i64) -> Result<()> {
    let template: Vec<u8> = connection.query_row(
        "SELECT device FROM version WHERE state = 'current' ORDER BY proven_at LIMIT 1",
        [],
        |row| row.get(0),
    )?;
    let transaction = connection.transaction()?;
    transaction.execute_batch("CREATE TEMP TABLE fresh (n INTEGER PRIMARY KEY, id BLOB NOT NULL);")?;
    transaction.execute(
        "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ?1)
         INSERT INTO fresh SELECT n, randomblob(16) FROM n",
        [count],
    )?;
    for (table, owner) in TABLES {
        let columns: Vec<String> = transaction
            .prepare(&format!("SELECT name FROM pragma_table_info('{table}')"))?
            .query_map([], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        let values: Vec<String> = columns.iter().map(|column| value(table, owner, column)).collect();
        transaction.execute(
            &format!(
                "INSERT INTO {table} ({}) SELECT {} FROM {table} AS t, fresh WHERE t.{owner} = ?1 ORDER BY fresh.id",
                columns.join(", "),
                values.join(", ")
            ),
            params![template],
        )?;
    }
    transaction.commit()?;
    connection.execute_batch("ANALYZE; PRAGMA wal_checkpoint(TRUNCATE);")?;
    Ok(())
}

/// What a column of a copy holds: its own where it must be unique, else the template's.
fn value(table: &str, owner: &str, column: &str) -> String {
    match (table, column) {
        (_, column) if column == owner => "fresh.id".to_owned(),
        ("device", "name") => "printf('SEEDED-%07d', fresh.n)".to_owned(),
        ("device", "name_folded") => "printf('seeded-%07d', fresh.n)".to_owned(),
        ("device", "public_key") => "randomblob(65)".to_owned(),
        ("certificate", "fingerprint") => "randomblob(32)".to_owned(),
        ("version", "version") => "randomblob(16)".to_owned(),
        ("version" | "delivery", "sequence") => "t.sequence + fresh.n".to_owned(),
        _ => format!("t.{column}"),
    }
}
