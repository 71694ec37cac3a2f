//go:build wasip1

package export_millstream_connect_converter_api

import (
	"runtime"

	"millstream.dev/sdk/internal/contract"
	"millstream.dev/sdk/internal/wit/lift"
	"millstream.dev/sdk/internal/wit/millstream_connect_converter_api"
	"millstream.dev/sdk/internal/wit/millstream_connect_types"
	wit "millstream.dev/sdk/internal/wit/types"
)

type result = wit.Result[millstream_connect_types.Outcome, millstream_connect_types.Error]

// Converter as the host holds it.
type Converter struct {
	pinner    runtime.Pinner
	handle    int32
	converter contract.Converter
}

// OnDrop does nothing: the garbage collector does it all.
func (c *Converter) OnDrop() {}

// ConverterCreate makes one of a class.
func ConverterCreate(class string, config lift.Entries, role millstream_connect_converter_api.Role) wit.Result[*Converter, millstream_connect_types.Error] {
	made, failed := contract.Guest.Converter(class, lift.Config(config), role)
	return lift.Result(&Converter{converter: made}, failed)
}

// ToConnect as in the contract.
func (c *Converter) ToConnect(records []uint8) result {
	outcome, failed := c.converter.ToConnect(records)
	return lift.Result(lift.Outcome(outcome), failed)
}

// FromConnect as in the contract.
func (c *Converter) FromConnect(records []uint8) result {
	outcome, failed := c.converter.FromConnect(records)
	return lift.Result(lift.Outcome(outcome), failed)
}
