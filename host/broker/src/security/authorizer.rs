//! The access rules in effect: in memory and in the file `acls`.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, PoisonError, RwLock},
};

use millstream_disk::Disk;
use tokio::sync::Mutex;

use super::{
    acls::{Acl, Acls, Operation, Pattern, Permission, Resource},
    line_file::{LineFile, LineFileError},
    listener::InvalidSecurity,
};

const FILE: &str = "acls";

/// The only authorizer there is, under the name that Kafka gives it.
const STANDARD: &str = "org.apache.kafka.metadata.authorizer.StandardAuthorizer";

/// Decides what users may do.
#[derive(Debug)]
pub struct Authorizer {
    file: LineFile,
    current: RwLock<Arc<Acls>>,
    /// Held by who changes.
    changing: Mutex<()>,
}

/// Why the rules cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum OpenAuthorizerError {
    /// A key.
    #[error(transparent)]
    Key(#[from] InvalidSecurity),
    /// The file.
    #[error(transparent)]
    File(#[from] LineFileError),
}

impl Authorizer {
    /// Reads the rules; `None` where no authorizer is configured. Blocks.
    ///
    /// # Errors
    ///
    /// Names the key or the file: nothing is guessed.
    pub fn open(
        given: &BTreeMap<String, String>,
        disk: &Arc<dyn Disk>,
        dir: &Path,
    ) -> Result<Option<Self>, OpenAuthorizerError> {
        let get = |key: &str| given.get(key).map(|value| value.trim()).unwrap_or_default();
        let invalid = |key: &str, value: &str, reason: &str| InvalidSecurity::Value {
            key: key.to_owned(),
            value: value.to_owned(),
            reason: reason.to_owned(),
        };
        match get("authorizer.class.name") {
            "" => return Ok(None),
            STANDARD => {}
            other => {
                let reason = format!("{STANDARD} is the only authorizer here; leave it empty for none");
                return Err(invalid("authorizer.class.name", other, &reason).into());
            }
        }
        let everyone = get("allow.everyone.if.no.acl.found").eq_ignore_ascii_case("true");
        let mut acls = Acls::new(get("super.users"), everyone)
            .map_err(|entry| invalid("super.users", &entry, "it must be User:name, with semicolons between"))?;
        let file = LineFile::new(disk, dir, FILE);
        for line in file.read()? {
            acls.add(parse(&line).ok_or_else(|| file.damaged("a line is no rule"))?);
        }
        Ok(Some(Self { file, current: RwLock::new(Arc::new(acls)), changing: Mutex::new(()) }))
    }

    /// The rules as of now.
    pub fn acls(&self) -> Arc<Acls> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the rules; durable on return. To be run to its end.
    ///
    /// # Errors
    ///
    /// Nothing has changed in memory; the file may have the new content.
    pub async fn change<T>(&self, change: impl FnOnce(&mut Acls) -> T) -> Result<T, LineFileError> {
        let _one = self.changing.lock().await;
        let mut acls = Acls::clone(&self.acls());
        let outcome = change(&mut acls);
        self.file.write_elsewhere(acls.all().map(line).collect()).await?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(acls);
        Ok(outcome)
    }
}

fn line(acl: &Acl) -> Vec<String> {
    let Acl { resource, name, pattern, principal, host, operation, permission } = acl;
    let words = [resource.name(), pattern.name(), name, principal, host, operation.name(), permission.name()];
    words.map(str::to_owned).to_vec()
}

fn parse(line: &[String]) -> Option<Acl> {
    let [resource, pattern, name, principal, host, operation, permission] = line else { return None };
    Some(Acl {
        resource: Resource::of_name(resource)?,
        name: name.clone(),
        pattern: Pattern::of_name(pattern)?,
        principal: principal.clone(),
        host: host.clone(),
        operation: Operation::of_name(operation)?,
        permission: Permission::of_name(permission)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn rules_outlive_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let disk = millstream_disk::real();
        let given = BTreeMap::from([("authorizer.class.name".to_owned(), STANDARD.to_owned())]);
        let open = || Authorizer::open(&given, &disk, folder.path()).unwrap().unwrap();
        let rule = Acl {
            resource: Resource::Topic,
            name: "t".to_owned(),
            pattern: Pattern::Prefixed,
            principal: "User:CN=a,O=b".to_owned(),
            host: "*".to_owned(),
            operation: Operation::IdempotentWrite,
            permission: Permission::Deny,
        };
        open().change(|acls| acls.add(rule.clone())).await.unwrap();
        assert_eq!(open().acls().all().collect::<Vec<_>>(), [&rule]);
        open().change(|acls| acls.remove(&rule)).await.unwrap();
        assert_eq!(open().acls().all().count(), 0);
    }

    #[test]
    fn another_authorizer_is_refused_and_none_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let disk = millstream_disk::real();
        let open = |pairs: &[(&str, &str)]| {
            let given = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            Authorizer::open(&given, &disk, folder.path()).map(|opened| opened.is_some()).map_err(|e| e.to_string())
        };
        assert_eq!(open(&[]), Ok(false));
        assert!(open(&[("authorizer.class.name", "a.b.C")]).unwrap_err().contains(STANDARD));
        let users = [("authorizer.class.name", STANDARD), ("super.users", "alice")];
        assert!(open(&users).unwrap_err().starts_with("super.users cannot be 'alice'"));
    }
}
