package config

// Opens is what the value of a key opens for the plugin. A plugin reaches nothing outside by itself: it gets what the
// user's configuration names under keys that say so, as far as the worker allows it.
type Opens struct {
	members map[string]any
	with    []Role
	http    bool
}

// Role gives a meaning to another key: Role{"password", "connection.password"}. The contract's description.md lists the
// roles. The plugin reads [hidden] where the value is a secret, and the host adds it to the requests. A role that several
// keys have is given several times.
type Role struct{ Role, Key string }

// ReadFile opens the file that the value names, for reading.
func ReadFile() Opens { return Opens{members: map[string]any{"file": "read"}} }

// AppendFile opens the file that the value names, created if it is missing, for reading and for writing at its end.
func AppendFile() Opens { return Opens{members: map[string]any{"file": "append"}} }

// OrStream stands for the worker's standard input or output where the value of a file's key is missing or empty.
func (o Opens) OrStream() Opens {
	switch o.members["file"] {
	case "read":
		return Opens{members: map[string]any{"file": "read", "or": "stdin"}}
	case "append":
		return Opens{members: map[string]any{"file": "append", "or": "stdout"}}
	}
	panic("config: only a file may be a standard stream instead")
}

// HTTPURL opens the server that the value names as a URL, behind whose host placeholders may stand.
func HTTPURL(roles ...Role) Opens {
	return Opens{members: map[string]any{"http": "url"}, with: roles, http: true}
}

// HTTPOrigins opens the servers that the value lists as origins or patterns of them.
func HTTPOrigins(roles ...Role) Opens {
	return Opens{members: map[string]any{"http": "origins"}, with: roles, http: true}
}

// Socket opens the servers that the value names as host:port for TCP connections through WASI's sockets. A worker allows none
// by itself, and Go's own net cannot dial there yet: it is for code that calls WASI itself.
func Socket() Opens { return Opens{members: map[string]any{"socket": "address"}} }

// Topic opens the topic that the value names, for a sink to write to. If the key is not set it is the one given here, in
// which ${connector} stands for the connector's name. replication is the key of its replication factor.
func Topic(ifNotSet, replication string) Opens {
	return Opens{members: map[string]any{"topic": "write", "default": ifNotSet, "replication": replication}}
}

// SQLKeys names the keys that complete the URL of a database; each may be empty.
type SQLKeys struct {
	User, Password string
	// Properties is what keys begin with whose rest is the name of a parameter of the URL, unless the plugin declares them.
	Properties string
}

// SQL opens the database that the value names as a JDBC URL.
func SQL(keys SQLKeys) Opens {
	members := map[string]any{}
	for name, key := range map[string]string{"user": keys.User, "password": keys.Password, "properties": keys.Properties} {
		if key != "" {
			members[name] = key
		}
	}
	return Opens{members: map[string]any{"sql": members}}
}

func (o *Opens) describe(keys *Keys) map[string]any {
	if !o.http {
		return o.members
	}
	roles, defaults := map[string][]string{}, map[string]string{}
	for _, role := range o.with {
		roles[role.Role] = append(roles[role.Role], role.Key)
		for _, key := range keys.list {
			if key.name == role.Key && key.defaulted != nil && *key.defaulted != "" {
				if _, ok := defaults[role.Role]; !ok {
					defaults[role.Role] = *key.defaulted
				}
			}
		}
	}
	return map[string]any{"http": o.members["http"], "with": roles, "defaults": defaults}
}

// Describe is the keys that c declares, as the description of a plugin lists them.
func Describe(c Configured) []map[string]any {
	keys := declared(c)
	list := make([]map[string]any, 0, len(keys.list))
	for _, key := range keys.list {
		described := map[string]any{
			"name": key.name, "type": key.kind, "required": key.required, "default": key.defaulted,
			"importance": key.importance, "documentation": key.doc, "group": key.group, "order": key.order,
			"width": key.width, "display_name": key.displayName,
			"dependents": append([]string{}, key.dependents...), "recommended": append([]string{}, key.recommended...),
		}
		if key.validator != nil {
			described["validator"] = key.validator.json
		}
		if key.opens != nil {
			described["opens"] = key.opens.describe(keys)
		}
		list = append(list, described)
	}
	return list
}
