package main

import (
	"errors"
	"fmt"
	"strings"

	"millstream.dev/sdk/config"
	"millstream.dev/sdk/data"
)

// SourceConfig is the configuration of connector and task alike.
type SourceConfig struct {
	topic, mode             string
	records, perPoll, tasks int
	file, secret, helper    *string
	url, db                 *string
	flag                    *bool
	small                   *int16
	big                     *int64
	ratio                   *float64
	names                   []string
	even, low, high         int
	do                      string
	actions                 *Actions
	originals               config.Map
}

// Keys declares the keys.
func (c *SourceConfig) Keys(keys *config.Keys) {
	keys.String(&c.topic, "topic").Required().NonEmpty().Importance(config.High).Doc("Where records go.").
		Group("Kit", 1).Width(config.LongWidth).DisplayName("Topic")
	keys.String(&c.mode, "mode").Default("counter").OneOf("counter", "types", "lines").Doc("What records there are.")
	keys.Int(&c.records, "records").Default(3).Range(0, 1_000_000).Doc("How many records there are.")
	keys.Int(&c.perPoll, "per.poll").Default(2).Range(1, 10_000)
	keys.Int(&c.tasks, "tasks").Default(1).Range(1, 100)
	keys.OptString(&c.file, "file").Opens(config.ReadFile())
	keys.OptBool(&c.flag, "flag").Default(false).Dependents("small")
	keys.OptShort(&c.small, "small").Default(7)
	keys.OptLong(&c.big, "big").Default(9_007_199_254_740_993)
	keys.OptDouble(&c.ratio, "ratio").Default(0.5).Validator(config.Range(0, 1))
	keys.List(&c.names, "names").Default("a,b").NonEmptyList()
	keys.OptPassword(&c.secret, "secret")
	keys.OptClass(&c.helper, "helper").Recommended("org.example.A", "org.example.B")
	keys.Int(&c.even, "even").Default(2).Check(func() error {
		if c.even%2 != 0 {
			return errors.New("expected an even number")
		}
		return nil
	})
	keys.Int(&c.low, "low").Default(0)
	keys.Int(&c.high, "high").Default(10)
	keys.OptString(&c.url, "url").Opens(config.HTTPURL())
	keys.OptString(&c.db, "db").Opens(config.SQL(config.SQLKeys{}))
	doKey(&c.do, keys)
	keys.Originals(&c.originals)
}

// Check reads the actions.
func (c *SourceConfig) Check() (err error) {
	c.actions, err = parseActions(c.do)
	return err
}

func orNull[T any](value *T) string {
	if value == nil {
		return "null"
	}
	return data.Text(any(*value))
}

// seen is what was read of keys of all types.
func (c *SourceConfig) seen() string {
	secret := "null"
	if c.secret != nil {
		secret = "set"
	}
	return fmt.Sprintf("config flag=%s small=%s big=%s ratio=%s names=[%s] secret=%s helper=%s",
		orNull(c.flag), orNull(c.small), orNull(c.big), orNull(c.ratio), strings.Join(c.names, ", "), secret, orNull(c.helper))
}
