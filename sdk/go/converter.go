package sdk

import (
	"millstream.dev/sdk/batch"
	"millstream.dev/sdk/config"
	"millstream.dev/sdk/data"
	"millstream.dev/sdk/internal/contract"
)

// Role is what a converter works on.
type Role uint8

// The roles.
const (
	KeyRole Role = iota
	ValueRole
	HeaderRole
)

// Subject is what is being converted.
type Subject struct {
	// Topic of the record.
	Topic string
	// Header is its key when headers are converted, else empty.
	Header string
}

// Converter turns one key, value or header at a time into the bytes that a topic keeps, and back.
type Converter interface {
	// ToConnect is schema and value of some bytes; nil stands for null. After an error the record has failed.
	ToConnect(subject Subject, bytes []byte) (*data.Schema, any, error)
	// FromConnect is the bytes of a value; nil stands for null, so that no bytes are []byte{}. After an error the record has
	// failed.
	FromConnect(subject Subject, schema *data.Schema, value any) ([]byte, error)
}

// BatchConverter converts whole batches. Bytes are schemaless values of the kind bytes, or null.
type BatchConverter interface {
	// ToConnect replaces the role's bytes of the active rows by data. A row alone goes to [Records.Fail].
	ToConnect(records *Records) error
	// FromConnect replaces the role's data of the active rows by bytes.
	FromConnect(records *Records) error
}

type converterMaker func(config.Map, Role) (BatchConverter, error)

// RegisterConverter adds a converter for keys and values to this component.
func RegisterConverter[P config.Pointer[C], C any, T Converter](plugin Plugin, configure func(P, Role) (T, error)) {
	register("converter", plugin, keysOf[P](), eachConverted(configure))
}

// RegisterHeaderConverter adds a converter for headers to this component.
func RegisterHeaderConverter[P config.Pointer[C], C any, T Converter](plugin Plugin, configure func(P, Role) (T, error)) {
	register("header_converter", plugin, keysOf[P](), eachConverted(configure))
}

// RegisterBatchConverter adds a converter of whole batches, for keys and values, to this component.
func RegisterBatchConverter[P config.Pointer[C], C any, T BatchConverter](plugin Plugin, configure func(P, Role) (T, error)) {
	register("converter", plugin, keysOf[P](), converterMaker(func(given config.Map, role Role) (BatchConverter, error) {
		parsed, err := parse[P](given)
		if err != nil {
			return nil, err
		}
		return configure(parsed, role)
	}))
}

func eachConverted[P config.Pointer[C], C any, T Converter](configure func(P, Role) (T, error)) converterMaker {
	return func(given config.Map, role Role) (BatchConverter, error) {
		parsed, err := parse[P](given)
		if err != nil {
			return nil, err
		}
		made, err := configure(parsed, role)
		if err != nil {
			return nil, err
		}
		return EachValue(made, role), nil
	}
}

// EachValue is a converter of single values as one of batches: for tests.
func EachValue(converter Converter, role Role) BatchConverter { return eachValue{converter, role} }

type eachValue struct {
	converter Converter
	role      Role
}

func (e eachValue) ToConnect(records *Records) error {
	return e.convert(records, func(subject Subject, _ *data.Schema, value any) (*data.Schema, any, error) {
		switch value := value.(type) {
		case nil:
			return e.converter.ToConnect(subject, nil)
		case []byte:
			return e.converter.ToConnect(subject, value)
		}
		return nil, nil, BadData("expected bytes to convert, found a %s", data.JavaClass(value))
	})
}

func (e eachValue) FromConnect(records *Records) error {
	return e.convert(records, func(subject Subject, schema *data.Schema, value any) (*data.Schema, any, error) {
		bytes, err := e.converter.FromConnect(subject, schema, value)
		if bytes == nil {
			return nil, nil, err
		}
		return nil, bytes, err
	})
}

type conversion func(Subject, *data.Schema, any) (*data.Schema, any, error)

// once converts one value; a panic belongs to its row.
func (each conversion) once(subject Subject, schema *data.Schema, value any) (made *data.Schema, converted any, err error) {
	defer catch(&err, KindData)
	return each(subject, schema, value)
}

// convert replaces what the role names in every active row.
func (e eachValue) convert(records *Records, each conversion) error {
	table := records.Table()
	schemas := table.Schemas.Clone()
	failed := map[int]error{}
	var union batch.UnionBuilder
	var headers batch.HeadersBuilder
	side := &table.Values
	if e.role == KeyRole {
		side = &table.Keys
	}
	if e.role == HeaderRole {
		if table.Get(batch.HeadersRole) == nil {
			return nil
		}
		for row := range table.Rows {
			for _, header := range table.HeadersOf(row) {
				if !records.IsActive(row) {
					break
				}
				key := string([]byte(header.Key))
				schema, value, err := each.once(Subject{table.Topic(row), key}, header.Schema(), header.Value())
				if err == nil {
					if err = headers.Append(key, schema, value, &schemas); err != nil {
						err = BadData("put the header %s into a batch: %w", key, err)
					}
				}
				if err != nil {
					failed[row] = err
					headers.Truncate(row)
					break
				}
			}
			headers.EndRow()
		}
	} else {
		for row, place := range side.Places(table.Rows) {
			if records.IsActive(row) {
				schema, value := table.ValueAt(side, place)
				schema, value, err := each.once(Subject{Topic: string([]byte(table.Topic(row)))}, schema, value)
				if err == nil {
					if err = union.Append(schema, value, &schemas); err != nil {
						err = BadData("put a converted value into a batch: %w", err)
					}
				}
				if err == nil {
					continue
				}
				failed[row] = err
			}
			// Rows that are not under way, or have just failed, keep their places.
			union.AppendNull()
		}
	}
	edited := records.Edit()
	*edited.Schemas = schemas
	if e.role == HeaderRole {
		edited.Remove(batch.HeadersRole)
		if column := headers.Finish(); column != nil {
			edited.Set(batch.HeadersRole, column)
		}
	} else {
		*side = union.Finish()
	}
	for row := range table.Rows {
		if err := failed[row]; err != nil {
			records.Fail(row, err)
		}
	}
	return nil
}

// converterOf is a converter as the host holds it.
type converterOf struct{ converter BatchConverter }

func (c converterOf) run(bytes []byte, convert func(*Records) error) (outcome contract.Outcome, failed *contract.Error) {
	failed = lower(func() (err error) {
		defer catch(&err, KindFatal)
		table, err := batch.Open(bytes)
		if err != nil {
			return Fatal("read the batch: %w", err)
		}
		records := &Records{table: table}
		if err := convert(records); err != nil {
			return err
		}
		outcome, err = records.outcome()
		return err
	}())
	return outcome, failed
}

func (c converterOf) ToConnect(bytes []byte) (contract.Outcome, *contract.Error) {
	return c.run(bytes, c.converter.ToConnect)
}

func (c converterOf) FromConnect(bytes []byte) (contract.Outcome, *contract.Error) {
	return c.run(bytes, c.converter.FromConnect)
}
