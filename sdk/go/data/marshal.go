package data

import (
	"fmt"
	"math/big"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// SchemaFor is the schema of structs of type T: a field for each exported one, in order, under its name or that of its tag.
//
//	type Order struct {
//		ID     int64      `connect:"id"`
//		Item   string     `connect:"item"`
//		Note   *string    `connect:"note"`              // pointers are optional
//		Price  Decimal    `connect:"price,scale=2"`
//		Placed time.Time  `connect:"placed"`            // a Timestamp; ",date" and ",time" are Date and Time
//		Tags   []string   `connect:"tags,optional"`
//		secret string                                   // not a field
//		Cache  any        `connect:"-"`                 // neither
//	}
//
// int is INT64. It panics for a type that Connect's data has no form for: that is a mistake which the first test shows.
func SchemaFor[T any]() *Schema {
	schema, err := schemaOf(reflect.TypeFor[T](), "")
	if err != nil {
		panic("data.SchemaFor: " + err.Error())
	}
	return schema
}

// Marshal is a Go struct as a [Struct] of a schema, mostly that of [SchemaFor]. Fields that the schema does not have are
// left out; those that the struct does not have are not set.
func Marshal(value any, schema *Schema) (*Struct, error) {
	if schema == nil || schema.Type != StructType {
		return nil, fmt.Errorf("a STRUCT schema is needed to make a struct of a %T", value)
	}
	made, err := PlainFor(value, schema)
	if err != nil {
		return nil, err
	}
	if made, ok := made.(*Struct); ok {
		return made, nil
	}
	return nil, fmt.Errorf("a %T is no struct", value)
}

// Unmarshal sets the fields of the struct that target points at from a [Struct] or [Map]. Fields that are null or missing
// become zero; pointers then are nil. A value of another type than its field's is an error that names the field.
func Unmarshal(value any, target any) error {
	into := reflect.ValueOf(target)
	if into.Kind() != reflect.Pointer || into.IsNil() || into.Elem().Kind() != reflect.Struct {
		return fmt.Errorf("data.Unmarshal needs a pointer to a struct, not a %T", target)
	}
	return assign(into.Elem(), value)
}

type tag struct {
	name     string
	optional bool
	scale    int32
	logical  string
}

func tagOf(field reflect.StructField) (tag, bool) {
	if !field.IsExported() {
		return tag{}, false
	}
	parts := strings.Split(field.Tag.Get("connect"), ",")
	if parts[0] == "-" {
		return tag{}, false
	}
	found := tag{name: parts[0]}
	if found.name == "" {
		found.name = field.Name
	}
	for _, part := range parts[1:] {
		switch {
		case part == "optional":
			found.optional = true
		case part == "date" || part == "time":
			found.logical = part
		case strings.HasPrefix(part, "scale="):
			scale, err := strconv.ParseInt(part[len("scale="):], 10, 32)
			if err != nil {
				panic("field " + field.Name + ": the scale in its connect tag is no number")
			}
			found.scale = int32(scale)
		default:
			panic("field " + field.Name + ": unknown word " + part + " in its connect tag")
		}
	}
	return found, true
}

func schemaOf(t reflect.Type, logical string) (*Schema, error) {
	return schemaOfTagged(t, tag{logical: logical})
}

func schemaOfTagged(t reflect.Type, tag tag) (*Schema, error) {
	schema, err := func() (*Schema, error) {
		switch t {
		case reflect.TypeFor[time.Time]():
			switch tag.logical {
			case "date":
				return DateSchema(), nil
			case "time":
				return TimeSchema(), nil
			}
			return TimestampSchema(), nil
		case reflect.TypeFor[Decimal]():
			return DecimalOf(tag.scale), nil
		case reflect.TypeFor[[]byte]():
			return Of(Bytes), nil
		}
		switch t.Kind() {
		case reflect.Bool:
			return Of(Boolean), nil
		case reflect.Int8:
			return Of(Int8), nil
		case reflect.Int16, reflect.Uint8:
			return Of(Int16), nil
		case reflect.Int32, reflect.Uint16:
			return Of(Int32), nil
		case reflect.Int, reflect.Int64, reflect.Uint32:
			return Of(Int64), nil
		case reflect.Float32:
			return Of(Float32), nil
		case reflect.Float64:
			return Of(Float64), nil
		case reflect.String:
			return Of(String), nil
		case reflect.Pointer:
			tag.optional = true
			return schemaOfTagged(t.Elem(), tag)
		case reflect.Slice, reflect.Array:
			element, err := schemaOfTagged(t.Elem(), withoutOptional(tag))
			return ArrayOf(element), err
		case reflect.Map:
			key, err := schemaOf(t.Key(), "")
			if err != nil {
				return nil, err
			}
			value, err := schemaOfTagged(t.Elem(), withoutOptional(tag))
			return MapOf(key, value), err
		case reflect.Struct:
			var fields []Field
			for i := range t.NumField() {
				tag, ok := tagOf(t.Field(i))
				if !ok {
					continue
				}
				schema, err := schemaOfTagged(t.Field(i).Type, tag)
				if err != nil {
					return nil, fmt.Errorf("field %s: %w", t.Field(i).Name, err)
				}
				fields = append(fields, Field{tag.name, schema})
			}
			return NewStructSchema(fields...)
		}
		return nil, fmt.Errorf("a %s has no form in Connect's data", t)
	}()
	if err != nil || !tag.optional {
		return schema, err
	}
	return schema.AsOptional(), nil
}

func withoutOptional(tag tag) tag {
	tag.optional = false
	return tag
}

// marshal makes a struct of a Go struct, a map without a schema.
func marshal(value reflect.Value, schema *Schema) (any, error) {
	made := &Map{}
	var structure *Struct
	if schema != nil && schema.Type == StructType {
		structure = NewStruct(schema)
	}
	for i := range value.NumField() {
		tag, ok := tagOf(value.Type().Field(i))
		if !ok {
			continue
		}
		var fieldSchema *Schema
		at := -1
		if structure != nil {
			if at = schema.Field(tag.name); at < 0 {
				continue
			}
			fieldSchema = schema.Fields[at].Schema
		}
		plain, err := PlainFor(value.Field(i).Interface(), fieldSchema)
		if err != nil {
			return nil, fmt.Errorf("field %s: %w", tag.name, err)
		}
		if structure != nil {
			structure.slots[at] = plain
		} else {
			made.Set(tag.name, plain)
		}
	}
	if structure != nil {
		return structure, nil
	}
	return made, nil
}

func assign(into reflect.Value, value any) error {
	if value == nil {
		into.SetZero()
		return nil
	}
	given := reflect.ValueOf(value)
	if given.Type().AssignableTo(into.Type()) {
		into.Set(given)
		return nil
	}
	misfit := func() error {
		return fmt.Errorf("expected what fits a Go %s, found a %s", into.Type(), JavaClass(value))
	}
	switch into.Kind() {
	case reflect.Pointer:
		made := reflect.New(into.Type().Elem())
		if err := assign(made.Elem(), value); err != nil {
			return err
		}
		into.Set(made)
		return nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		if given.CanInt() && !into.OverflowInt(given.Int()) {
			into.SetInt(given.Int())
			return nil
		}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if big, ok := value.(*big.Int); ok && big.IsUint64() && !into.OverflowUint(big.Uint64()) {
			into.SetUint(big.Uint64())
			return nil
		}
		if given.CanInt() && given.Int() >= 0 && !into.OverflowUint(uint64(given.Int())) {
			into.SetUint(uint64(given.Int()))
			return nil
		}
	case reflect.Float32, reflect.Float64:
		if given.CanFloat() {
			into.SetFloat(given.Float())
			return nil
		}
		if given.CanInt() {
			into.SetFloat(float64(given.Int()))
			return nil
		}
	case reflect.String:
		if text, ok := value.(string); ok {
			into.SetString(text)
			return nil
		}
	case reflect.Bool:
		if given.Kind() == reflect.Bool {
			into.SetBool(given.Bool())
			return nil
		}
	case reflect.Slice:
		list, ok := value.([]any)
		if !ok {
			return misfit()
		}
		made := reflect.MakeSlice(into.Type(), len(list), len(list))
		for i, item := range list {
			if err := assign(made.Index(i), item); err != nil {
				return fmt.Errorf("item %d: %w", i, err)
			}
		}
		into.Set(made)
		return nil
	case reflect.Map:
		entries, ok := value.(*Map)
		if !ok {
			return misfit()
		}
		made := reflect.MakeMapWithSize(into.Type(), entries.Len())
		for key, item := range entries.All() {
			k, v := reflect.New(into.Type().Key()).Elem(), reflect.New(into.Type().Elem()).Elem()
			if err := assign(k, key); err != nil {
				return err
			}
			if err := assign(v, item); err != nil {
				return fmt.Errorf("key %v: %w", key, err)
			}
			made.SetMapIndex(k, v)
		}
		into.Set(made)
		return nil
	case reflect.Struct:
		return assignFields(into, value, misfit)
	}
	return misfit()
}

func assignFields(into reflect.Value, value any, misfit func() error) error {
	var get func(string) any
	switch value := value.(type) {
	case *Struct:
		get = value.Get
	case *Map:
		get = func(name string) any { return value.Get(name) }
	default:
		return misfit()
	}
	for i := range into.NumField() {
		tag, ok := tagOf(into.Type().Field(i))
		if !ok {
			continue
		}
		if err := assign(into.Field(i), get(tag.name)); err != nil {
			return fmt.Errorf("field %s: %w", tag.name, err)
		}
	}
	return nil
}
