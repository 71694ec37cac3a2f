package batch

import (
	"errors"

	"millstream.dev/sdk/data"
)

// ErrTooDeep and ErrTooManySchemas are why a value does not fit into a batch.
var (
	ErrTooDeep        = errors.New("the value is nested deeper than 1000 levels")
	ErrTooManySchemas = errors.New("the batch has too many different schemas")
)

// mostCached is how many schemas are kept parsed; with more, the cache starts anew.
const mostCached = 4096

// Parsed schemas by their bytes, and bytes by parsed schema: so that equal schemas of all batches are one pointer.
var (
	schemaOfBytes = map[string]*data.Schema{}
	bytesOfSchema = map[*data.Schema]string{}
)

// Schemas are the schemas of a batch. Blocks, headers and variants name them by their places.
type Schemas struct {
	bytes  []string
	parsed []*data.Schema
}

// Get is the schema at a place, nil if there is none.
func (s *Schemas) Get(place int) *data.Schema {
	schema, err := s.get(place)
	if err != nil {
		// The host checks what it hands over, and Check what is in doubt.
		panic("batch: " + err.Error())
	}
	return schema
}

func (s *Schemas) get(place int) (*data.Schema, error) {
	if s == nil || place < 0 || place >= len(s.bytes) {
		return nil, nil
	}
	if s.parsed[place] == nil {
		encoded := s.bytes[place]
		schema, known := schemaOfBytes[encoded]
		if !known {
			var err error
			if schema, err = decodeSchema([]byte(encoded)); err != nil {
				return nil, err
			}
			remember(encoded, schema)
		}
		s.parsed[place] = schema
	}
	return s.parsed[place], nil
}

// Place is the place of a schema, which is added if it is new.
func (s *Schemas) Place(schema *data.Schema) (int, error) {
	for place, parsed := range s.parsed {
		if parsed == schema {
			return place, nil
		}
	}
	encoded, known := bytesOfSchema[schema]
	if !known {
		made, err := encodeSchema(nil, schema, 0)
		if err != nil {
			return 0, err
		}
		encoded = string(made)
		if len(bytesOfSchema) >= mostCached {
			clear(bytesOfSchema)
		}
		bytesOfSchema[schema] = encoded
	}
	for place, other := range s.bytes {
		if other == encoded {
			return place, nil
		}
	}
	if len(s.bytes) == noSchema16 {
		return 0, ErrTooManySchemas
	}
	s.bytes, s.parsed = append(s.bytes, encoded), append(s.parsed, schema)
	return len(s.bytes) - 1, nil
}

// Len is the number of schemas.
func (s *Schemas) Len() int { return len(s.bytes) }

// Clone is the same schemas at the same places, to which others can be added.
func (s *Schemas) Clone() Schemas {
	return Schemas{append([]string(nil), s.bytes...), append([]*data.Schema(nil), s.parsed...)}
}

func remember(encoded string, schema *data.Schema) {
	if len(schemaOfBytes) >= mostCached {
		clear(schemaOfBytes)
		clear(bytesOfSchema)
	}
	schemaOfBytes[encoded] = schema
	bytesOfSchema[schema] = encoded
}
