//! Access rules, by the semantics of Apache Kafka's `StandardAuthorizer`: what denies comes first, super users may do
//! everything, and where no rule fits nothing is allowed, unless `allow.everyone.if.no.acl.found` says so for what no
//! rule is about at all.

use std::collections::{BTreeMap, BTreeSet};

macro_rules! numbered {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $number:literal $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub enum $name { $($(#[$doc])* $variant = $number,)* }

        impl $name {
            /// All of them, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// By its number in the protocol.
            pub fn of_number(number: i8) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| *one as i8 == number)
            }

            /// As it is written in files.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// What [`Self::name`] has written.
            pub fn of_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.name() == name)
            }
        }
    };
}

numbered! {
    /// What a rule is about.
    Resource {
        /// A topic.
        Topic = 2 "TOPIC",
        /// A consumer group.
        Group = 3 "GROUP",
        /// The cluster, whose name is [`CLUSTER`].
        Cluster = 4 "CLUSTER",
        /// A transactional id.
        TransactionalId = 5 "TRANSACTIONAL_ID",
        /// A delegation token; there are none here.
        DelegationToken = 6 "DELEGATION_TOKEN",
        /// A user.
        User = 7 "USER",
    }
}

numbered! {
    /// What somebody does with it.
    Operation {
        /// Everything.
        All = 2 "ALL",
        /// Reads.
        Read = 3 "READ",
        /// Writes.
        Write = 4 "WRITE",
        /// Makes.
        Create = 5 "CREATE",
        /// Deletes.
        Delete = 6 "DELETE",
        /// Changes.
        Alter = 7 "ALTER",
        /// Sees that it is there.
        Describe = 8 "DESCRIBE",
        /// What brokers do among themselves.
        ClusterAction = 9 "CLUSTER_ACTION",
        /// Sees its settings.
        DescribeConfigs = 10 "DESCRIBE_CONFIGS",
        /// Changes its settings.
        AlterConfigs = 11 "ALTER_CONFIGS",
        /// Produces with a producer id.
        IdempotentWrite = 12 "IDEMPOTENT_WRITE",
        /// Makes delegation tokens.
        CreateTokens = 13 "CREATE_TOKENS",
        /// Sees delegation tokens.
        DescribeTokens = 14 "DESCRIBE_TOKENS",
        /// Leaves transactions to a coordinator outside.
        TwoPhaseCommit = 15 "TWO_PHASE_COMMIT",
    }
}

numbered! {
    /// How a rule's name is meant.
    Pattern {
        /// The very name, or `*` for all.
        Literal = 3 "LITERAL",
        /// All names that begin so.
        Prefixed = 4 "PREFIXED",
    }
}

numbered! {
    /// What a rule says.
    Permission {
        /// No.
        Deny = 2 "DENY",
        /// Yes.
        Allow = 3 "ALLOW",
    }
}

/// The name of the one resource of type [`Resource::Cluster`].
pub const CLUSTER: &str = "kafka-cluster";

/// Stands for every name, user or host.
const ANY: &str = "*";

/// The prefix of users in rules.
const USER: &str = "User:";

/// One rule.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Acl {
    /// What it is about.
    pub resource: Resource,
    /// Its name, or the beginning.
    pub name: String,
    /// How the name is meant.
    pub pattern: Pattern,
    /// `User:name`, or `User:*` for everybody.
    pub principal: String,
    /// An address, or `*`.
    pub host: String,
    /// What is done.
    pub operation: Operation,
    /// Whether it may be.
    pub permission: Permission,
}

impl Acl {
    fn is_about(&self, user: &str, host: &str) -> bool {
        let principal = self.principal.strip_prefix(USER);
        principal.is_some_and(|name| name == ANY || name == user) && (self.host == ANY || self.host == host)
    }

    /// Kafka's implications: who may read, write, delete or alter may describe, and who may alter settings may see them.
    /// What is forbidden implies nothing.
    fn covers(&self, operation: Operation) -> bool {
        use Operation::{All, Alter, AlterConfigs, Delete, Describe, DescribeConfigs, Read, Write};
        if self.operation == All || self.operation == operation {
            return true;
        }
        self.permission == Permission::Allow
            && match operation {
                Describe => matches!(self.operation, Read | Write | Delete | Alter),
                DescribeConfigs => self.operation == AlterConfigs,
                _ => false,
            }
    }
}

/// All rules, and who stands above them.
#[derive(Clone, Debug, Default)]
pub struct Acls {
    /// Names behind `User:`.
    super_users: BTreeSet<String>,
    everyone_where_no_rule_is: bool,
    literal: BTreeMap<(Resource, String), BTreeSet<Acl>>,
    prefixed: BTreeMap<(Resource, String), BTreeSet<Acl>>,
    /// Lengths of the prefixes there are, so that only these are looked up.
    prefix_lens: BTreeSet<(Resource, usize)>,
}

impl Acls {
    /// No rules yet. `super_users` as the key has it: `User:a;User:b`.
    ///
    /// # Errors
    ///
    /// The entry that is no user.
    pub fn new(super_users: &str, everyone_where_no_rule_is: bool) -> Result<Self, String> {
        let mut users = BTreeSet::new();
        for entry in super_users.split(';').map(str::trim).filter(|entry| !entry.is_empty()) {
            users.insert(entry.strip_prefix(USER).filter(|name| !name.is_empty()).ok_or(entry)?.to_owned());
        }
        Ok(Self { super_users: users, everyone_where_no_rule_is, ..Self::default() })
    }

    /// Every rule, in order.
    pub fn all(&self) -> impl Iterator<Item = &Acl> {
        self.literal.values().chain(self.prefixed.values()).flatten()
    }

    /// Adds a rule; one that is there already stays.
    pub fn add(&mut self, acl: Acl) {
        let key = (acl.resource, acl.name.clone());
        match acl.pattern {
            Pattern::Literal => self.literal.entry(key).or_default().insert(acl),
            Pattern::Prefixed => {
                self.prefix_lens.insert((acl.resource, acl.name.len()));
                self.prefixed.entry(key).or_default().insert(acl)
            }
        };
    }

    /// Removes a rule.
    pub fn remove(&mut self, acl: &Acl) {
        let key = (acl.resource, acl.name.clone());
        let table = match acl.pattern {
            Pattern::Literal => &mut self.literal,
            Pattern::Prefixed => &mut self.prefixed,
        };
        if let Some(rules) = table.get_mut(&key) {
            rules.remove(acl);
            if rules.is_empty() {
                table.remove(&key);
            }
        }
        let lens = self.prefixed.keys().map(|(resource, name)| (*resource, name.len()));
        self.prefix_lens = lens.collect();
    }

    /// The rules that are about a resource of this name, whoever they are about.
    fn about(&self, resource: Resource, name: &str) -> impl Iterator<Item = &Acl> {
        let literal = [name, ANY].into_iter().filter_map(move |name| self.literal.get(&(resource, name.to_owned())));
        let lens = self.prefix_lens.range((resource, 0)..=(resource, name.len())).map(|(_, len)| *len);
        let prefixes = lens.filter_map(|len| name.get(..len)).map(str::to_owned);
        let prefixed = prefixes.filter_map(move |name| self.prefixed.get(&(resource, name)));
        literal.chain(prefixed).flatten()
    }

    /// Whether a user at this address may do that.
    pub fn allows(&self, user: &str, host: &str, operation: Operation, resource: Resource, name: &str) -> bool {
        if self.super_users.contains(user) {
            return true;
        }
        let (mut is_allowed, mut has_rule) = (false, false);
        for acl in self.about(resource, name) {
            has_rule = true;
            if acl.is_about(user, host) && acl.covers(operation) {
                match acl.permission {
                    Permission::Deny => return false,
                    Permission::Allow => is_allowed = true,
                }
            }
        }
        is_allowed || (!has_rule && self.everyone_where_no_rule_is)
    }

    /// Whether a user at this address may do that with any resource of the type.
    pub fn allows_any(&self, user: &str, host: &str, operation: Operation, resource: Resource) -> bool {
        // As in Kafka, for super users and where everyone may do what no rule is about.
        if self.allows(user, host, operation, resource, "hardcode") {
            return true;
        }
        let own = self.all().filter(|acl| {
            let operations = acl.operation == operation || acl.operation == Operation::All;
            acl.resource == resource && operations && acl.is_about(user, host)
        });
        let (denied, allowed): (Vec<&Acl>, Vec<&Acl>) = own.partition(|acl| acl.permission == Permission::Deny);
        let dominates = |denial: &Acl, acl: &Acl| match denial.pattern {
            Pattern::Literal if denial.name == ANY => true,
            Pattern::Literal => acl.pattern == Pattern::Literal && denial.name == acl.name,
            Pattern::Prefixed => acl.name.starts_with(&denial.name),
        };
        let everything_denied = denied.iter().any(|denial| denial.pattern == Pattern::Literal && denial.name == ANY);
        !everything_denied
            && allowed.iter().any(|acl| {
                let all = acl.pattern == Pattern::Literal && acl.name == ANY;
                all || !denied.iter().any(|denial| dominates(denial, acl))
            })
    }
}

/// What may be done with a resource of this type at all.
pub fn operations_of(resource: Resource) -> &'static [Operation] {
    use Operation::{
        Alter, AlterConfigs, ClusterAction, Create, CreateTokens, Delete, Describe, DescribeConfigs, DescribeTokens,
        IdempotentWrite, Read, TwoPhaseCommit, Write,
    };
    match resource {
        Resource::Topic => &[Read, Write, Create, Describe, Delete, Alter, DescribeConfigs, AlterConfigs],
        Resource::Group => &[Read, Describe, Delete, DescribeConfigs, AlterConfigs],
        Resource::Cluster => &[Create, ClusterAction, DescribeConfigs, AlterConfigs, IdempotentWrite, Alter, Describe],
        Resource::TransactionalId => &[Describe, Write, TwoPhaseCommit],
        Resource::DelegationToken => &[Describe],
        Resource::User => &[CreateTokens, DescribeTokens],
    }
}

/// Which rules are meant; `None` for any.
#[derive(Clone, Debug, Default)]
pub struct AclFilter {
    /// The type.
    pub resource: Option<Resource>,
    /// The name.
    pub name: Option<String>,
    /// How the name is to be compared.
    pub pattern: PatternFilter,
    /// The user.
    pub principal: Option<String>,
    /// The address.
    pub host: Option<String>,
    /// The operation.
    pub operation: Option<Operation>,
    /// Yes or no.
    pub permission: Option<Permission>,
}

/// How a filter's name is meant.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum PatternFilter {
    /// Patterns of either kind with this very name.
    #[default]
    Any,
    /// Patterns that a resource of this name falls under.
    Match,
    /// Patterns of this kind with this very name.
    Only(Pattern),
}

impl AclFilter {
    /// Whether a rule is meant.
    pub fn fits(&self, acl: &Acl) -> bool {
        fn same<T: PartialEq>(wanted: &Option<T>, own: &T) -> bool {
            wanted.as_ref().is_none_or(|wanted| wanted == own)
        }
        let named = match (self.pattern, &self.name) {
            (PatternFilter::Only(pattern), _) if pattern != acl.pattern => false,
            (_, None) => true,
            (PatternFilter::Match, Some(name)) => match acl.pattern {
                Pattern::Literal => acl.name == *name || acl.name == ANY,
                Pattern::Prefixed => name.starts_with(&acl.name),
            },
            (_, Some(name)) => acl.name == *name,
        };
        named
            && same(&self.resource, &acl.resource)
            && same(&self.principal, &acl.principal)
            && same(&self.host, &acl.host)
            && same(&self.operation, &acl.operation)
            && same(&self.permission, &acl.permission)
    }
}

#[cfg(test)]
mod tests {
    use super::{Operation::*, Pattern::*, Permission::*, Resource::*, *};

    fn acl(permission: Permission, principal: &str, operation: Operation, pattern: Pattern, name: &str) -> Acl {
        let (principal, host) = (principal.to_owned(), "*".to_owned());
        Acl { resource: Topic, name: name.to_owned(), pattern, principal, host, operation, permission }
    }

    fn acls(rules: &[Acl]) -> Acls {
        let mut acls = Acls::new("User:root; User:admin", false).unwrap();
        rules.iter().for_each(|rule| acls.add(rule.clone()));
        acls
    }

    #[test]
    fn rules_are_applied_as_kafka_applies_them() {
        let alice = "User:alice";
        let allow = |operation, pattern, name| acl(Allow, alice, operation, pattern, name);
        let deny = |operation, pattern, name| acl(Deny, alice, operation, pattern, name);
        for (rules, user, operation, name, expected) in [
            (vec![], "alice", Read, "t", false),
            (vec![], "root", Read, "t", true),
            (vec![deny(All, Literal, "*")], "admin", Read, "t", true),
            (vec![allow(Read, Literal, "t")], "alice", Read, "t", true),
            (vec![allow(Read, Literal, "t")], "alice", Write, "t", false),
            (vec![allow(Read, Literal, "t")], "bob", Read, "t", false),
            (vec![allow(Read, Literal, "t")], "alice", Read, "t2", false),
            (vec![allow(Read, Literal, "*")], "alice", Read, "t", true),
            (vec![allow(Read, Prefixed, "te")], "alice", Read, "test", true),
            (vec![allow(Read, Prefixed, "te")], "alice", Read, "t", false),
            (vec![allow(Read, Prefixed, "te")], "alice", Read, "te", true),
            (vec![allow(Read, Prefixed, "*")], "alice", Read, "t", false),
            (vec![allow(All, Literal, "t")], "alice", AlterConfigs, "t", true),
            // What implies what.
            (vec![allow(Read, Literal, "t")], "alice", Describe, "t", true),
            (vec![allow(Write, Literal, "t")], "alice", Describe, "t", true),
            (vec![allow(Delete, Literal, "t")], "alice", Describe, "t", true),
            (vec![allow(Alter, Literal, "t")], "alice", Describe, "t", true),
            (vec![allow(Create, Literal, "t")], "alice", Describe, "t", false),
            (vec![allow(AlterConfigs, Literal, "t")], "alice", DescribeConfigs, "t", true),
            (vec![allow(AlterConfigs, Literal, "t")], "alice", Describe, "t", false),
            (vec![allow(Describe, Literal, "t"), deny(Read, Literal, "t")], "alice", Describe, "t", true),
            // What denies comes first.
            (vec![allow(All, Literal, "t"), deny(Read, Literal, "*")], "alice", Read, "t", false),
            (vec![allow(All, Literal, "t"), deny(Read, Prefixed, "t")], "alice", Read, "t", false),
            (vec![allow(All, Literal, "t"), deny(All, Literal, "t")], "alice", Describe, "t", false),
            (vec![allow(All, Literal, "t"), acl(Deny, "User:*", Write, Literal, "t")], "alice", Write, "t", false),
            (vec![acl(Allow, "User:*", Read, Literal, "t")], "bob", Read, "t", true),
            (vec![acl(Allow, "Group:alice", Read, Literal, "t")], "alice", Read, "t", false),
        ] {
            let allowed = acls(&rules).allows(user, "1.2.3.4", operation, Topic, name);
            assert_eq!(allowed, expected, "{user} {operation:?} {name} by {rules:?}");
        }
    }

    #[test]
    fn a_rule_may_be_for_one_address_and_one_type() {
        let mut rule = acl(Allow, "User:alice", Read, Literal, "t");
        rule.host = "1.2.3.4".to_owned();
        let acls = acls(&[rule]);
        assert!(acls.allows("alice", "1.2.3.4", Read, Topic, "t"));
        assert!(!acls.allows("alice", "1.2.3.5", Read, Topic, "t"));
        assert!(!acls.allows("alice", "1.2.3.4", Read, Group, "t"));
    }

    #[test]
    fn everyone_may_do_what_no_rule_is_about_if_a_key_says_so() {
        let mut acls = Acls::new("", true).unwrap();
        assert!(acls.allows("bob", "h", Read, Topic, "t"));
        acls.add(acl(Allow, "User:alice", Read, Literal, "t"));
        assert!(!acls.allows("bob", "h", Read, Topic, "t"), "a rule is about it now");
        assert!(acls.allows("bob", "h", Read, Topic, "other"));
        acls.remove(&acl(Allow, "User:alice", Read, Literal, "t"));
        assert!(acls.allows("bob", "h", Read, Topic, "t"));
        assert_eq!(Acls::new("bob", false).unwrap_err(), "bob");
    }

    #[test]
    fn something_of_a_type_may_be_written_unless_all_that_is_allowed_is_denied() {
        let allow = |pattern, name| acl(Allow, "User:alice", Write, pattern, name);
        let deny = |pattern, name| acl(Deny, "User:alice", Write, pattern, name);
        for (rules, expected) in [
            (vec![], false),
            (vec![allow(Literal, "t")], true),
            (vec![allow(Literal, "*")], true),
            (vec![allow(Prefixed, "te")], true),
            (vec![allow(Literal, "t"), deny(Literal, "*")], false),
            (vec![allow(Literal, "*"), deny(Prefixed, "t")], true),
            (vec![allow(Literal, "t"), deny(Literal, "t")], false),
            (vec![allow(Literal, "test"), deny(Prefixed, "te")], false),
            (vec![allow(Prefixed, "test"), deny(Prefixed, "te")], false),
            (vec![allow(Prefixed, "te"), deny(Prefixed, "test")], true),
            (vec![allow(Prefixed, "te"), deny(Literal, "te")], true),
            (vec![acl(Allow, "User:alice", All, Literal, "t")], true),
            (vec![acl(Allow, "User:alice", Read, Literal, "t")], false),
        ] {
            assert_eq!(acls(&rules).allows_any("alice", "h", Write, Topic), expected, "{rules:?}");
        }
        assert!(acls(&[]).allows_any("root", "h", Write, Topic));
    }

    #[test]
    fn filters_mean_patterns_by_name_or_by_what_falls_under_them() {
        let rules = [
            acl(Allow, "User:a", Read, Literal, "test"),
            acl(Allow, "User:b", Read, Literal, "*"),
            acl(Deny, "User:c", Write, Prefixed, "te"),
            acl(Allow, "User:d", Read, Prefixed, "test"),
        ];
        let found = |filter: AclFilter| {
            let fitting = rules.iter().filter(|rule| filter.fits(rule));
            fitting.map(|rule| &rule.principal[5..]).collect::<String>()
        };
        let named = |pattern| AclFilter { name: Some("test".to_owned()), pattern, ..AclFilter::default() };
        assert_eq!(found(AclFilter::default()), "abcd");
        assert_eq!(found(named(PatternFilter::Any)), "ad");
        assert_eq!(found(named(PatternFilter::Match)), "abcd");
        assert_eq!(found(named(PatternFilter::Only(Prefixed))), "d");
        assert_eq!(found(AclFilter { permission: Some(Deny), ..AclFilter::default() }), "c");
        assert_eq!(found(AclFilter { resource: Some(Group), ..AclFilter::default() }), "");
    }
}
