package sdk

import (
	"sort"

	"millstream.dev/sdk/internal/contract"
)

// Lease is the lease of the connector, owned by this task since [ObtainLease]: until another task of the connector obtains
// it, wherever that runs, or this one ends. The plugin has to say that it wants one ([Plugin.WantsLease]).
//
// A task that has lost it hears so from its next call, as an error for which [IsLeaseLost] is true: nothing that it writes
// from then on counts. A task that was frozen in the middle of something does not know that. What keeps it from doing harm
// is that its commit goes through the lease: by Write, whose values say what counts of what was written before; or by a
// target that is given the epoch and refuses lower ones.
type Lease struct{ epoch uint64 }

// ObtainLease makes this task the owner, whoever was before; one that is it already stays it, in the same epoch. What is
// read afterwards is all that owners before it have written, and will ever have.
func ObtainLease() (*Lease, error) {
	epoch, failed := host().ObtainLease()
	if failed != nil {
		return nil, raised(failed)
	}
	return &Lease{epoch}, nil
}

// Epoch is higher than that of every owner before: for targets that can tell who is late.
func (l *Lease) Epoch() uint64 { return l.epoch }

// Confirm fails if the task was not the owner at any moment after the call. It may not be any more when this returns.
func (l *Lease) Confirm() error { return raised(host().ConfirmLease(l.epoch)) }

// Keys are all keys that have a value, in ascending order.
func (l *Lease) Keys() ([]string, error) {
	keys, failed := host().LeaseKeys()
	return keys, raised(failed)
}

// Get is the value of a key, nil if it has none.
func (l *Lease) Get(key string) ([]byte, error) { return Kept(key) }

// Write changes values, all together or none; nil removes one. It returns when they are durable and count. After an error
// of kind retriable the change may count or not, and the lease is lost: obtain it again, and read.
func (l *Lease) Write(changes map[string][]byte) error {
	keys := make([]string, 0, len(changes))
	for key := range changes {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	list := make([]contract.KeyChange, len(keys))
	for i, key := range keys {
		list[i] = contract.KeyChange{Key: key, Value: changes[key]}
	}
	return raised(host().WriteLease(l.epoch, list))
}

// Kept is what an owner of the lease has kept under a key, for tasks that are none; nil if there is nothing.
func Kept(key string) ([]byte, error) {
	values, failed := host().ReadLease([]string{key})
	if failed != nil || len(values) == 0 {
		return nil, raised(failed)
	}
	return values[0], nil
}
