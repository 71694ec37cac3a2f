// Package data is Kafka Connect's data model in Go: schemas, and the values that go with them.
//
// A value is a plain Go value:
//
//	null                  nil
//	BOOLEAN               bool
//	INT8 … INT64          int8, int16, int32, int64 (and int, which is written as INT64)
//	FLOAT32, FLOAT64      float32, float64
//	STRING, BYTES         string, []byte
//	ARRAY                 []any
//	MAP                   *Map, which keeps the order of its entries
//	STRUCT                *Struct
//	Decimal               Decimal
//	Date, Time, Timestamp time.Time, in UTC and to the millisecond
//	BigInteger (no schema has it)  *big.Int
//
// Where a value is written, maps, slices and structs of your own types are taken as well: see [Marshal].
package data

import "fmt"

// Type says what a schema describes.
type Type uint8

// The types of Kafka Connect, in the order in which the batch format numbers them.
const (
	Int8 Type = iota
	Int16
	Int32
	Int64
	Float32
	Float64
	Boolean
	String
	Bytes
	Array
	MapType
	StructType
)

var typeNames = [...]string{
	"INT8", "INT16", "INT32", "INT64", "FLOAT32", "FLOAT64", "BOOLEAN", "STRING", "BYTES", "ARRAY", "MAP", "STRUCT",
}

// String is the upper-case name that Connect's messages use.
func (t Type) String() string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return fmt.Sprintf("Type(%d)", uint8(t))
}

// Names of the logical types. A schema is of a logical type by its name alone.
const (
	DecimalName   = "org.apache.kafka.connect.data.Decimal"
	DateName      = "org.apache.kafka.connect.data.Date"
	TimeName      = "org.apache.kafka.connect.data.Time"
	TimestampName = "org.apache.kafka.connect.data.Timestamp"
	// ScaleParameter is the parameter of a decimal schema that holds its scale, as text.
	ScaleParameter = "scale"
)

// Schema describes values. Do not change one that is in use: the methods that change something return a copy.
type Schema struct {
	Type Type
	// Optional says that null is allowed.
	Optional bool
	// Name is nil if there is none; an empty name is a name. Logical types are known by it.
	Name *string
	// Version is nil if there is none.
	Version *int32
	// Doc is nil if there is none.
	Doc *string
	// Parameters in the order they were set; nil if the schema has no such list. Equality disregards the order.
	Parameters []Parameter
	// Default is what null is read as; nil if there is none.
	Default any
	// Element of an ARRAY; nil only where text parsing found no common one.
	Element *Schema
	// Key and Value of a MAP; nil as Element.
	Key, Value *Schema
	// Fields of a STRUCT, in order. Names differ and are not empty.
	Fields []Field

	index map[string]int
}

// Parameter is a key of a schema with its text.
type Parameter struct{ Key, Value string }

// Field is a member of a STRUCT.
type Field struct {
	Name   string
	Schema *Schema
}

// Of is a required schema of a type without further attributes: for types that contain nothing.
func Of(t Type) *Schema { return &Schema{Type: t} }

// OptionalOf is an optional schema of a type: for types that contain nothing.
func OptionalOf(t Type) *Schema { return &Schema{Type: t, Optional: true} }

// ArrayOf is the schema of lists.
func ArrayOf(element *Schema) *Schema { return &Schema{Type: Array, Element: element} }

// MapOf is the schema of maps.
func MapOf(key, value *Schema) *Schema { return &Schema{Type: MapType, Key: key, Value: value} }

// StructOf is the schema of structs with these fields.
//
// It panics for a field without a name and for two of one name, in Connect's words. [NewStructSchema] returns an error.
func StructOf(fields ...Field) *Schema {
	schema, err := NewStructSchema(fields...)
	if err != nil {
		panic(err)
	}
	return schema
}

// NewStructSchema is the schema of structs with these fields, which may come from outside.
func NewStructSchema(fields ...Field) (*Schema, error) {
	index := make(map[string]int, len(fields))
	for i, field := range fields {
		if field.Name == "" {
			return nil, fmt.Errorf("fieldName cannot be null.") // These are Connect's own words, as below.
		}
		if _, ok := index[field.Name]; ok {
			return nil, fmt.Errorf("Cannot create field because of field name duplication %s", field.Name)
		}
		index[field.Name] = i
	}
	return &Schema{Type: StructType, Fields: fields, index: index}, nil
}

// DecimalOf is the schema of decimals with a scale.
func DecimalOf(scale int32) *Schema {
	return Of(Bytes).Named(DecimalName).WithVersion(1).WithParameter(ScaleParameter, fmt.Sprint(scale))
}

// DateSchema is that of days: time.Time at midnight in UTC.
func DateSchema() *Schema { return Of(Int32).Named(DateName).WithVersion(1) }

// TimeSchema is that of times of day: time.Time on 1970-01-01 in UTC.
func TimeSchema() *Schema { return Of(Int32).Named(TimeName).WithVersion(1) }

// TimestampSchema is that of instants.
func TimestampSchema() *Schema { return Of(Int64).Named(TimestampName).WithVersion(1) }

func (s *Schema) with(change func(*Schema)) *Schema {
	copied := *s
	change(&copied)
	return &copied
}

// AsOptional is the same schema, of which null is a value.
func (s *Schema) AsOptional() *Schema { return s.with(func(s *Schema) { s.Optional = true }) }

// AsRequired is the same schema, of which null is no value.
func (s *Schema) AsRequired() *Schema { return s.with(func(s *Schema) { s.Optional = false }) }

// WithFields is the same STRUCT schema with other fields, which must have names that differ.
func (s *Schema) WithFields(fields ...Field) (*Schema, error) {
	made, err := NewStructSchema(fields...)
	if err != nil {
		return nil, err
	}
	return s.with(func(s *Schema) { s.Fields, s.index = made.Fields, made.index }), nil
}

// Named is the same schema under a name.
func (s *Schema) Named(name string) *Schema { return s.with(func(s *Schema) { s.Name = &name }) }

// WithVersion is the same schema with a version.
func (s *Schema) WithVersion(version int32) *Schema {
	return s.with(func(s *Schema) { s.Version = &version })
}

// WithDoc is the same schema with a note.
func (s *Schema) WithDoc(doc string) *Schema { return s.with(func(s *Schema) { s.Doc = &doc }) }

// WithDefault is the same schema with a value that null is read as.
func (s *Schema) WithDefault(value any) *Schema { return s.with(func(s *Schema) { s.Default = value }) }

// WithParameter is the same schema with one parameter more.
func (s *Schema) WithParameter(key, value string) *Schema {
	return s.with(func(s *Schema) {
		s.Parameters = append(append([]Parameter(nil), s.Parameters...), Parameter{key, value})
	})
}

// SchemaName is the name, empty if there is none.
func (s *Schema) SchemaName() string {
	if s == nil || s.Name == nil {
		return ""
	}
	return *s.Name
}

// Parameter is the text of a parameter.
func (s *Schema) Parameter(key string) (string, bool) {
	for _, parameter := range s.Parameters {
		if parameter.Key == key {
			return parameter.Value, true
		}
	}
	return "", false
}

// fewFields is up to how many fields are looked through faster than an index.
const fewFields = 8

// Field is the place of a field of a STRUCT, -1 if it has none of this name.
func (s *Schema) Field(name string) int {
	if s == nil {
		return -1
	}
	if s.index != nil && len(s.Fields) > fewFields {
		if i, ok := s.index[name]; ok {
			return i
		}
		return -1
	}
	for i, field := range s.Fields {
		if field.Name == name {
			return i
		}
	}
	return -1
}

// IsDecimal says whether its values are Decimals: by its name alone.
func (s *Schema) IsDecimal() bool { return s.SchemaName() == DecimalName }

// IsInstant says whether its values are time.Times: by its name alone.
func (s *Schema) IsInstant() bool {
	name := s.SchemaName()
	return name == DateName || name == TimeName || name == TimestampName
}

// Equal says whether all attributes are equal. Nil, which stands for schemaless data, equals nil only.
func (s *Schema) Equal(other *Schema) bool {
	if s == other {
		return true
	}
	if s == nil || other == nil {
		return false
	}
	if s.Type != other.Type || s.Optional != other.Optional || !equalText(s.Name, other.Name) ||
		!equalText(s.Doc, other.Doc) || !sameParameters(s, other) || !Equal(s.Default, other.Default) {
		return false
	}
	if (s.Version == nil) != (other.Version == nil) || s.Version != nil && *s.Version != *other.Version {
		return false
	}
	if !s.Element.Equal(other.Element) || !s.Key.Equal(other.Key) || !s.Value.Equal(other.Value) ||
		len(s.Fields) != len(other.Fields) {
		return false
	}
	for i, field := range s.Fields {
		if field.Name != other.Fields[i].Name || !field.Schema.Equal(other.Fields[i].Schema) {
			return false
		}
	}
	return true
}

func equalText(a, b *string) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

func sameParameters(a, b *Schema) bool {
	if (a.Parameters == nil) != (b.Parameters == nil) || len(a.Parameters) != len(b.Parameters) {
		return false
	}
	for _, parameter := range a.Parameters {
		if found, ok := b.Parameter(parameter.Key); !ok || found != parameter.Value {
			return false
		}
	}
	return true
}
