package sdk

import (
	"millstream.dev/sdk/config"
	"millstream.dev/sdk/internal/contract"
)

// Connector divides the work of a connector among tasks. It moves no records itself. Most connectors need none of their
// own: see [RegisterSource] and [RegisterSink].
type Connector interface {
	// TaskConfigs are configurations for at most so many tasks. It is called again whenever the connector asks for it.
	TaskConfigs(maxTasks int) ([]config.Map, error)
}

// Stopper is implemented by connectors and tasks that have to end what they began.
type Stopper interface {
	// Stop is called once. Its error is logged only.
	Stop() error
}

// Findings collects what is wrong with a configuration.
type Findings struct{ list []config.Finding }

// Add says what is wrong with a key.
func (f *Findings) Add(key, problem string) {
	f.list = append(f.list, config.Finding{Key: key, Problem: problem})
}

// connecting is the part that sources and sinks share: a connector, before and after its start.
type connecting[P config.Pointer[C], C any] struct {
	connect  func(P, *ConnectorContext) (Connector, error)
	tasks    func(P, int) ([]config.Map, error)
	validate func(P, config.Map, *Findings) error
	// Whether there is a task for each that is asked for, or one.
	many bool
}

// connectorOf is a connector as the host holds it.
type connectorOf[P config.Pointer[C], C any] struct {
	of      *connecting[P, C]
	config  P
	given   config.Map
	started Connector
}

func (c *connectorOf[P, C]) Validate(given contract.Config) (text string, failed *contract.Error) {
	err := func() (err error) {
		defer catch(&err, KindFatal)
		parsed := P(new(C))
		findings, complete := config.RunChecks(mapOf(given), parsed)
		if !complete {
			parsed = nil
		}
		all := Findings{findings}
		if c.of.validate != nil {
			if err := c.of.validate(parsed, mapOf(given), &all); err != nil {
				return err
			}
		}
		text = problems(all.list)
		return nil
	}()
	return text, lower(err)
}

func (c *connectorOf[P, C]) Start(given contract.Config) *contract.Error {
	return lower(func() (err error) {
		defer catch(&err, KindFatal)
		c.given = mapOf(given)
		if c.config, err = parse[P](c.given); err != nil || c.of.connect == nil {
			return err
		}
		c.started, err = c.of.connect(c.config, &ConnectorContext{})
		return err
	}())
}

func (c *connectorOf[P, C]) TaskConfigs(maxTasks uint32) (configs []contract.Config, failed *contract.Error) {
	var made []config.Map
	err := func() (err error) {
		defer catch(&err, KindFatal)
		switch {
		case c.config == nil:
			return notStarted()
		case c.started != nil:
			made, err = c.started.TaskConfigs(int(maxTasks))
		case c.of.tasks != nil:
			made, err = c.of.tasks(c.config, int(maxTasks))
		default:
			count := 1
			if c.of.many {
				count = int(maxTasks)
			}
			for range count {
				made = append(made, c.given)
			}
		}
		return err
	}()
	for _, one := range made {
		configs = append(configs, lowerConfig(one))
	}
	return configs, lower(err)
}

func (c *connectorOf[P, C]) Stop() *contract.Error {
	return lower(func() (err error) {
		defer catch(&err, KindFatal)
		started := c.started
		c.started, c.config = nil, nil
		return stop(started)
	}())
}

func stop(what any) error {
	if stopper, ok := what.(Stopper); ok {
		return stopper.Stop()
	}
	return nil
}

func notStarted() error {
	return Fatal("called before it was started").WithClass("java.lang.IllegalStateException")
}
