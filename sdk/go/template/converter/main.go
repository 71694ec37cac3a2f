// Command __NAME__ is a plugin of Millstream: a converter for text of the form a=1;b=2.
package main

import (
	"strings"
	"unicode/utf8"

	"millstream.dev/sdk"
	"millstream.dev/sdk/config"
	"millstream.dev/sdk/data"
)

func init() {
	sdk.RegisterConverter(sdk.Plugin{
		Class:   "__CLASS__",
		Version: "0.1.0",
		Doc:     "Structs and maps as `a=1;b=2`.",
	}, func(config *__TYPE__Config, _ sdk.Role) (*__TYPE__, error) {
		return &__TYPE__{config.Separator}, nil
	})
}

func main() {}

// __TYPE__Config is what a user can set.
type __TYPE__Config struct{ Separator string }

// Keys declares the keys, once for the host and for the plugin.
func (c *__TYPE__Config) Keys(keys *config.Keys) {
	keys.String(&c.Separator, "separator").Default(";").NonEmpty().Doc("What stands between two pairs.")
}

// __TYPE__ is the converter.
type __TYPE__ struct{ separator string }

// ToConnect reads pairs as a map of texts.
func (c *__TYPE__) ToConnect(_ sdk.Subject, bytes []byte) (*data.Schema, any, error) {
	if bytes == nil {
		return nil, nil, nil
	}
	if !utf8.Valid(bytes) {
		return nil, nil, sdk.BadData("read pairs: the bytes are not UTF-8")
	}
	pairs := data.NewMap()
	for pair := range strings.SplitSeq(string(bytes), c.separator) {
		if pair == "" {
			continue
		}
		key, value, ok := strings.Cut(pair, "=")
		if !ok {
			return nil, nil, sdk.BadData("expected a pair with '=', found '%s'", pair)
		}
		pairs.Set(key, value)
	}
	return nil, pairs, nil
}

// FromConnect writes the fields of structs and maps.
func (c *__TYPE__) FromConnect(_ sdk.Subject, _ *data.Schema, value any) ([]byte, error) {
	out := []byte{}
	pair := func(key, value any) {
		if len(out) > 0 {
			out = append(out, c.separator...)
		}
		out = append(data.AppendText(out, key), '=')
		out = data.AppendText(out, value)
	}
	switch value := value.(type) {
	case nil:
		return nil, nil
	case *data.Struct:
		for i, field := range value.Schema().Fields {
			pair(field.Name, value.Slots()[i])
		}
	case *data.Map:
		for key, item := range value.All() {
			pair(key, item)
		}
	default:
		return nil, sdk.BadData("expected a struct or a map, found a %s", data.JavaClass(value))
	}
	return out, nil
}
