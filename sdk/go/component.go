package sdk

import (
	"os"
	"sync"

	"millstream.dev/sdk/config"
	"millstream.dev/sdk/data"
	"millstream.dev/sdk/internal/contract"
)

func init() { contract.Guest = component{} }

// component is what this component exports.
type component struct{}

// ready is done at the first way into the component: before it, nothing may be asked of the host.
var ready = sync.OnceFunc(func() {
	const variable = "MILLSTREAM_TIME_ZONE"
	if description, ok := os.LookupEnv(variable); ok {
		if err := data.SetZone(description); err != nil {
			Warnf("dates are written in UTC, since the worker's time zone in %s cannot be read: %v; "+
				"build the plugin with the SDK of the worker's version", variable, err)
		}
	}
})

func (component) Describe() string { return Describe() }

func (component) SourceConnector(class string) (contract.SourceConnector, *contract.Error) {
	ready()
	source, err := find[interface {
		newSourceConnector() contract.SourceConnector
	}](class)
	if err != nil {
		return nil, lower(err)
	}
	return source.newSourceConnector(), nil
}

func (component) SourceTask(class string) (contract.SourceTask, *contract.Error) {
	ready()
	source, err := find[interface{ newSourceTask() contract.SourceTask }](class)
	if err != nil {
		return nil, lower(err)
	}
	return source.newSourceTask(), nil
}

func (component) SinkConnector(class string) (contract.SinkConnector, *contract.Error) {
	ready()
	sink, err := find[interface{ newSinkConnector() contract.SinkConnector }](class)
	if err != nil {
		return nil, lower(err)
	}
	return sink.newSinkConnector(), nil
}

func (component) SinkTask(class string) (contract.SinkTask, *contract.Error) {
	ready()
	sink, err := find[interface{ newSinkTask() contract.SinkTask }](class)
	if err != nil {
		return nil, lower(err)
	}
	return sink.newSinkTask(), nil
}

func (component) Chain(links []contract.Link) (contract.Chain, *contract.LinkError) {
	ready()
	specs := make([]Link, len(links))
	for i, link := range links {
		specs[i] = Link{Class: link.Class, Config: mapOf(link.Config)}
		if link.Condition != nil {
			specs[i].Condition = &Condition{link.Condition.Class, mapOf(link.Condition.Config), link.Condition.Negate}
		}
	}
	chain, at, err := NewChain(specs...)
	if err != nil {
		return nil, &contract.LinkError{Link: uint32(at), Error: *lower(err)}
	}
	return chain, nil
}

func (component) Predicate(class string, given contract.Config) (contract.Predicate, *contract.Error) {
	made, err := configured(class, func(maker predicateMaker, given config.Map) (Predicate, error) {
		return maker(given)
	}, given)
	if err != nil {
		return nil, lower(err)
	}
	return predicateOf{made}, nil
}

func (component) Converter(class string, given contract.Config, role uint8) (contract.Converter, *contract.Error) {
	made, err := configured(class, func(maker converterMaker, given config.Map) (BatchConverter, error) {
		return maker(given, Role(role))
	}, given)
	if err != nil {
		return nil, lower(err)
	}
	return converterOf{made}, nil
}

func configured[M, T any](class string, configure func(M, config.Map) (T, error), given contract.Config) (made T, err error) {
	defer catch(&err, KindFatal)
	ready()
	maker, err := find[M](class)
	if err != nil {
		return made, err
	}
	return configure(maker, mapOf(given))
}
