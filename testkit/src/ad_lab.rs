//! The Active Directory domain of the tests (testkit/ad-lab), when it runs: `ci/e2e-ad.sh` starts it, names its folder
//! in `LAPWING_AD_LAB`, and takes it down.
//!
//! Nothing here needs another crate: the tests of `ad` include this file by its path, so that they need not build
//! the whole house.

use std::{
    collections::BTreeMap,
    io::Write as _,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The folder of the running domain.
const VARIABLE: &str = "LAPWING_AD_LAB";
/// The folder of a running domain whose schema nobody extended.
const BARE_VARIABLE: &str = "LAPWING_AD_LAB_BARE";
/// Set when nobody else uses it at the same time.
const ALONE: &str = "LAPWING_AD_LAB_ALONE";
/// The script that started it.
const SCRIPT: &str = "LAPWING_AD_LAB_SCRIPT";

/// A running domain.
#[derive(Debug, Clone)]
pub struct Lab {
    facts: BTreeMap<String, String>,
}

impl Lab {
    /// The running domain; without one it says that the test is skipped.
    pub fn running(test: &str) -> Option<Self> {
        Self::of(VARIABLE, test)
    }
    /// The running domain whose schema nobody extended; the same Kerberos realm, so that it is reached over TLS with
    /// passwords only.
    pub fn bare(test: &str) -> Option<Self> {
        Self::of(BARE_VARIABLE, test)
    }

    #[allow(clippy::print_stdout, reason = "what is skipped is printed")]
    fn of(variable: &str, test: &str) -> Option<Self> {
        let Some(folder) = std::env::var_os(variable) else {
            println!("SKIPPED {test}: no domain runs (ci/e2e-ad.sh starts one)");
            return None;
        };
        let file = Path::new(&folder).join("env");
        let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let facts = text.lines().filter_map(|line| line.split_once('='));
        Some(Self { facts: facts.map(|(name, value)| (name.to_owned(), value.to_owned())).collect() })
    }

    /// The running domain, for a test that takes it down: only when nobody else uses it.
    #[allow(clippy::print_stdout, reason = "what is skipped is printed")]
    pub fn running_alone(test: &str) -> Option<Self> {
        if std::env::var_os(VARIABLE).is_some() && std::env::var_os(ALONE).is_none() {
            println!("SKIPPED {test}: others use the domain; ci/e2e-ad.sh runs it behind them");
            return None;
        }
        Self::running(test)
    }

    /// One of the facts that `samba-ad env` prints, without `LAB_`.
    pub fn fact(&self, name: &str) -> &str {
        self.facts.get(&format!("LAB_{name}")).unwrap_or_else(|| panic!("the domain has no fact {name}"))
    }
    /// The address of its domain controller.
    pub fn address(&self) -> IpAddr {
        self.fact("DC_IP").parse().unwrap()
    }
    /// Address of the second domain controller, when the domain has one.
    pub fn second_address(&self) -> Option<IpAddr> {
        self.fact("SECOND_IP").parse().ok()
    }
    /// Its name server.
    pub fn dns(&self) -> SocketAddr {
        self.fact("DNS_SERVER").parse().unwrap()
    }
    /// The keytab of a computer, as in `ws01`.
    pub fn keytab(&self, computer: &str) -> PathBuf {
        Path::new(self.fact("KEYTAB_DIR")).join(format!("{computer}.keytab"))
    }

    fn signal(&self, process: &str, signal: &str) {
        let file = Path::new(self.fact("DIR")).join(process).with_extension("pid");
        let text = std::fs::read_to_string(file).unwrap();
        let id = text.split_whitespace().next().unwrap();
        assert!(Command::new("kill").args([signal, id]).status().unwrap().success());
    }
    /// Ends the (first) domain controller in the middle of whatever it does, its service for group keys too.
    pub fn kill(&self) {
        self.signal("samba", "-KILL");
        self.signal("gkdi", "-KILL");
    }
    /// Stops it: it takes connections and says nothing.
    pub fn freeze(&self) {
        self.signal("samba", "-STOP");
    }
    /// Starts it again as it was.
    pub fn restart(&self) {
        self.script("down");
        self.script("up");
    }
    /// Starts it again as it was made.
    pub fn reset(&self) {
        self.script("reset");
    }
    fn script(&self, command: &str) {
        let script = std::env::var_os(SCRIPT).expect("the script of the domain");
        let output = Command::new("bash").arg(script).args([command, self.fact("DIR")]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    /// Changes its database while it does not run, past every check.
    pub fn change_offline(&self, ldif: &str) {
        let database = Path::new(self.fact("DIR")).join("dc/private/sam.ldb");
        let mut child = Command::new("ldbmodify")
            .args([Path::new("-H"), &database])
            .args(["--relax", "--option=dsdb:schema update allowed=yes"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(ldif.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }

    /// Makes a computer with the password of all accounts below the organizational unit with LAPS rights
    /// (`Workstations`, `Servers`), or without (`NoLapsRights`), and gives its distinguished name. Tests that write
    /// have computers of their own, so that they can run side by side.
    pub fn make_computer(&self, name: &str, unit: &str) -> String {
        let base = self.fact("BASE_DN");
        let unit = if unit == "NoLapsRights" { format!("OU={unit}") } else { format!("OU={unit},OU=LapsLab") };
        let dn = format!("CN={name},{unit},{base}");
        self.ldap("ldapdelete", &[&dn], "");
        let quoted: Vec<u8> =
            format!("\"{}\"", self.fact("PASSWORD")).encode_utf16().flat_map(u16::to_le_bytes).collect();
        let made = self.ldap(
            "ldapadd",
            &[],
            &format!(
                "dn: {dn}\nobjectClass: computer\nsAMAccountName: {name}$\nuserAccountControl: 4096\nunicodePwd:: {}\n",
                base64(&quoted)
            ),
        );
        assert!(made.0, "{}", made.1);
        dn
    }

    /// Runs one of OpenLDAP's programs over TLS as the domain's Administrator: success, and all that it printed.
    pub fn ldap(&self, program: &str, arguments: &[&str], input: &str) -> (bool, String) {
        self.ldap_as(self.fact("ADMIN"), program, arguments, input)
    }

    /// The same as another account.
    pub fn ldap_as(&self, user: &str, program: &str, arguments: &[&str], input: &str) -> (bool, String) {
        let mut child = Command::new(program)
            .args(["-x", "-D", user, "-w", self.fact("PASSWORD"), "-H", self.fact("LDAPS_URL")])
            .args(arguments)
            .env("LDAPTLS_CACERT", self.fact("CA_FILE"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}"));
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    }
}

/// RFC 4648, for values in LDIF.
pub fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let number = group.iter().chain([&0; 2]).take(3).fold(0_usize, |number, byte| number << 8 | usize::from(*byte));
        for place in 0..4 {
            let digit = ALPHABET[number >> (18 - 6 * place) & 63];
            text.push(if place <= group.len() { char::from(digit) } else { '=' });
        }
    }
    text
}
