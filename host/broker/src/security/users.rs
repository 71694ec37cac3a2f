//! Users who log in by SCRAM, as AlterUserScramCredentials makes them: in memory and in the file `scram-users`.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, PoisonError, RwLock},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use millstream_disk::Disk;
use millstream_security::sasl::{
    Mechanism,
    scram::{self, ScramCredential, ScramHash},
};
use tokio::sync::Mutex;

use super::line_file::{LineFile, LineFileError};

const FILE: &str = "scram-users";

/// The users with what is kept of each.
type All = BTreeMap<(String, ScramHash), ScramCredential>;

/// All users that were made by request.
#[derive(Debug)]
pub struct Users {
    file: LineFile,
    decoy: [u8; 32],
    current: RwLock<Arc<All>>,
    /// Held by who changes.
    changing: Mutex<()>,
}

impl Users {
    /// Reads the file. Blocks.
    ///
    /// # Errors
    ///
    /// It cannot be read, or is damaged: nobody is let in by guessing.
    pub fn open(disk: &Arc<dyn Disk>, dir: &Path) -> Result<Self, LineFileError> {
        let file = LineFile::new(disk, dir, FILE);
        let (mut all, mut decoy) = (All::new(), None);
        for line in file.read()? {
            match &line[..] {
                [word, bytes] if word == "decoy" => {
                    decoy = STANDARD.decode(bytes).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
                }
                _ => {
                    let (key, credential) = parse(&line).ok_or_else(|| file.damaged("a line is no user"))?;
                    all.insert(key, credential);
                }
            }
        }
        let decoy = decoy.unwrap_or_else(scram::secret);
        Ok(Self { file, decoy, current: RwLock::new(Arc::new(all)), changing: Mutex::new(()) })
    }

    /// Who has this name, for this hash function.
    pub fn scram(&self, hash: ScramHash, user: &str) -> Option<ScramCredential> {
        self.all().get(&(user.to_owned(), hash)).cloned()
    }

    /// See [`millstream_security::sasl::Credentials::scram_decoy`].
    pub fn decoy(&self) -> [u8; 32] {
        self.decoy
    }

    /// Every user as of now.
    pub fn all(&self) -> Arc<All> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sets and removes users; durable on return. To be run to its end.
    ///
    /// # Errors
    ///
    /// Nothing has changed in memory; the file may have the new content.
    pub async fn change(
        &self,
        changes: Vec<(String, ScramHash, Option<ScramCredential>)>,
    ) -> Result<(), LineFileError> {
        let _one = self.changing.lock().await;
        let mut all = All::clone(&self.all());
        for (user, hash, credential) in changes {
            match credential {
                Some(credential) => all.insert((user, hash), credential),
                None => all.remove(&(user, hash)),
            };
        }
        let decoy = vec!["decoy".to_owned(), STANDARD.encode(self.decoy)];
        let lines = std::iter::once(decoy).chain(all.iter().map(line)).collect();
        self.file.write_elsewhere(lines).await?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(all);
        Ok(())
    }
}

fn line(((user, hash), credential): (&(String, ScramHash), &ScramCredential)) -> Vec<String> {
    let ScramCredential { salt, stored_key, server_key, iterations } = credential;
    vec![
        Mechanism::Scram(*hash).name().to_owned(),
        user.clone(),
        STANDARD.encode(salt),
        STANDARD.encode(stored_key),
        STANDARD.encode(server_key),
        iterations.to_string(),
    ]
}

fn parse(line: &[String]) -> Option<((String, ScramHash), ScramCredential)> {
    let [mechanism, user, salt, stored_key, server_key, iterations] = line else { return None };
    let Some(Mechanism::Scram(hash)) = Mechanism::of_name(mechanism) else { return None };
    let bytes = |text: &String| STANDARD.decode(text).ok();
    let credential = ScramCredential {
        salt: bytes(salt)?,
        stored_key: bytes(stored_key)?,
        server_key: bytes(server_key)?,
        iterations: iterations.parse().ok()?,
    };
    Some(((user.clone(), hash), credential))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn users_outlive_the_process_and_their_passwords_stand_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        let disk = millstream_disk::real();
        let users = Users::open(&disk, folder.path()).unwrap();
        let alice = ScramCredential::of_password(ScramHash::Sha256, "secret", vec![1, 2, 3], 4096);
        users.change(vec![("alice".to_owned(), ScramHash::Sha256, Some(alice.clone()))]).await.unwrap();
        users.change(vec![("bob".to_owned(), ScramHash::Sha512, Some(alice.clone()))]).await.unwrap();
        users.change(vec![("bob".to_owned(), ScramHash::Sha512, None)]).await.unwrap();

        let again = Users::open(&disk, folder.path()).unwrap();
        assert_eq!(again.scram(ScramHash::Sha256, "alice"), Some(alice));
        assert_eq!(again.scram(ScramHash::Sha512, "alice"), None);
        assert_eq!((again.all().len(), again.decoy()), (1, users.decoy()));
        assert!(!std::fs::read_to_string(folder.path().join(FILE)).unwrap().contains("secret"));
    }
}
