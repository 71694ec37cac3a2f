// Command __NAME__ is a plugin of Millstream: a predicate that looks for text in a field.
package main

import (
	"strings"

	"millstream.dev/sdk"
	"millstream.dev/sdk/config"
	"millstream.dev/sdk/data"
)

func init() {
	sdk.RegisterRecordPredicate(sdk.Plugin{
		Class:   "__CLASS__",
		Version: "0.1.0",
		Doc:     "Whether the text in a field of the value, or the whole value, contains a text.",
	}, func(config *__TYPE__Config) (*__TYPE__, error) { return &__TYPE__{config}, nil })
}

func main() {}

// __TYPE__Config is what a user can set.
type __TYPE__Config struct{ Field, Text string }

// Keys declares the keys, once for the host and for the plugin.
func (c *__TYPE__Config) Keys(keys *config.Keys) {
	keys.String(&c.Field, "field").Default("").Doc("Field that is looked at; the whole value if it is empty.")
	keys.String(&c.Text, "text").Required().NonEmpty().Importance(config.High).Doc("What to look for.")
}

// __TYPE__ is the predicate.
type __TYPE__ struct{ config *__TYPE__Config }

// Test says whether it holds for a record.
func (p *__TYPE__) Test(record *sdk.Record) (bool, error) {
	value := record.Value
	if p.config.Field != "" {
		switch whole := value.(type) {
		case *data.Struct:
			value = whole.Get(p.config.Field)
		case *data.Map:
			value = whole.Get(p.config.Field)
		default:
			return false, nil
		}
	}
	text, ok := value.(string)
	return ok && strings.Contains(text, p.config.Text), nil
}
