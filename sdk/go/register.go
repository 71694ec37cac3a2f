package sdk

import (
	"bytes"
	"encoding/json"

	"millstream.dev/sdk/config"
	"millstream.dev/sdk/internal/contract"
)

// Plugin is what users see of a plugin beside its keys.
type Plugin struct {
	// Class is the name that users write in connector.class, transforms.x.type and so on: org.example.TickSourceConnector.
	Class string
	// TaskClass is the class name shown for the task of a connector; derived from Class if it is empty.
	TaskClass string
	// Aliases are further names beside those that the host derives: the name without its package, and without Connector,
	// SourceConnector, SinkConnector and the like.
	Aliases []string
	// Version of the plugin.
	Version string
	// Doc says what the plugin does, in Markdown.
	Doc string
	// WantsLease lets tasks of a connector ask for its [Lease].
	WantsLease bool
}

// registered is a plugin of this component.
type registered struct {
	kind   string
	plugin Plugin
	keys   func() []map[string]any
	// Whether Committed is to be called.
	committed bool
	made      any
}

var plugins []*registered

func register(kind string, plugin Plugin, keys func() []map[string]any, made any) *registered {
	if plugin.Class == "" {
		panic("sdk: a plugin needs a class name")
	}
	for _, other := range plugins {
		if other.kind == kind && other.plugin.Class == plugin.Class {
			panic("sdk: the class " + plugin.Class + " is registered twice")
		}
	}
	one := &registered{kind: kind, plugin: plugin, keys: keys, made: made}
	plugins = append(plugins, one)
	return one
}

func keysOf[P config.Pointer[C], C any]() func() []map[string]any {
	return func() []map[string]any { return config.Describe(P(new(C))) }
}

// parse is the plugin's own struct of a configuration.
func parse[P config.Pointer[C], C any](given config.Map) (P, error) {
	parsed := P(new(C))
	if err := config.Parse(given, parsed); err != nil {
		return nil, asError(err, KindConfig)
	}
	return parsed, nil
}

func mapOf(given contract.Config) config.Map {
	entries := make([]config.Entry, len(given))
	for i, entry := range given {
		entries[i] = config.Entry(entry)
	}
	return config.MapOfEntries(entries)
}

func lowerConfig(given config.Map) contract.Config {
	entries := given.Entries()
	lowered := make(contract.Config, len(entries))
	for i, entry := range entries {
		lowered[i] = contract.Entry(entry)
	}
	return lowered
}

// find is what was registered under a class name for one of some kinds.
func find[T any](class string) (made T, failed error) {
	for _, one := range plugins {
		if one.plugin.Class == class {
			if made, ok := one.made.(T); ok {
				return made, nil
			}
		}
	}
	return made, Fatal("this component has no class %s of the kind asked for", class)
}

// Describe is the description of all plugins that are registered, as JSON.
func Describe() string {
	list := []any{}
	for _, one := range plugins {
		described := map[string]any{
			"kind": one.kind, "class": one.plugin.Class, "aliases": append([]string{}, one.plugin.Aliases...),
			"documentation": one.plugin.Doc, "config": one.keys(),
		}
		if one.plugin.TaskClass != "" {
			described["task_class"] = one.plugin.TaskClass
		}
		if one.plugin.Version != "" {
			described["version"] = one.plugin.Version
		}
		if one.kind == "source" {
			described["commit_records"] = one.committed
		}
		if one.plugin.WantsLease {
			described["wants"] = []string{"lease"}
		}
		list = append(list, described)
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(map[string]any{"batch_formats": []int{1}, "plugins": list}); err != nil {
		panic("sdk: the description cannot be written: " + err.Error())
	}
	return out.String()
}

// problems are findings as validate returns them: each key once.
func problems(findings []config.Finding) string {
	type found struct {
		Name   string   `json:"name"`
		Errors []string `json:"errors"`
	}
	list := []found{}
next:
	for _, finding := range findings {
		for i := range list {
			if list[i].Name == finding.Key {
				list[i].Errors = append(list[i].Errors, finding.Problem)
				continue next
			}
		}
		list = append(list, found{finding.Key, []string{finding.Problem}})
	}
	text, err := json.Marshal(list)
	if err != nil {
		panic("sdk: findings cannot be written: " + err.Error())
	}
	return string(text)
}
