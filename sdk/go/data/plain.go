package data

import (
	"fmt"
	"math"
	"math/big"
	"reflect"
	"sort"
	"time"
)

// Plain is a value of the types that package data lists, made of any Go value: maps with text keys become a [Map] in the
// order of their keys, slices a list, structs a [Map] of their fields as [Marshal] names them, other integers the INT that
// holds them, pointers what they point at.
func Plain(value any) (any, error) { return PlainFor(value, nil) }

// PlainFor is [Plain] for a place where the schema is known: structs and maps become a [Struct] if it is that of one.
func PlainFor(value any, schema *Schema) (any, error) {
	switch value := value.(type) {
	case nil, bool, int8, int16, int32, int64, float32, float64, string, []byte, Decimal, *big.Int, time.Time, *Struct:
		return value, nil
	case int:
		return sized(int64(value), schema), nil
	case []any:
		return value, nil
	case *Map:
		if value == nil {
			return nil, nil
		}
		return value, nil
	}
	return plainOf(reflect.ValueOf(value), schema)
}

func sized(value int64, schema *Schema) any {
	if schema != nil {
		switch {
		case schema.Type == Int8 && value == int64(int8(value)):
			return int8(value)
		case schema.Type == Int16 && value == int64(int16(value)):
			return int16(value)
		case schema.Type == Int32 && value == int64(int32(value)):
			return int32(value)
		case schema.Type == Float32:
			return float32(value)
		case schema.Type == Float64:
			return float64(value)
		}
	}
	return value
}

func plainOf(value reflect.Value, schema *Schema) (any, error) {
	switch value.Kind() {
	case reflect.Pointer, reflect.Interface:
		if value.IsNil() {
			return nil, nil
		}
		if value.Type().Elem().Kind() == reflect.Struct && value.Type() == reflect.TypeFor[*time.Time]() {
			return value.Elem().Interface(), nil
		}
		return PlainFor(value.Elem().Interface(), schema)
	case reflect.Bool:
		return value.Bool(), nil
	case reflect.String:
		return value.String(), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return sized(value.Int(), schema), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if value.Uint() > math.MaxInt64 {
			return new(big.Int).SetUint64(value.Uint()), nil
		}
		return sized(int64(value.Uint()), schema), nil
	case reflect.Float32, reflect.Float64:
		return value.Float(), nil
	case reflect.Slice, reflect.Array:
		if value.Kind() == reflect.Slice && value.Type().Elem().Kind() == reflect.Uint8 {
			return value.Bytes(), nil
		}
		var element *Schema
		if schema != nil {
			element = schema.Element
		}
		list := make([]any, value.Len())
		for i := range list {
			var err error
			if list[i], err = PlainFor(value.Index(i).Interface(), element); err != nil {
				return nil, err
			}
		}
		return list, nil
	case reflect.Map:
		return plainMap(value, schema)
	case reflect.Struct:
		return marshal(value, schema)
	}
	return nil, fmt.Errorf("a %s has no form in Connect's data", value.Type())
}

func plainMap(value reflect.Value, schema *Schema) (any, error) {
	if value.IsNil() {
		return nil, nil
	}
	keys := value.MapKeys()
	sort.Slice(keys, func(i, j int) bool {
		if keys[i].Kind() == reflect.String && keys[j].Kind() == reflect.String {
			return keys[i].String() < keys[j].String()
		}
		return fmt.Sprint(keys[i].Interface()) < fmt.Sprint(keys[j].Interface())
	})
	if schema != nil && schema.Type == StructType {
		made := NewStruct(schema)
		for _, key := range keys {
			at := schema.Field(fmt.Sprint(key.Interface()))
			if at < 0 {
				return nil, fmt.Errorf("%v is not a valid field name", key.Interface())
			}
			var err error
			if made.slots[at], err = PlainFor(value.MapIndex(key).Interface(), schema.Fields[at].Schema); err != nil {
				return nil, err
			}
		}
		return made, nil
	}
	var keySchema, valueSchema *Schema
	if schema != nil {
		keySchema, valueSchema = schema.Key, schema.Value
	}
	entries := make([]Entry, 0, len(keys))
	for _, key := range keys {
		k, err := PlainFor(key.Interface(), keySchema)
		if err != nil {
			return nil, err
		}
		v, err := PlainFor(value.MapIndex(key).Interface(), valueSchema)
		if err != nil {
			return nil, err
		}
		entries = append(entries, Entry{k, v})
	}
	return MapOfEntries(entries), nil
}
