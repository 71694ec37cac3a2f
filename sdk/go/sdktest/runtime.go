package sdktest

import (
	"slices"
	"sort"
	"time"

	"millstream.dev/sdk"
	"millstream.dev/sdk/internal/contract"
)

// runtime is the host as the SDK sees it.
type runtime struct{ h *Host }

func (r runtime) LogEnabled(uint8) bool { return true }
func (r runtime) Log(level uint8, message string) {
	r.h.log = append(r.h.log, Line{sdk.Level(level), message})
}

func (r runtime) Wait(ms uint32) bool {
	r.h.waits = append(r.h.waits, time.Duration(ms)*time.Millisecond)
	return r.h.stopping
}

func (r runtime) Rest(ms uint32) { r.h.rests = append(r.h.rests, time.Duration(ms)*time.Millisecond) }

func (r runtime) DeclareMetric(name string, _ bool, _ string) *contract.Error {
	r.h.metrics[name] += 0
	return nil
}

func (r runtime) Count(name string, more float64) *contract.Error {
	if !(more >= 0) {
		return lower(sdk.Fatal("counter %s: %v cannot be added", name, more))
	}
	r.h.metrics[name] += more
	return nil
}

func (r runtime) Gauge(name string, value float64) *contract.Error {
	r.h.metrics[name] = value
	return nil
}

func (r runtime) ReportProgress(what string, now *contract.Progress) *contract.Error {
	if now == nil {
		delete(r.h.progress, what)
		return nil
	}
	progress := sdk.Progress{Done: now.Done, Unit: now.Unit}
	if now.Total != nil {
		progress.Total = *now.Total
	}
	r.h.progress[what] = progress
	return nil
}

func (r runtime) OpenFile(key string) (contract.File, *contract.Error) {
	file, ok := r.h.files[key]
	if !ok {
		return nil, nil
	}
	if file.failOpen != nil {
		return nil, lower(file.failOpen)
	}
	return &openFile{file: file}, nil
}

func (r runtime) ReadOffsets(partitions []string) ([]*string, *contract.Error) {
	found := make([]*string, len(partitions))
	for i, partition := range partitions {
		if offset, ok := r.h.offsets[partition]; ok {
			found[i] = &offset
		}
	}
	return found, nil
}

func (r runtime) TransactionsAvailable() bool { return r.h.transactions }

func (r runtime) SetBoundaries(boundaries []contract.Boundary) {
	for _, boundary := range boundaries {
		r.h.boundaries = append(r.h.boundaries, Boundary(boundary))
	}
}

func (r runtime) RequestTaskReconfiguration() { r.h.reconfigured++ }
func (r runtime) RaiseError(failed contract.Error) {
	r.h.raised = append(r.h.raised, raised(&failed))
}

func (r runtime) Assignment() []contract.TopicPartition {
	var list []contract.TopicPartition
	for _, partition := range r.h.assignment {
		list = append(list, contract.TopicPartition(partition))
	}
	return list
}

func (r runtime) Seek(offsets []contract.TopicOffset) {
	var list []sdk.TopicOffset
	for _, at := range offsets {
		list = append(list, sdk.TopicOffset{
			TopicPartition: sdk.TopicPartition{Topic: at.Topic, Partition: at.Partition}, Offset: at.Offset,
		})
	}
	r.h.sink.Seeks = append(r.h.sink.Seeks, list)
}

func (r runtime) assigned(partitions []contract.TopicPartition) *contract.Error {
	for _, partition := range partitions {
		if !slices.Contains(r.h.assignment, sdk.TopicPartition(partition)) {
			return lower(sdk.Fatal("%v is not assigned to the task", sdk.TopicPartition(partition)))
		}
	}
	return nil
}

func (r runtime) Pause(partitions []contract.TopicPartition) *contract.Error {
	if failed := r.assigned(partitions); failed != nil {
		return failed
	}
	for _, partition := range partitions {
		if !slices.Contains(r.h.sink.Paused, sdk.TopicPartition(partition)) {
			r.h.sink.Paused = append(r.h.sink.Paused, sdk.TopicPartition(partition))
		}
	}
	return nil
}

func (r runtime) Resume(partitions []contract.TopicPartition) *contract.Error {
	if failed := r.assigned(partitions); failed != nil {
		return failed
	}
	r.h.sink.Paused = slices.DeleteFunc(r.h.sink.Paused, func(paused sdk.TopicPartition) bool {
		return slices.Contains(partitions, contract.TopicPartition(paused))
	})
	return nil
}

func (r runtime) Timeout(ms uint32) { r.h.sink.Timeout = time.Duration(ms) * time.Millisecond }
func (r runtime) RequestCommit()    { r.h.sink.Commits++ }

func (r runtime) Report(errors []contract.RowError) *contract.Error {
	if r.h.refused != nil {
		return lower(r.h.refused)
	}
	r.h.sink.Reported = append(r.h.sink.Reported, rowErrors(errors)...)
	return nil
}

func (r runtime) WriteReports(key string, reports []contract.Report) *contract.Error {
	if r.h.sink.Written == nil {
		r.h.sink.Written = map[string][]sdk.TopicReport{}
	}
	for _, report := range reports {
		written := sdk.TopicReport{Key: report.Key, Value: report.Value}
		for _, header := range report.Headers {
			written.Headers = append(written.Headers, sdk.ReportHeader(header))
		}
		r.h.sink.Written[key] = append(r.h.sink.Written[key], written)
	}
	return nil
}

// lease of the host's connector.
type lease struct {
	// Of the last owner, and of the plugin's task if it is the owner.
	epoch, held uint64
	kept        map[string][]byte
}

// TakeLease has another task of the connector obtain the lease: whoever had it before has lost it, and does not know yet.
func (h *Host) TakeLease() { h.lease.epoch++ }

// Keep keeps a value, as an owner of the lease has before.
func (h *Host) Keep(key string, value []byte) { h.lease.kept[key] = value }

// Kept is what owners of the lease have kept under a key, nil if there is nothing.
func (h *Host) Kept(key string) []byte { return h.lease.kept[key] }

func (r runtime) ObtainLease() (uint64, *contract.Error) {
	if r.h.lease.held != r.h.lease.epoch || r.h.lease.held == 0 {
		r.h.lease.epoch++
		r.h.lease.held = r.h.lease.epoch
	}
	return r.h.lease.held, nil
}

func (r runtime) ConfirmLease(epoch uint64) *contract.Error {
	if epoch != r.h.lease.epoch {
		return lower(sdk.Fatal("the lease is lost: epoch %d is over", epoch).
			WithClass("org.apache.kafka.common.errors.ProducerFencedException"))
	}
	return nil
}

func (r runtime) LeaseKeys() ([]string, *contract.Error) {
	var keys []string
	for key := range r.h.lease.kept {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys, nil
}

func (r runtime) ReadLease(keys []string) ([][]byte, *contract.Error) {
	values := make([][]byte, len(keys))
	for i, key := range keys {
		values[i] = r.h.lease.kept[key]
	}
	return values, nil
}

func (r runtime) WriteLease(epoch uint64, changes []contract.KeyChange) *contract.Error {
	if failed := r.ConfirmLease(epoch); failed != nil {
		return failed
	}
	for _, change := range changes {
		if change.Value == nil {
			delete(r.h.lease.kept, change.Key)
		} else {
			r.h.lease.kept[change.Key] = append([]byte{}, change.Value...)
		}
	}
	return nil
}

func (r runtime) OpenDatabase(key, options string) (contract.Database, *contract.Error) {
	database, ok := r.h.databases[key]
	if !ok {
		return nil, lower(sdk.BadConfig("the key %s opens no database in this test", key))
	}
	return openDatabase{database}, nil
}
