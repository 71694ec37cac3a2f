//go:build wasip1

// Package host is the host as a component reaches it: importing it makes it that of the SDK.
package host

import (
	"millstream.dev/sdk/internal/contract"
	"millstream.dev/sdk/internal/wit/lift"
	connector "millstream.dev/sdk/internal/wit/millstream_connect_host_connector"
	files "millstream.dev/sdk/internal/wit/millstream_connect_host_files"
	lease "millstream.dev/sdk/internal/wit/millstream_connect_host_lease"
	log "millstream.dev/sdk/internal/wit/millstream_connect_host_log"
	metrics "millstream.dev/sdk/internal/wit/millstream_connect_host_metrics"
	report "millstream.dev/sdk/internal/wit/millstream_connect_host_report"
	sink "millstream.dev/sdk/internal/wit/millstream_connect_host_sink"
	source "millstream.dev/sdk/internal/wit/millstream_connect_host_source"
	transaction "millstream.dev/sdk/internal/wit/millstream_connect_host_transaction"
	wait "millstream.dev/sdk/internal/wit/millstream_connect_host_wait"
	wit "millstream.dev/sdk/internal/wit/types"

	// The exports.
	_ "millstream.dev/sdk/internal/wit/wit_exports"
)

func init() { contract.Host = host{} }

type host struct{}

func (host) LogEnabled(level uint8) bool     { return log.Enabled(level) }
func (host) Log(level uint8, message string) { log.Log(level, message) }
func (host) Wait(ms uint32) bool             { return wait.Wait(ms) }
func (host) Rest(ms uint32)                  { wait.Rest(ms) }

func (host) DeclareMetric(name string, gauge bool, help string) *contract.Error {
	kind := metrics.MetricKindCounter
	if gauge {
		kind = metrics.MetricKindGauge
	}
	return lift.Failed(metrics.Declare(name, kind, help))
}

func (host) Count(name string, more float64) *contract.Error {
	return lift.Failed(metrics.Count(name, more))
}
func (host) Gauge(name string, value float64) *contract.Error {
	return lift.Failed(metrics.Gauge(name, value))
}

func (host) ReportProgress(what string, now *contract.Progress) *contract.Error {
	if now == nil {
		return lift.Failed(metrics.ReportProgress(what, wit.None[metrics.Progress]()))
	}
	total := wit.None[float64]()
	if now.Total != nil {
		total = wit.Some(*now.Total)
	}
	return lift.Failed(metrics.ReportProgress(what, wit.Some(metrics.Progress{Done: now.Done, Total: total, Unit: now.Unit})))
}

func (host) ReadOffsets(partitions []string) ([]*string, *contract.Error) {
	found, failed := lift.Get(source.ReadOffsets(partitions))
	offsets := make([]*string, len(found))
	for i, offset := range found {
		offsets[i] = lift.Text(offset)
	}
	return offsets, failed
}

func (host) TransactionsAvailable() bool { return transaction.Available() }

func (host) SetBoundaries(boundaries []contract.Boundary) {
	list := make([]transaction.Boundary, len(boundaries))
	for i, boundary := range boundaries {
		list[i].Behind = wit.None[uint32]()
		if boundary.Behind >= 0 {
			list[i].Behind = wit.Some(uint32(boundary.Behind))
		}
		if boundary.Abort {
			list[i].Ending = transaction.EndingAbort
		}
	}
	transaction.SetBoundaries(list)
}

func (host) RequestTaskReconfiguration()      { connector.RequestTaskReconfiguration() }
func (host) RaiseError(raised contract.Error) { connector.RaiseError(lift.Lower(&raised)) }

func (host) Assignment() []contract.TopicPartition { return lift.Partitions(sink.Assignment()) }
func (host) Seek(offsets []contract.TopicOffset)   { sink.Seek(lift.LowerOffsets(offsets)) }
func (host) Pause(partitions []contract.TopicPartition) *contract.Error {
	return lift.Failed(sink.Pause(lift.LowerPartitions(partitions)))
}
func (host) Resume(partitions []contract.TopicPartition) *contract.Error {
	return lift.Failed(sink.Resume(lift.LowerPartitions(partitions)))
}
func (host) Timeout(ms uint32) { sink.Timeout(ms) }
func (host) RequestCommit()    { sink.RequestCommit() }
func (host) Report(errors []contract.RowError) *contract.Error {
	return lift.Failed(sink.Report(lift.LowerRowErrors(errors)))
}

func (host) WriteReports(key string, reports []contract.Report) *contract.Error {
	list := make([]report.Report, len(reports))
	for i, one := range reports {
		list[i] = report.Report{Key: lift.OptionBytes(one.Key), Value: lift.OptionBytes(one.Value)}
		for _, header := range one.Headers {
			list[i].Headers = append(list[i].Headers, wit.Tuple2[string, []uint8]{F0: header.Key, F1: header.Value})
		}
	}
	return lift.Failed(report.Write(key, list))
}

func (host) ObtainLease() (uint64, *contract.Error) {
	epoch, failed := lift.Get(lease.Obtain())
	return lift.Join(epoch), failed
}
func (host) ConfirmLease(epoch uint64) *contract.Error {
	return lift.Failed(lease.Confirm(lift.Split(epoch)))
}
func (host) LeaseKeys() ([]string, *contract.Error) { return lift.Get(lease.Keys()) }

func (host) ReadLease(keys []string) ([][]byte, *contract.Error) {
	found, failed := lift.Get(lease.Read(keys))
	values := make([][]byte, len(found))
	for i, value := range found {
		values[i] = lift.Bytes(value)
	}
	return values, failed
}

func (host) WriteLease(epoch uint64, changes []contract.KeyChange) *contract.Error {
	list := make([]lease.KeyChange, len(changes))
	for i, change := range changes {
		list[i] = lease.KeyChange{Key: change.Key, Value: lift.OptionBytes(change.Value)}
	}
	return lift.Failed(lease.Write(lift.Split(epoch), list))
}

func (host) OpenFile(key string) (contract.File, *contract.Error) {
	found, failed := lift.Get(files.FileOpen(key))
	if failed != nil || found.Tag() == wit.OptionNone {
		return nil, failed
	}
	return file{found.Some()}, nil
}

type file struct{ file *files.File }

func (f file) Read(max uint32) ([]byte, *contract.Error) { return lift.Get(f.file.Read(max)) }
func (f file) Size() (int64, *contract.Error) {
	size, failed := lift.Get(f.file.Size())
	if failed != nil || size.Tag() == wit.OptionNone {
		return -1, failed
	}
	return int64(lift.Join(size.Some())), nil
}
func (f file) Seek(position uint64) *contract.Error {
	return lift.Failed(f.file.Seek(lift.Split(position)))
}
func (f file) Write(bytes []byte) *contract.Error { return lift.Failed(f.file.Write(bytes)) }
func (f file) Truncate(length uint64) *contract.Error {
	return lift.Failed(f.file.Truncate(lift.Split(length)))
}
func (f file) Sync() *contract.Error { return lift.Failed(f.file.Sync()) }
func (f file) EndsRest() bool        { return f.file.EndsRest() }
func (f file) Close()                { f.file.Drop() }
