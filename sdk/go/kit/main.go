// Command kit is the guest of the conformance kit in Go: it does what its configuration says, and logs what it hears. Its
// specification is tests/kit/GUEST.md.
package main

import (
	"strings"
	"unicode/utf8"

	"millstream.dev/sdk"
	"millstream.dev/sdk/config"
	"millstream.dev/sdk/data"
)

const version = "1.0.0"

func main() {}

func init() {
	configure := func(c *ConverterConfig, _ sdk.Role) (*converter, error) { return &converter{c}, nil }
	sdk.RegisterConverter(sdk.Plugin{
		Class: "org.millstream.kit.KitConverter", Version: version, Doc: "Kit converter.",
	}, configure)
	sdk.RegisterHeaderConverter(sdk.Plugin{
		Class: "org.millstream.kit.KitHeaderConverter", Version: version, Doc: "Kit converter.",
	}, configure)
}

// ConverterConfig is the configuration of both converters.
type ConverterConfig struct {
	prefix string
	DoConfig
}

// Keys declares the keys.
func (c *ConverterConfig) Keys(keys *config.Keys) {
	keys.String(&c.prefix, "prefix").Default("")
	c.DoConfig.Keys(keys)
}

type converter struct{ config *ConverterConfig }

var optionalText = data.OptionalOf(data.String)

// ToConnect reads text.
func (c *converter) ToConnect(_ sdk.Subject, bytes []byte) (*data.Schema, any, error) {
	if err := c.config.actions.run("to-connect", nil); err != nil {
		return nil, nil, err
	}
	if bytes == nil {
		return optionalText, nil, nil
	}
	if !utf8.Valid(bytes) {
		return nil, nil, sdk.BadData("not UTF-8")
	}
	text, ok := strings.CutPrefix(string(bytes), c.config.prefix)
	if !ok {
		return nil, nil, sdk.BadData("expected the prefix %s", c.config.prefix)
	}
	return optionalText, text, nil
}

// FromConnect writes text.
func (c *converter) FromConnect(_ sdk.Subject, _ *data.Schema, value any) ([]byte, error) {
	if err := c.config.actions.run("from-connect", nil); err != nil || value == nil {
		return nil, err
	}
	if value == "fail data" {
		return nil, failure("data", "record")
	}
	return []byte(c.config.prefix + show(value)), nil
}
