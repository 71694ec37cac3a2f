package batch

import (
	"unicode/utf8"

	"millstream.dev/sdk/data"
)

const (
	// mostMembers is how many keys schemaless maps of a column may have before it falls back to variants.
	mostMembers = 256
	// manyMembers is from which on an index finds them.
	manyMembers = 12
	// emptyCells is how many cells rows may leave empty, beside those of emptyForEach member that they have. A map that is
	// mostly unlike the others costs as much as all their members; beyond this it is cheaper as a variant.
	emptyCells   = 16_384
	emptyForEach = 32
)

// members are the keys of the schemaless maps of a column; their builders are its kids.
type members struct {
	names         []string
	index         map[string]int
	empty, filled int
}

// member is the builder of a key, made if there is room for one more. expected is where it stands in rows of the usual
// shape.
func (b *Builder) member(name string, expected int) (int, bool) {
	m := b.members
	if expected < len(m.names) && m.names[expected] == name {
		return expected, true
	}
	if len(m.names) < manyMembers {
		for i, other := range m.names {
			if other == name {
				return i, true
			}
		}
	} else {
		if m.index == nil {
			m.index = make(map[string]int, len(m.names))
			for i, other := range m.names {
				m.index[other] = i
			}
		}
		if i, ok := m.index[name]; ok {
			return i, true
		}
	}
	if len(m.names) == mostMembers || !utf8.ValidString(name) {
		return 0, false
	}
	made := &Builder{depth: b.depth + 1}
	m.empty += made.appendAbsent(b.rows)
	if m.index != nil {
		m.index[name] = len(m.names)
	}
	m.names, b.kids = append(m.names, name), append(b.kids, made)
	return len(m.names) - 1, true
}

// appendMap appends a map if the column has room for it.
func (b *Builder) appendMap(value *data.Map, schemas *Schemas) (bool, error) {
	if b.kind == Map {
		for key, item := range value.All() {
			if err := b.kids[0].append(key, schemas); err != nil {
				return false, err
			}
			if err := b.kids[1].append(item, schemas); err != nil {
				return false, err
			}
		}
		b.fixed = le.AppendUint32(b.fixed, uint32(b.kids[0].rows))
		b.accept()
		return true, nil
	}
	for _, entry := range value.Entries() {
		if _, isText := entry.Key.(string); !isText {
			return false, nil
		}
	}
	if !b.become(Object) {
		return false, nil
	}
	next := 0
	for _, entry := range value.Entries() {
		at, ok := b.member(entry.Key.(string), next)
		if !ok {
			b.truncate(b.rows)
			return false, nil
		}
		next = at + 1
		// Of two entries of one name the last wins.
		b.kids[at].truncate(b.rows)
		if err := b.kids[at].append(entry.Value, schemas); err != nil {
			return false, err
		}
	}
	missing := 0
	for _, member := range b.kids {
		if member.rows == b.rows {
			b.members.empty += member.appendAbsent(1)
			missing++
		}
	}
	b.members.filled += len(b.kids) - missing
	b.accept()
	if emptyCells+emptyForEach*b.members.filled < b.members.empty {
		b.becomeVariant(schemas)
	}
	return true, nil
}
