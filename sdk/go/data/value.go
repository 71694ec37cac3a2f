package data

import (
	"bytes"
	"fmt"
	"iter"
	"math"
	"math/big"
	"strings"
	"time"
)

// Decimal is Unscaled × 10^-Scale. It carries its own scale, which may differ from its schema's.
type Decimal struct {
	Unscaled *big.Int
	// Scale is the number of decimal places; it may be negative.
	Scale int32
}

// NewDecimal is unscaled × 10^-scale: NewDecimal(1999, 2) is 19.99.
func NewDecimal(unscaled int64, scale int32) Decimal { return Decimal{big.NewInt(unscaled), scale} }

// ParseDecimal reads text as BigDecimal's constructor does: 19.99, -1, 1E+3.
func ParseDecimal(text string) (Decimal, error) {
	mantissa, exponent := text, int64(0)
	if at := strings.IndexAny(text, "eE"); at >= 0 {
		mantissa = text[:at]
		if _, err := fmt.Sscanf(text[at+1:]+"\n", "%d\n", &exponent); err != nil || strings.ContainsAny(text[at+1:], " ") {
			return Decimal{}, fmt.Errorf("%q is not a decimal number", text)
		}
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := strings.TrimLeft(whole, "+-") + fraction
	scale := int64(len(fraction)) - exponent
	unscaled, ok := new(big.Int).SetString(whole+fraction, 10)
	if !ok || digits == "" || strings.Trim(digits, "0123456789") != "" || scale != int64(int32(scale)) {
		return Decimal{}, fmt.Errorf("%q is not a decimal number", text)
	}
	return Decimal{unscaled, int32(scale)}, nil
}

// Entry is a key of a [Map] with its value.
type Entry struct{ Key, Value any }

// Map is a map that keeps the order of its entries. Keys may be any value; mostly they are text.
type Map struct {
	entries []Entry
	index   map[any]int
}

// manyEntries is from which size on a map finds its text keys by an index.
const manyEntries = 12

// NewMap is a map of keys and values in turn: NewMap("a", 1, "b", "x"). It panics for a key without a value.
func NewMap(pairs ...any) *Map {
	if len(pairs)%2 != 0 {
		panic("data.NewMap: the last key has no value")
	}
	m := &Map{entries: make([]Entry, 0, len(pairs)/2)}
	for i := 0; i < len(pairs); i += 2 {
		m.Set(pairs[i], pairs[i+1])
	}
	return m
}

// MapOfEntries is a map of entries whose keys differ; it takes the slice over.
func MapOfEntries(entries []Entry) *Map { return &Map{entries: entries} }

// Len is the number of entries.
func (m *Map) Len() int {
	if m == nil {
		return 0
	}
	return len(m.entries)
}

func (m *Map) find(key any) int {
	if m == nil {
		return -1
	}
	text, isText := key.(string)
	if isText && len(m.entries) >= manyEntries {
		if m.index == nil {
			m.index = make(map[any]int, len(m.entries))
			for i, entry := range m.entries {
				if name, ok := entry.Key.(string); ok {
					m.index[name] = i
				}
			}
		}
		if i, ok := m.index[text]; ok {
			return i
		}
		return -1
	}
	for i := range m.entries {
		if isText {
			if name, ok := m.entries[i].Key.(string); ok && name == text {
				return i
			}
		} else if Equal(m.entries[i].Key, key) {
			return i
		}
	}
	return -1
}

// Get is the value of a key, nil if there is none.
func (m *Map) Get(key any) any {
	value, _ := m.Lookup(key)
	return value
}

// Lookup is the value of a key, and whether there is one.
func (m *Map) Lookup(key any) (any, bool) {
	if i := m.find(key); i >= 0 {
		return m.entries[i].Value, true
	}
	return nil, false
}

// Set gives a key its value, in its place if it is there already, else at the end.
func (m *Map) Set(key, value any) {
	if i := m.find(key); i >= 0 {
		m.entries[i].Value = value
		return
	}
	m.entries = append(m.entries, Entry{key, value})
	if m.index != nil {
		if text, ok := key.(string); ok {
			m.index[text] = len(m.entries) - 1
		}
	}
}

// Delete removes a key, if it is there.
func (m *Map) Delete(key any) {
	if i := m.find(key); i >= 0 {
		m.entries = append(m.entries[:i], m.entries[i+1:]...)
		m.index = nil
	}
}

// All walks the entries in order.
func (m *Map) All() iter.Seq2[any, any] {
	return func(yield func(any, any) bool) {
		if m == nil {
			return
		}
		for _, entry := range m.entries {
			if !yield(entry.Key, entry.Value) {
				return
			}
		}
	}
}

// Entries are the entries in order. The slice belongs to the map.
func (m *Map) Entries() []Entry {
	if m == nil {
		return nil
	}
	return m.entries
}

// Struct is a value of a STRUCT schema: a slot for each field, nil where it is not set.
type Struct struct {
	schema *Schema
	// What was not asked for yet is unread, and comes from the source.
	slots  []any
	source FieldSource
	row    int
}

// FieldSource has the values of structs that are read as they are asked for: a column.
type FieldSource interface {
	// Field is the value of a field in a row.
	Field(row, field int) any
}

// unread stands in a slot whose value was not asked for yet.
type unread struct{}

// LazyStructs makes structs whose values come from a source when they are asked for: package batch does so. They are made
// some at a time, so that keeping one keeps its neighbours.
type LazyStructs struct {
	Schema  *Schema
	Source  FieldSource
	structs []Struct
	slots   []any
}

// atATime is how many structs are made at a time.
const atATime = 32

// At is the struct of a row.
func (l *LazyStructs) At(row int) *Struct {
	fields := len(l.Schema.Fields)
	if len(l.structs) == 0 {
		l.structs, l.slots = make([]Struct, atATime), make([]any, atATime*fields)
		for i := range l.slots {
			l.slots[i] = unread{}
		}
	}
	made := &l.structs[0]
	*made = Struct{l.Schema, l.slots[:fields:fields], l.Source, row}
	l.structs, l.slots = l.structs[1:], l.slots[fields:]
	return made
}

// Source is where values come from that nobody has asked for yet, nil if there are none.
func (s *Struct) Source() (source FieldSource, row int) { return s.source, s.row }

// IsUnread says whether nobody has asked for a field's value yet.
func (s *Struct) IsUnread(field int) bool {
	_, ok := s.slots[field].(unread)
	return ok
}

// At is the value of the field at a place, without its default.
func (s *Struct) At(field int) any { return s.slot(field) }

// slot is the value of a field.
func (s *Struct) slot(i int) any {
	if _, ok := s.slots[i].(unread); ok {
		s.slots[i] = s.source.Field(s.row, i)
	}
	return s.slots[i]
}

// NewStruct is a struct whose fields are not set.
func NewStruct(schema *Schema) *Struct {
	return &Struct{schema: schema, slots: make([]any, len(schema.Fields))}
}

// StructOfSlots is a struct with these values, one for each field of the schema; it takes the slice over.
func StructOfSlots(schema *Schema, slots []any) (*Struct, error) {
	if schema == nil || schema.Type != StructType || len(slots) != len(schema.Fields) {
		return nil, fmt.Errorf("a struct needs a STRUCT schema and a value for each of its fields, found %d values", len(slots))
	}
	return &Struct{schema: schema, slots: slots}, nil
}

// Schema is what the struct has fields of.
func (s *Struct) Schema() *Schema { return s.schema }

// Slots are the values in the order of the fields. The slice belongs to the struct.
func (s *Struct) Slots() []any {
	if s.source != nil {
		for i := range s.slots {
			s.slot(i)
		}
		s.source = nil
	}
	return s.slots
}

// Get is the value of a field, its default if it is not set; nil if there is no such field.
func (s *Struct) Get(name string) any {
	i := s.schema.Field(name)
	if i < 0 {
		return nil
	}
	if value := s.slot(i); value != nil {
		return value
	}
	return s.schema.Fields[i].Schema.Default
}

// GetWithoutDefault is the value of a field, nil if it is not set or there is none of this name.
func (s *Struct) GetWithoutDefault(name string) any {
	if i := s.schema.Field(name); i >= 0 {
		return s.slot(i)
	}
	return nil
}

// Set gives a field its value. It fails, in Connect's words, if there is no such field.
func (s *Struct) Set(name string, value any) error {
	i := s.schema.Field(name)
	if i < 0 {
		return fmt.Errorf("%s is not a valid field name", name)
	}
	s.slots[i] = value
	return nil
}

// Clone is a struct whose fields can be set without changing this one.
func (s *Struct) Clone() *Struct {
	copied := *s
	copied.slots = append([]any(nil), s.slots...)
	return &copied
}

// Equal says whether two values are equal as Java's equals sees it: of the same type, floats by bits (NaN equals NaN, 0.0
// differs from -0.0), maps without regard to order.
func Equal(a, b any) bool {
	switch a := a.(type) {
	case nil:
		return b == nil
	case float32:
		b, ok := b.(float32)
		return ok && (math.Float32bits(a) == math.Float32bits(b) || a != a && b != b)
	case float64:
		b, ok := b.(float64)
		return ok && (math.Float64bits(a) == math.Float64bits(b) || a != a && b != b)
	case []byte:
		b, ok := b.([]byte)
		return ok && bytes.Equal(a, b)
	case Decimal:
		b, ok := b.(Decimal)
		return ok && a.Scale == b.Scale && a.Unscaled.Cmp(b.Unscaled) == 0
	case *big.Int:
		b, ok := b.(*big.Int)
		return ok && a.Cmp(b) == 0
	case time.Time:
		b, ok := b.(time.Time)
		return ok && a.UnixMilli() == b.UnixMilli()
	case []any:
		b, ok := b.([]any)
		return ok && equalLists(a, b)
	case *Map:
		b, ok := b.(*Map)
		return ok && equalMaps(a, b)
	case *Struct:
		b, ok := b.(*Struct)
		return ok && a.schema.Equal(b.schema) && equalLists(a.Slots(), b.Slots())
	case bool, int, int8, int16, int32, int64, string:
		return a == b
	}
	return false
}

func equalLists(a, b []any) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !Equal(a[i], b[i]) {
			return false
		}
	}
	return true
}

func equalMaps(a, b *Map) bool {
	if a.Len() != b.Len() {
		return false
	}
	for key, value := range a.All() {
		other, ok := b.Lookup(key)
		if !ok || !Equal(value, other) {
			return false
		}
	}
	return true
}
