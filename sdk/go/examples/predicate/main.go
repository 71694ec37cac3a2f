// A predicate: holds for records whose text contains another text.
package main

import (
	"strings"

	"millstream.dev/sdk"
	"millstream.dev/sdk/config"
)

func init() {
	sdk.RegisterRecordPredicate(sdk.Plugin{
		Class: "org.example.Contains", Version: "1", Doc: "Whether a text value contains a text.",
	}, func(config *ContainsConfig) (*Contains, error) { return &Contains{config.Text}, nil })
}

func main() {}

// ContainsConfig says what to look for.
type ContainsConfig struct{ Text string }

// Keys declares the keys.
func (c *ContainsConfig) Keys(keys *config.Keys) {
	keys.String(&c.Text, "text").Required().NonEmpty().Importance(config.High).Doc("What to look for.")
}

// Contains is the predicate.
type Contains struct{ text string }

// Test says whether it holds for a record.
func (c *Contains) Test(record *sdk.Record) (bool, error) {
	value, ok := record.Value.(string)
	return ok && strings.Contains(value, c.text), nil
}
