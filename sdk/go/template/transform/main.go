// Command __NAME__ is a plugin of Millstream: a transform that turns text into capitals.
package main

import (
	"strings"

	"millstream.dev/sdk"
	"millstream.dev/sdk/config"
	"millstream.dev/sdk/data"
)

func init() {
	sdk.RegisterRecordTransform(sdk.Plugin{
		Class:   "__CLASS__",
		Version: "0.1.0",
		Doc:     "Capitals for the text in a field of the value, or for the whole value.",
	}, func(config *__TYPE__Config) (*__TYPE__, error) { return &__TYPE__{config.Field}, nil })
}

func main() {}

// __TYPE__Config is what a user can set.
type __TYPE__Config struct{ Field string }

// Keys declares the keys, once for the host and for the plugin.
func (c *__TYPE__Config) Keys(keys *config.Keys) {
	keys.String(&c.Field, "field").Default("").Doc("Field whose text is changed; the whole value if it is empty.")
}

// __TYPE__ is the transform.
type __TYPE__ struct{ field string }

// Apply changes one record. An error fails this record alone.
func (t *__TYPE__) Apply(record *sdk.Record) (*sdk.Record, error) {
	if t.field == "" {
		changed, err := upper(record.Value)
		record.Value = changed
		return record, err
	}
	switch value := record.Value.(type) {
	case *data.Struct:
		if value.GetWithoutDefault(t.field) == nil {
			return record, nil
		}
		changed, err := upper(value.Get(t.field))
		if err != nil {
			return nil, sdk.InField(err, t.field)
		}
		return record, value.Set(t.field, changed)
	case *data.Map:
		found, ok := value.Lookup(t.field)
		if !ok {
			return record, nil
		}
		changed, err := upper(found)
		if err != nil {
			return nil, sdk.InField(err, t.field)
		}
		value.Set(t.field, changed)
	}
	return record, nil
}

func upper(value any) (any, error) {
	switch value := value.(type) {
	case nil:
		return nil, nil
	case string:
		return strings.ToUpper(value), nil
	}
	return nil, sdk.BadData("expected text, found a %s", data.JavaClass(value))
}
