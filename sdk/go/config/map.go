// Package config is configuration: what keys a plugin knows, and what a user has set them to.
//
// A struct of the plugin's own says with one method which keys there are and where their values go:
//
//	type TickConfig struct {
//		Topic string
//		Every time.Duration
//	}
//
//	func (c *TickConfig) Keys(keys *config.Keys) {
//		keys.String(&c.Topic, "topic").Required().NonEmpty().Importance(config.High).Doc("Where ticks go.")
//		keys.Millis(&c.Every, "every.ms").Default(1000).Range(1, 60_000).Doc("Milliseconds between ticks.")
//	}
//
// The host documents and checks the keys from that; the plugin parses with it, in the same words.
package config

import "strings"

// Entry is a key with its value, nil if it is there without one.
type Entry struct {
	Key   string
	Value *string
}

// Map is a configuration as the user wrote it: keys in the order given.
type Map struct{ entries []Entry }

// MapOf is a configuration of keys and values in turn. It panics for a key without a value.
func MapOf(pairs ...string) Map {
	if len(pairs)%2 != 0 {
		panic("config.MapOf: the last key has no value")
	}
	var m Map
	for i := 0; i < len(pairs); i += 2 {
		m.Set(pairs[i], pairs[i+1])
	}
	return m
}

// MapOfEntries is a configuration of these entries, whose keys differ.
func MapOfEntries(entries []Entry) Map { return Map{entries} }

// Get is the value of a key, empty if it is missing or has none.
func (m Map) Get(key string) string {
	value, _ := m.Lookup(key)
	if value == nil {
		return ""
	}
	return *value
}

// Lookup is the value of a key, nil if it has none, and whether the key is there.
func (m Map) Lookup(key string) (*string, bool) {
	for _, entry := range m.entries {
		if entry.Key == key {
			return entry.Value, true
		}
	}
	return nil, false
}

// Set gives a key its value, in its place if it is there already.
func (m *Map) Set(key, value string) { m.set(key, &value) }

// SetNull leaves a key without a value.
func (m *Map) SetNull(key string) { m.set(key, nil) }

func (m *Map) set(key string, value *string) {
	for i := range m.entries {
		if m.entries[i].Key == key {
			// A copy of the map keeps its own entries.
			m.entries = append([]Entry(nil), m.entries...)
			m.entries[i].Value = value
			return
		}
	}
	m.entries = append(m.entries[:len(m.entries):len(m.entries)], Entry{key, value})
}

// With is the same configuration with one key more, or another value.
func (m Map) With(key, value string) Map {
	m.Set(key, value)
	return m
}

// Entries are the keys with their values, in order. The slice belongs to the map.
func (m Map) Entries() []Entry { return m.entries }

// WithPrefix are the keys that begin with a prefix, without it: "producer." gives the producer's own keys.
func (m Map) WithPrefix(prefix string) Map {
	var stripped Map
	for _, entry := range m.entries {
		if rest, ok := strings.CutPrefix(entry.Key, prefix); ok {
			stripped.entries = append(stripped.entries, Entry{rest, entry.Value})
		}
	}
	return stripped
}
