//! One password hash as the agent makes it (`agent::accounts::hash`: this crate, yescrypt at libxcrypt's usual cost of 5), to be
//! measured as a whole process by `cost`.

use anyhow::{Context as _, Result};
use yescrypt::{CustomizedPasswordHasher as _, Mode, Params, Yescrypt};

fn main() -> Result<()> {
    let params = Params::new(Mode::Rw, 1 << 12, 32, 1).ok().context("the parameters of $y$j9T$")?;
    let hash = Yescrypt::from(params).hash_password_customized(b"correct-horse-9", &[7; 16], None, None, params);
    std::hint::black_box(hash.ok().context("hashing")?);
    Ok(())
}
