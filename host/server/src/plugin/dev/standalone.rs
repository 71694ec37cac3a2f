//! The worker that `plugin dev` runs itself.

use std::{env, net::TcpListener, path::PathBuf};

use crate::{
    exit::{Failure, SETUP, USAGE},
    plugin::{
        new::CONNECTOR,
        project::{OWN, Project, write},
    },
    standalone,
};

/// A worker of our own, with its files.
pub struct Own {
    worker: PathBuf,
    connectors: Vec<PathBuf>,
    /// Where its REST API will be.
    pub url: String,
}

impl Own {
    /// Writes its configuration. From here on this process is in the project's folder, to which connectors' files are
    /// relative.
    ///
    /// # Errors
    ///
    /// There is no connector to run, or a file cannot be written.
    pub fn prepare(project: &Project, connectors: Vec<PathBuf>) -> Result<Self, Failure> {
        let absolute = |path: PathBuf| {
            path.canonicalize().map_err(|error| Failure::new(USAGE, format!("look at {}: {error}", path.display())))
        };
        let mut connectors = connectors.into_iter().map(absolute).collect::<Result<Vec<_>, _>>()?;
        if connectors.is_empty() {
            let own = project.folder.join(CONNECTOR);
            if !own.is_file() {
                let message =
                    format!("there is no {} to run: write one, or name another with --connector", own.display());
                return Err(Failure::new(USAGE, message));
            }
            connectors.push(own);
        }
        env::set_current_dir(&project.folder)
            .map_err(|error| Failure::new(USAGE, format!("go to {}: {error}", project.folder.display())))?;
        let (rest, broker) = (free_port(8083)?, free_port(9092)?);
        let url = format!("http://127.0.0.1:{rest}");
        let worker = project.folder.join(OWN).join("dev/worker.properties");
        let state = format!("{OWN}/dev");
        let component = project.component();
        let component = component.display().to_string().replace('\\', "\\\\");
        let properties = format!(
            "# Written by `millstream plugin dev`, each time.\n\
             listeners={url}\n\
             key.converter=org.apache.kafka.connect.json.JsonConverter\n\
             key.converter.schemas.enable=false\n\
             value.converter=org.apache.kafka.connect.json.JsonConverter\n\
             value.converter.schemas.enable=false\n\
             offset.storage.file.filename={state}/connect.offsets\n\
             offset.flush.interval.ms=1000\n\
             plugin.path={component}\n\
             plugin.reload.interval.ms=200\n\
             broker.listeners=PLAINTEXT://127.0.0.1:{broker}\n\
             broker.log.dirs={state}/broker\n"
        );
        write(&worker, properties.as_bytes())?;
        Ok(Self { worker, connectors, url })
    }

    /// Runs it until a signal comes.
    pub async fn run(&self) -> Result<(), Failure> {
        standalone::run(&self.worker, &self.connectors).await
    }
}

/// The usual port if nobody has it, else one that nobody has.
fn free_port(usual: u16) -> Result<u16, Failure> {
    let port = |port| TcpListener::bind(("127.0.0.1", port)).and_then(|listener| listener.local_addr());
    let found = port(usual).or_else(|_| port(0));
    found.map(|address| address.port()).map_err(|error| Failure::new(SETUP, format!("look for a free port: {error}")))
}
