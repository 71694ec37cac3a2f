// A converter: maps as text of the form a=1;b=2.
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
		Class: "org.example.PairsConverter", Version: "1", Doc: "Maps as `a=1;b=2`.",
	}, func(*config.None, sdk.Role) (PairsConverter, error) { return PairsConverter{}, nil })
}

func main() {}

// PairsConverter is the converter.
type PairsConverter struct{}

// ToConnect reads pairs.
func (PairsConverter) ToConnect(_ sdk.Subject, bytes []byte) (*data.Schema, any, error) {
	if bytes == nil {
		return nil, nil, nil
	}
	if !utf8.Valid(bytes) {
		return nil, nil, sdk.BadData("read pairs: the bytes are not UTF-8")
	}
	pairs := data.NewMap()
	for pair := range strings.SplitSeq(string(bytes), ";") {
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

// FromConnect writes pairs.
func (PairsConverter) FromConnect(_ sdk.Subject, _ *data.Schema, value any) ([]byte, error) {
	if value == nil {
		return nil, nil
	}
	pairs, ok := value.(*data.Map)
	if !ok {
		return nil, sdk.BadData("expected a map, found a %s", data.JavaClass(value))
	}
	out := []byte{}
	for key, value := range pairs.All() {
		if len(out) > 0 {
			out = append(out, ';')
		}
		out = append(data.AppendText(out, key), '=')
		out = data.AppendText(out, value)
	}
	return out, nil
}
