//go:build wasip1

package export_millstream_connect_predicate_api

import (
	"runtime"

	"millstream.dev/sdk/internal/contract"
	"millstream.dev/sdk/internal/wit/lift"
	"millstream.dev/sdk/internal/wit/millstream_connect_predicate_api"
	"millstream.dev/sdk/internal/wit/millstream_connect_types"
	wit "millstream.dev/sdk/internal/wit/types"
)

// Predicate as the host holds it.
type Predicate struct {
	pinner    runtime.Pinner
	handle    int32
	predicate contract.Predicate
}

// OnDrop does nothing: the garbage collector does it all.
func (p *Predicate) OnDrop() {}

// PredicateCreate makes one of a class.
func PredicateCreate(class string, config lift.Entries) wit.Result[*Predicate, millstream_connect_types.Error] {
	made, failed := contract.Guest.Predicate(class, lift.Config(config))
	return lift.Result(&Predicate{predicate: made}, failed)
}

// Test as in the contract.
func (p *Predicate) Test(records []uint8) wit.Result[millstream_connect_predicate_api.Verdict, millstream_connect_types.Error] {
	verdict, failed := p.predicate.Test(records)
	return lift.Result(millstream_connect_predicate_api.Verdict{
		Holds: verdict.Holds, Errors: lift.LowerRowErrors(verdict.Errors),
	}, failed)
}
