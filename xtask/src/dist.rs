//! The three Debian packages, made with `dpkg-deb` from a release build and `packaging/`.

use anyhow::{Context as _, Result, bail};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How the packages are made.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Options {
    /// The release binaries are there.
    no_build: bool,
    /// With the feature `ad`: agent and command line are linked to the system's Kerberos.
    active_directory: bool,
}

impl Options {
    pub(crate) fn of(words: &[&str]) -> Result<Self> {
        let mut options = Self::default();
        for word in words {
            match *word {
                "--no-build" => options.no_build = true,
                "--active-directory" => options.active_directory = true,
                other => bail!("dist has no option {other}"),
            }
        }
        Ok(options)
    }
}

/// Builds the release binaries (unless told that they are there) and writes `dist/*.deb`.
pub(crate) fn packages(root: &Path, options: &Options) -> Result<()> {
    if !options.no_build {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.args(["build", "--release", "--locked"]).current_dir(root);
        for package in PACKAGES {
            command.args(["-p", package.member]);
            if options.active_directory && package.speaks_kerberos {
                command.args(["--features", &format!("{}/ad", package.member)]);
            }
        }
        run(&mut command)?;
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let built = Built { root, binaries: root.join(target).join("release"), architecture: architecture()?, options };
    let out = root.join("dist");
    for package in PACKAGES {
        let made = built.package(package, &out)?;
        println!("{}", made.strip_prefix(root).unwrap_or(&made).display());
    }
    Ok(())
}

struct Built<'a> {
    root: &'a Path,
    binaries: PathBuf,
    architecture: String,
    options: &'a Options,
}

impl Built<'_> {
    fn package(&self, package: &Package, out: &Path) -> Result<PathBuf> {
        let tree = out.join("tree").join(package.name);
        if tree.exists() {
            fs::remove_dir_all(&tree)?;
        }
        let binary = self.binaries.join(package.name);
        install(&binary, &tree.join("usr/bin").join(package.name), 0o755)?;
        for (from, to) in package.files {
            install(&self.root.join(from), &tree.join(to), 0o644)?;
        }
        self.documents(package, &binary, &tree)?;
        self.control(package, &tree)?;
        let deb = out.join(format!("{}_{VERSION}_{}.deb", package.name, self.architecture));
        run(Command::new("dpkg-deb")
            .args(["--build", "--root-owner-group"])
            .arg(&tree)
            .arg(&deb)
            .stdout(std::process::Stdio::null()))?;
        Ok(deb)
    }

    /// Licences, changes, and what the binary prints about itself.
    fn documents(&self, package: &Package, binary: &Path, tree: &Path) -> Result<()> {
        let doc = tree.join("usr/share/doc").join(package.name);
        let mut copyright = String::new();
        for part in ["NOTICE", "LICENSE-MIT", "LICENSE-APACHE"] {
            copyright.push_str(&fs::read_to_string(self.root.join(part))?);
            copyright.push('\n');
        }
        write(&doc.join("copyright"), copyright.as_bytes(), 0o644)?;
        install(&self.root.join("CHANGELOG.md"), &doc.join("CHANGELOG.md"), 0o644)?;
        self.printed(package, binary, tree)
    }

    /// Completions and manual pages, which the binaries write themselves.
    fn printed(&self, package: &Package, binary: &Path, tree: &Path) -> Result<()> {
        let name = package.name;
        for (shell, to) in [
            ("bash", format!("usr/share/bash-completion/completions/{name}")),
            ("zsh", format!("usr/share/zsh/vendor-completions/_{name}")),
            ("fish", format!("usr/share/fish/vendor_completions.d/{name}.fish")),
        ] {
            let out = Command::new(binary).args(["completions", shell]).output()?;
            if !out.status.success() || out.stdout.is_empty() {
                bail!("`{name} completions {shell}`: {}", String::from_utf8_lossy(&out.stderr));
            }
            write(&tree.join(to), &out.stdout, 0o644)?;
        }
        let pages = tree.with_extension("man");
        if pages.exists() {
            fs::remove_dir_all(&pages)?;
        }
        run(Command::new(binary).arg("man").arg(&pages))?;
        for page in fs::read_dir(&pages)? {
            let page = page?.path();
            let section = page.extension().unwrap_or_default().to_string_lossy().into_owned();
            let to = tree.join(format!("usr/share/man/man{section}")).join(page.file_name().unwrap_or_default());
            install(&page, &to, 0o644)?;
        }
        fs::remove_dir_all(&pages)?;
        Ok(())
    }

    fn depends(&self, package: &Package) -> String {
        let kerberos = if self.options.active_directory && package.speaks_kerberos { ", libgssapi-krb5-2" } else { "" };
        format!("{}{kerberos}", package.depends)
    }

    /// The control file, the list of configuration files and the maintainer scripts.
    fn control(&self, package: &Package, tree: &Path) -> Result<()> {
        let control = format!(
            "Package: {}\nVersion: {VERSION}\nArchitecture: {}\nMaintainer: The Lapwing authors <maintainers@lapwing.invalid>\n\
             Section: admin\nPriority: optional\nInstalled-Size: {}\nDepends: {}\nRecommends: {}\nDescription: {}\n",
            package.name,
            self.architecture,
            size_kib(tree)?,
            self.depends(package),
            package.recommends,
            package.description,
        );
        let debian = tree.join("DEBIAN");
        write(&debian.join("control"), control.as_bytes(), 0o644)?;
        let configuration: String =
            package.files.iter().filter(|(_, to)| to.starts_with("etc/")).map(|(_, to)| format!("/{to}\n")).collect();
        if !configuration.is_empty() {
            write(&debian.join("conffiles"), configuration.as_bytes(), 0o644)?;
        }
        for script in ["postinst", "prerm", "postrm"] {
            let from = self.root.join("packaging/debian").join(format!("{}.{script}", package.name));
            if from.exists() {
                install(&from, &debian.join(script), 0o755)?;
            }
        }
        Ok(())
    }
}

fn architecture() -> Result<String> {
    let out =
        Command::new("dpkg").arg("--print-architecture").output().context("run dpkg (packages are made on Debian)")?;
    Ok(String::from_utf8(out.stdout)?.trim().to_owned())
}

fn install(from: &Path, to: &Path, mode: u32) -> Result<()> {
    let bytes = fs::read(from).with_context(|| format!("read {}", from.display()))?;
    write(to, &bytes, mode)
}

fn write(to: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(to, bytes).with_context(|| format!("write {}", to.display()))?;
    fs::set_permissions(to, fs::Permissions::from_mode(mode))?;
    Ok(())
}

fn size_kib(tree: &Path) -> Result<u64> {
    let mut bytes = 0;
    let mut folders = vec![tree.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let about = entry.metadata()?;
            if about.is_dir() {
                folders.push(entry.path());
            } else {
                bytes += about.len();
            }
        }
    }
    Ok(bytes.div_ceil(1024))
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("run {command:?}"))?;
    if !status.success() {
        bail!("{command:?}: {status}");
    }
    Ok(())
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// One package: a binary and what goes with it.
struct Package {
    /// Name of the package and of its binary.
    name: &'static str,
    /// Member of the workspace that builds it.
    member: &'static str,
    depends: &'static str,
    /// Its feature `ad` links it to the system's Kerberos.
    speaks_kerberos: bool,
    recommends: &'static str,
    description: &'static str,
    /// From (under the root of the workspace), to (under `/`).
    files: &'static [(&'static str, &'static str)],
}

const PACKAGES: &[Package] = &[
    Package {
        name: "lapwingd",
        member: "lapwing-server",
        depends: "libc6, libgcc-s1",
        speaks_kerberos: false,
        recommends: "lapwing, systemd",
        description: "server of Lapwing: local administrator passwords of a fleet\n \
            Directory of devices and people, management server, and a Graph-compatible\n \
            interface to read and rotate the local administrator password of each machine.",
        files: &[
            ("packaging/systemd/lapwingd.service", "usr/lib/systemd/system/lapwingd.service"),
            ("packaging/sysusers/lapwingd.conf", "usr/lib/sysusers.d/lapwingd.conf"),
            ("packaging/tmpfiles/lapwingd.conf", "usr/lib/tmpfiles.d/lapwingd.conf"),
        ],
    },
    Package {
        name: "lapwing-agent",
        member: "lapwing-agent",
        depends: "libc6, libgcc-s1, libpam-modules, libpam-runtime",
        speaks_kerberos: true,
        recommends: "systemd",
        description: "agent of Lapwing: rotates the local administrator password\n \
            Joins a Lapwing server, takes policy from it, keeps the password of the local\n \
            administrator changed and stored there, and never on this machine's disk.",
        files: &[
            ("packaging/systemd/lapwing-agent.service", "usr/lib/systemd/system/lapwing-agent.service"),
            ("packaging/tmpfiles/lapwing-agent.conf", "usr/lib/tmpfiles.d/lapwing-agent.conf"),
            ("packaging/pam/lapwing", "etc/pam.d/lapwing"),
            ("packaging/pam/sign-in", "usr/share/pam-configs/lapwing"),
        ],
    },
    Package {
        name: "lapwing",
        member: "lapwing-cli",
        depends: "libc6, libgcc-s1",
        speaks_kerberos: true,
        recommends: "ca-certificates",
        description: "command line of Lapwing\n \
            Reads and rotates local administrator passwords, assigns policy, explains why a\n \
            password is missing, reads the audit trail.",
        files: &[],
    },
];
