package batch

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"millstream.dev/sdk/data"
)

const (
	schemaOptional   = 1
	schemaName       = 2
	schemaVersion    = 4
	schemaDoc        = 8
	schemaParameters = 16
	schemaDefault    = 32
)

func encodeSchema(out []byte, schema *data.Schema, depth int) ([]byte, error) {
	if depth >= maxSchemaDepth {
		return out, errors.New("a schema is nested deeper than 64 levels")
	}
	var flags byte
	for _, flag := range [...]struct {
		set  bool
		flag byte
	}{
		{schema.Optional, schemaOptional}, {schema.Name != nil, schemaName}, {schema.Version != nil, schemaVersion},
		{schema.Doc != nil, schemaDoc}, {schema.Parameters != nil, schemaParameters}, {schema.Default != nil, schemaDefault},
	} {
		if flag.set {
			flags |= flag.flag
		}
	}
	out = append(out, byte(schema.Type), flags)
	if schema.Name != nil {
		out = appendText(out, *schema.Name)
	}
	if schema.Version != nil {
		out = le.AppendUint32(out, uint32(*schema.Version))
	}
	if schema.Doc != nil {
		out = appendText(out, *schema.Doc)
	}
	if schema.Parameters != nil {
		out = le.AppendUint32(out, uint32(len(schema.Parameters)))
		for _, parameter := range schema.Parameters {
			out = appendText(appendText(out, parameter.Key), parameter.Value)
		}
	}
	if schema.Default != nil {
		// Defaults stand alone, so every name is inline.
		writer := variantWriter{}
		if err := writer.value(withoutSchemas(schema.Default, schema), 0); err != nil {
			return out, fmt.Errorf("the default of a schema: %w", err)
		}
		out = append(le.AppendUint32(out, uint32(len(writer.out))), writer.out...)
	}
	inner := func(schema *data.Schema) (err error) {
		if schema == nil {
			out = append(out, 0)
			return nil
		}
		out, err = encodeSchema(append(out, 1), schema, depth+1)
		return err
	}
	switch schema.Type {
	case data.Array:
		return out, inner(schema.Element)
	case data.MapType:
		if err := inner(schema.Key); err != nil {
			return out, err
		}
		return out, inner(schema.Value)
	case data.StructType:
		out = le.AppendUint32(out, uint32(len(schema.Fields)))
		for _, field := range schema.Fields {
			var err error
			if out, err = encodeSchema(appendText(out, field.Name), field.Schema, depth+1); err != nil {
				return out, err
			}
		}
	}
	return out, nil
}

func appendText(out []byte, text string) []byte {
	return append(le.AppendUint32(out, uint32(len(text))), text...)
}

// withoutSchemas is a default with its structs as lists of their slots: the schema says what they are.
func withoutSchemas(value any, schema *data.Schema) any {
	if schema == nil {
		return value
	}
	switch value := value.(type) {
	case *data.Struct:
		if schema.Type == data.StructType && len(value.Slots()) == len(schema.Fields) {
			slots := make([]any, len(schema.Fields))
			for i, slot := range value.Slots() {
				slots[i] = withoutSchemas(slot, schema.Fields[i].Schema)
			}
			return slots
		}
	case []any:
		if schema.Type == data.Array {
			list := make([]any, len(value))
			for i, item := range value {
				list[i] = withoutSchemas(item, schema.Element)
			}
			return list
		}
	case *data.Map:
		if schema.Type == data.MapType {
			entries := make([]data.Entry, 0, value.Len())
			for k, v := range value.All() {
				entries = append(entries, data.Entry{Key: withoutSchemas(k, schema.Key), Value: withoutSchemas(v, schema.Value)})
			}
			return data.MapOfEntries(entries)
		}
	}
	return value
}

// withSchemas is the default that was written so.
func withSchemas(value any, schema *data.Schema) (any, error) {
	if schema == nil {
		return value, nil
	}
	switch value := value.(type) {
	case []any:
		if schema.Type == data.StructType {
			if len(value) != len(schema.Fields) {
				return nil, errors.New("the default of a struct schema has another number of fields")
			}
			for i := range value {
				var err error
				if value[i], err = withSchemas(value[i], schema.Fields[i].Schema); err != nil {
					return nil, err
				}
			}
			return data.StructOfSlots(schema, value)
		}
		if schema.Type == data.Array {
			for i := range value {
				var err error
				if value[i], err = withSchemas(value[i], schema.Element); err != nil {
					return nil, err
				}
			}
		}
	case *data.Map:
		if schema.Type == data.MapType {
			entries := value.Entries()
			for i := range entries {
				var err error
				if entries[i].Key, err = withSchemas(entries[i].Key, schema.Key); err != nil {
					return nil, err
				}
				if entries[i].Value, err = withSchemas(entries[i].Value, schema.Value); err != nil {
					return nil, err
				}
			}
		}
	}
	return value, nil
}

var errSchemaCutOff = errors.New("a schema is cut off")

func decodeSchema(encoded []byte) (*data.Schema, error) {
	reader := schemaReader{encoded}
	schema, err := reader.schema(0)
	if err == nil && len(reader.rest) != 0 {
		err = errors.New("bytes are left over behind a schema")
	}
	return schema, err
}

type schemaReader struct{ rest []byte }

func (r *schemaReader) take(count int) ([]byte, error) {
	if count < 0 || len(r.rest) < count {
		return nil, errSchemaCutOff
	}
	taken := r.rest[:count]
	r.rest = r.rest[count:]
	return taken, nil
}

func (r *schemaReader) u32() (uint32, error) {
	taken, err := r.take(4)
	if err != nil {
		return 0, err
	}
	return le.Uint32(taken), nil
}

func (r *schemaReader) sized() ([]byte, error) {
	count, err := r.u32()
	if err != nil {
		return nil, err
	}
	return r.take(int(count))
}

func (r *schemaReader) text() (*string, error) {
	taken, err := r.sized()
	if err != nil {
		return nil, err
	}
	if !utf8.Valid(taken) {
		return nil, errors.New("a text of a schema is not UTF-8")
	}
	text := string(taken)
	return &text, nil
}

func (r *schemaReader) schema(depth int) (*data.Schema, error) {
	if depth >= maxSchemaDepth {
		return nil, errors.New("a schema is nested deeper than 64 levels")
	}
	head, err := r.take(2)
	if err != nil {
		return nil, err
	}
	if head[0] > byte(data.StructType) || head[1] > 63 {
		return nil, fmt.Errorf("unknown schema type %d or flags %d", head[0], head[1])
	}
	flags := head[1]
	schema := &data.Schema{Type: data.Type(head[0]), Optional: flags&schemaOptional != 0}
	if flags&schemaName != 0 {
		if schema.Name, err = r.text(); err != nil {
			return nil, err
		}
	}
	if flags&schemaVersion != 0 {
		number, err := r.u32()
		if err != nil {
			return nil, err
		}
		signed := int32(number)
		schema.Version = &signed
	}
	if flags&schemaDoc != 0 {
		if schema.Doc, err = r.text(); err != nil {
			return nil, err
		}
	}
	if flags&schemaParameters != 0 {
		if schema.Parameters, err = r.parameters(); err != nil {
			return nil, err
		}
	}
	var defaulted []byte
	if flags&schemaDefault != 0 {
		if defaulted, err = r.sized(); err != nil {
			return nil, err
		}
		if err := checkVariant(defaulted, nil, nil); err != nil {
			return nil, fmt.Errorf("the default of a schema is damaged: %w", err)
		}
	}
	switch schema.Type {
	case data.Array:
		schema.Element, err = r.inner(depth)
	case data.MapType:
		if schema.Key, err = r.inner(depth); err == nil {
			schema.Value, err = r.inner(depth)
		}
	case data.StructType:
		var fields []data.Field
		if fields, err = r.fields(depth); err == nil {
			var made *data.Schema
			if made, err = data.NewStructSchema(fields...); err == nil {
				made.Optional, made.Name, made.Version = schema.Optional, schema.Name, schema.Version
				made.Doc, made.Parameters = schema.Doc, schema.Parameters
				schema = made
			}
		}
	}
	if err != nil {
		return nil, err
	}
	if defaulted != nil {
		value, _ := readVariant(defaulted, nil, nil)
		// A struct that is a default is of the schema without it.
		plain := *schema
		if schema.Default, err = withSchemas(value, &plain); err != nil {
			return nil, err
		}
	}
	return schema, nil
}

func (r *schemaReader) parameters() ([]data.Parameter, error) {
	count, err := r.u32()
	if err != nil || len(r.rest)/8 < int(count) {
		return nil, errSchemaCutOff
	}
	parameters := make([]data.Parameter, 0, count)
	for range count {
		key, err := r.text()
		if err != nil {
			return nil, err
		}
		value, err := r.text()
		if err != nil {
			return nil, err
		}
		parameters = append(parameters, data.Parameter{Key: *key, Value: *value})
	}
	return parameters, nil
}

func (r *schemaReader) fields(depth int) ([]data.Field, error) {
	count, err := r.u32()
	// A field takes at least six bytes, so that the count cannot ask for more than is there.
	if err != nil || len(r.rest)/6 < int(count) {
		return nil, errSchemaCutOff
	}
	fields := make([]data.Field, 0, count)
	for range count {
		name, err := r.text()
		if err != nil {
			return nil, err
		}
		schema, err := r.schema(depth + 1)
		if err != nil {
			return nil, err
		}
		fields = append(fields, data.Field{Name: *name, Schema: schema})
	}
	return fields, nil
}

func (r *schemaReader) inner(depth int) (*data.Schema, error) {
	there, err := r.take(1)
	if err != nil || there[0] == 0 {
		return nil, err
	}
	return r.schema(depth + 1)
}
