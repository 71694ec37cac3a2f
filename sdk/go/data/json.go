package data

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"time"
)

// ParseJSON is JSON as schemaless data: objects become a [Map] in their order, integers INT64 (a big integer where that
// does not hold them), other numbers FLOAT64.
func ParseJSON(text []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	value, err := parseJSON(decoder)
	if err != nil {
		return nil, fmt.Errorf("read JSON: %w", err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, fmt.Errorf("read JSON: something stands behind the value, at byte %d", decoder.InputOffset())
	}
	return value, nil
}

func parseJSON(decoder *json.Decoder) (any, error) {
	token, err := decoder.Token()
	if err != nil {
		return nil, err
	}
	switch token := token.(type) {
	case json.Number:
		if number, err := token.Int64(); err == nil {
			return number, nil
		}
		if number, ok := new(big.Int).SetString(token.String(), 10); ok {
			return number, nil
		}
		return token.Float64()
	case json.Delim:
		if token == '[' {
			list := []any{}
			for decoder.More() {
				item, err := parseJSON(decoder)
				if err != nil {
					return nil, err
				}
				list = append(list, item)
			}
			_, err = decoder.Token()
			return list, err
		}
		object := &Map{}
		for decoder.More() {
			name, err := decoder.Token()
			if err != nil {
				return nil, err
			}
			value, err := parseJSON(decoder)
			if err != nil {
				return nil, err
			}
			object.Set(name, value)
		}
		_, err = decoder.Token()
		return object, err
	}
	return token, nil
}

// MarshalJSON is a JSON object in the map's order; keys that are no text are written as [Text] writes them.
func (m *Map) MarshalJSON() ([]byte, error) {
	out := []byte{'{'}
	for i, entry := range m.Entries() {
		if i > 0 {
			out = append(out, ',')
		}
		var err error
		if out, err = appendMember(out, Text(entry.Key), entry.Value); err != nil {
			return nil, err
		}
	}
	return append(out, '}'), nil
}

// MarshalJSON is a JSON object of all fields in the schema's order.
func (s *Struct) MarshalJSON() ([]byte, error) {
	out := []byte{'{'}
	for i, slot := range s.Slots() {
		if i > 0 {
			out = append(out, ',')
		}
		var err error
		if out, err = appendMember(out, s.schema.Fields[i].Name, slot); err != nil {
			return nil, err
		}
	}
	return append(out, '}'), nil
}

// MarshalJSON is a JSON number.
func (d Decimal) MarshalJSON() ([]byte, error) { return []byte(d.String()), nil }

func appendMember(out []byte, name string, value any) ([]byte, error) {
	text, err := json.Marshal(name)
	if err != nil {
		return nil, err
	}
	out = append(append(out, text...), ':')
	if at, ok := value.(time.Time); ok {
		value = at.UnixMilli()
	}
	text, err = json.Marshal(value)
	return append(out, text...), err
}
