//! PostgreSQL and MariaDB of the machine's own packages, each on a free port with a folder of its own.
//!
//! Their packages are `postgresql` and `mariadb-server` of Debian. One that is not installed skips its test aloud, or fails
//! it where `MILLSTREAM_REQUIRE_PEERS=1` is set. A server ends when its value is dropped, and with the process of the test.

use std::{
    fs,
    io::Write,
    net::TcpStream,
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use crate::{eventually, free_port, peers::miss};

/// Who may do everything in the databases of tests.
pub const USER: &str = "alice";
/// Their password.
pub const PASSWORD: &str = "rabbit-hole-7391";
/// The database that is there from the beginning.
pub const DATABASE: &str = "wonder";

/// Servers refuse to run as root: then they run as nobody.
const NOBODY: u32 = 65_534;

/// Which server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Server {
    /// PostgreSQL.
    Postgres,
    /// MariaDB.
    MariaDb,
}

/// A certificate and its key, both in PEM, for a server that encrypts.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The certificate.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

/// A database server.
pub struct Database {
    server: Server,
    folder: tempfile::TempDir,
    encrypts: bool,
    /// Where it listens on 127.0.0.1.
    pub port: u16,
    shell: Option<Child>,
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|of| std::os::unix::fs::MetadataExt::uid(&of) == 0)
}

/// A program in a folder of this list, or in the path.
fn program(name: &str, folders: &[PathBuf]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = folders.iter().cloned().chain(std::env::split_paths(&path));
    folders.map(|folder| folder.join(name)).find(|file| file.is_file())
}

fn postgres(name: &str) -> Option<PathBuf> {
    let versions =
        fs::read_dir("/usr/lib/postgresql").map(|found| found.flatten().collect()).unwrap_or_else(|_| vec![]);
    let mut folders: Vec<PathBuf> = versions.iter().map(|version| version.path().join("bin")).collect();
    folders.sort();
    folders.reverse();
    program(name, &folders)
}

fn mariadb(name: &str) -> Option<PathBuf> {
    program(name, &["/usr/sbin".into(), "/usr/bin".into()])
}

/// Whether a server can be had here.
///
/// # Panics
///
/// It cannot, and peers are required.
pub fn have(server: Server) -> bool {
    let (there, package) = match server {
        Server::Postgres => (postgres("initdb").is_some() && postgres("postgres").is_some(), "postgresql"),
        Server::MariaDb => (mariadb("mariadbd").is_some() && mariadb("mariadb-install-db").is_some(), "mariadb-server"),
    };
    if !there {
        miss(&format!("no {server:?}: install {package}"));
    }
    there
}

fn succeeded(what: &str, output: std::io::Result<Output>) -> String {
    let output = output.unwrap_or_else(|error| panic!("{what}: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{what}: {}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

impl Database {
    /// Starts a server, with [`DATABASE`] and a user that may do everything. Only after [`have`].
    ///
    /// # Panics
    ///
    /// It cannot be started.
    pub fn start(server: Server) -> Self {
        Self::start_with(server, None)
    }

    /// The same, encrypting with a certificate if there is one.
    ///
    /// # Panics
    ///
    /// As there.
    pub fn start_with(server: Server, certificate: Option<&Certificate>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut database = Self { server, folder, encrypts: certificate.is_some(), port: free_port(), shell: None };
        if let Some(Certificate { certificate, key }) = certificate {
            fs::write(database.path("server.crt"), certificate).expect("the certificate is written");
            fs::write(database.path("server.key"), key).expect("the key is written");
            succeeded("chmod", Command::new("chmod").arg("600").arg(database.path("server.key")).output());
        }
        fs::write(database.path("password"), PASSWORD).expect("the password is written");
        if is_root() {
            for file in ["", "server.crt", "server.key", "password"] {
                let file = database.path(file);
                if file.exists() {
                    chown(&file, Some(NOBODY), Some(NOBODY)).expect("the folder is given away");
                }
            }
        }
        database.make();
        database.run();
        if server == Server::Postgres {
            database.sql_in("postgres", &format!("CREATE DATABASE {DATABASE}"));
        }
        database
    }

    fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.folder.path().to_owned() } else { self.folder.path().join(name) }
    }

    /// A program that does not run as root.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.folder.path()).env("HOME", self.folder.path()).stdin(Stdio::null());
        if is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }

    fn make(&self) {
        match self.server {
            Server::Postgres => {
                let mut command = self.command(&postgres("initdb").expect("it is there"));
                command.arg("-D").arg(self.path("data")).args(["-U", USER, "-A", "scram-sha-256", "--no-sync"]);
                command.args(["-E", "UTF8", "--locale=C.UTF-8", "--pwfile"]).arg(self.path("password"));
                succeeded("initdb", command.output());
            }
            Server::MariaDb => {
                let mut command = self.command(&mariadb("mariadb-install-db").expect("it is there"));
                command.arg("--no-defaults").arg(format!("--datadir={}", self.path("data").display()));
                command.args(["--auth-root-authentication-method=normal", "--skip-test-db"]);
                succeeded("mariadb-install-db", command.output());
                let first = format!(
                    "CREATE DATABASE IF NOT EXISTS {DATABASE};\n\
                     CREATE OR REPLACE USER '{USER}'@'%' IDENTIFIED BY '{PASSWORD}';\n\
                     GRANT ALL ON *.* TO '{USER}'@'%' WITH GRANT OPTION;\n\
                     CREATE OR REPLACE USER '{USER}'@'localhost' IDENTIFIED BY '{PASSWORD}';\n\
                     GRANT ALL ON *.* TO '{USER}'@'localhost' WITH GRANT OPTION;\n"
                );
                fs::write(self.path("first.sql"), first).expect("the first statements are written");
                succeeded("chmod", Command::new("chmod").arg("644").arg(self.path("first.sql")).output());
            }
        }
    }

    fn run(&mut self) {
        let shown = |path: PathBuf| format!("'{}'", path.display());
        let (port, folder) = (self.port, self.path("").display().to_string());
        let mut server = match self.server {
            Server::Postgres => format!(
                "{} -D {} -p {port} -k '{folder}' -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=60",
                shown(postgres("postgres").expect("it is there")),
                shown(self.path("data")),
            ),
            Server::MariaDb => format!(
                "{} --no-defaults --datadir={} --port={port} --bind-address=127.0.0.1 --socket='{folder}/m.sock' \
                 --pid-file='{folder}/m.pid' --init-file='{folder}/first.sql' --innodb-flush-log-at-trx-commit=2 \
                 --innodb-buffer-pool-size=32M --skip-name-resolve --max-allowed-packet=64M --character-set-server=utf8mb4",
                shown(mariadb("mariadbd").expect("it is there")),
                shown(self.path("data")),
            ),
        };
        if self.encrypts {
            server.push_str(&match self.server {
                Server::Postgres => {
                    format!(" -c ssl=on -c ssl_cert_file='{folder}/server.crt' -c ssl_key_file='{folder}/server.key'")
                }
                Server::MariaDb => format!(" --ssl-cert='{folder}/server.crt' --ssl-key='{folder}/server.key'"),
            });
        }
        // The shell's input ends with the process of the test, however that ends, and the server with the shell.
        let script = format!(
            "{server} </dev/null >>'{folder}/server.log' 2>&1 & echo $! >'{folder}/server.pid'; cat >/dev/null; \
             kill -9 $(cat '{folder}/server.pid') 2>/dev/null; wait"
        );
        self.shell = Some(self.spawn(&script));
        eventually("the database answers", || {
            let id = fs::read_to_string(self.path("server.pid")).ok()?;
            if !Path::new(&format!("/proc/{}", id.trim())).exists() {
                // After a kill its children may hold for a moment what it needs.
                self.end();
                self.shell = Some(self.spawn(&script));
                return None;
            }
            TcpStream::connect(("127.0.0.1", port)).ok()?;
            let asked = self.client(if self.server == Server::Postgres { "postgres" } else { DATABASE }, "SELECT 1");
            asked.is_ok_and(|output| output.status.success()).then_some(())
        });
    }

    fn spawn(&self, script: &str) -> Child {
        // That of the server before.
        let _ = fs::remove_file(self.path("server.pid"));
        let mut command = self.command(Path::new("/bin/sh"));
        command.arg("-c").arg(script).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().expect("a shell can be started")
    }

    /// Closing the shell's input kills the server.
    fn end(&mut self) {
        if let Some(mut shell) = self.shell.take() {
            drop(shell.stdin.take());
            shell.wait().expect("the shell ends");
        }
    }

    /// Kills the server as a power failure of its machine would, its files aside.
    ///
    /// # Panics
    ///
    /// It is not there.
    pub fn kill(&mut self) {
        let id = fs::read_to_string(self.path("server.pid")).expect("the server is there");
        // PostgreSQL's sessions are processes of their own, which hear of its death and end; until then they serve.
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", id.trim())).unwrap_or_default();
        self.end();
        for id in std::iter::once(id.trim()).chain(children.split_whitespace()) {
            let gone = format!("/proc/{id}");
            eventually("the server is gone", || (!Path::new(&gone).exists()).then_some(()));
        }
        eventually("the port is free", || TcpStream::connect(("127.0.0.1", self.port)).is_err().then_some(()));
    }

    /// Starts it again on the same port, with what is on its disk.
    ///
    /// # Panics
    ///
    /// It cannot be started.
    pub fn restart(&mut self) {
        self.run();
    }

    /// The JDBC URL of a database, without user and password.
    pub fn url(&self, database: &str) -> String {
        let word = match self.server {
            Server::Postgres => "postgresql",
            Server::MariaDb => "mariadb",
        };
        format!("jdbc:{word}://127.0.0.1:{}/{database}", self.port)
    }

    fn client(&self, database: &str, sql: &str) -> std::io::Result<Output> {
        let mut command = match self.server {
            Server::Postgres => {
                let mut command = self.command(&postgres("psql").expect("psql is there"));
                command.env("PGPASSWORD", PASSWORD).args(["-h", "127.0.0.1", "-U", USER, "-d", database, "-X", "-q"]);
                command.args(["-A", "-t", "-F", "|", "-v", "ON_ERROR_STOP=1", "-p", &self.port.to_string(), "-f", "-"]);
                command
            }
            Server::MariaDb => {
                let mut command = self.command(&mariadb("mariadb").expect("mariadb is there"));
                command.args(["--no-defaults", "-h", "127.0.0.1", "-u", USER, &format!("-p{PASSWORD}"), "-N", "-B"]);
                command.args(["--default-character-set=utf8mb4", "-P", &self.port.to_string(), database]);
                command
            }
        };
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        child.stdin.take().expect("piped").write_all(sql.as_bytes())?;
        child.wait_with_output()
    }

    /// Runs statements in [`DATABASE`], as a user would, and returns the rows: columns apart by `|` (PostgreSQL) or a tab.
    ///
    /// # Panics
    ///
    /// One fails.
    pub fn sql(&self, sql: &str) -> String {
        self.sql_in(DATABASE, sql)
    }

    fn sql_in(&self, database: &str, sql: &str) -> String {
        succeeded(sql, self.client(database, sql)).trim_end().to_owned()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.end();
    }
}
