//go:build wasip1

package export_millstream_connect_transform_api

import (
	"runtime"

	"millstream.dev/sdk/internal/contract"
	"millstream.dev/sdk/internal/wit/lift"
	"millstream.dev/sdk/internal/wit/millstream_connect_transform_api"
	"millstream.dev/sdk/internal/wit/millstream_connect_types"
	wit "millstream.dev/sdk/internal/wit/types"
)

// Chain as the host holds it.
type Chain struct {
	pinner runtime.Pinner
	handle int32
	chain  contract.Chain
}

// OnDrop does nothing: the garbage collector does it all.
func (c *Chain) OnDrop() {}

// ChainCreate makes the chain of these links.
func ChainCreate(links []millstream_connect_transform_api.Link) wit.Result[*Chain, millstream_connect_transform_api.LinkError] {
	list := make([]contract.Link, len(links))
	for i, link := range links {
		list[i] = contract.Link{Class: link.Class, Config: lift.Config(link.Config)}
		if link.Condition.Tag() != wit.OptionNone {
			condition := link.Condition.Some()
			list[i].Condition = &contract.Condition{
				Class: condition.Class, Config: lift.Config(condition.Config), Negate: condition.Negate,
			}
		}
	}
	made, failed := contract.Guest.Chain(list)
	if failed != nil {
		return wit.Err[*Chain](millstream_connect_transform_api.LinkError{
			Link: failed.Link, Error: lift.Lower(&failed.Error),
		})
	}
	return wit.Ok[*Chain, millstream_connect_transform_api.LinkError](&Chain{chain: made})
}

// Apply as in the contract.
func (c *Chain) Apply(records []uint8, only wit.Option[[]uint8]) wit.Result[millstream_connect_types.Outcome, millstream_connect_types.Error] {
	outcome, failed := c.chain.Apply(records, lift.Bytes(only), only.Tag() != wit.OptionNone)
	return lift.Result(lift.Outcome(outcome), failed)
}
