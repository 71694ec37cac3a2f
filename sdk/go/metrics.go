package sdk

import "millstream.dev/sdk/internal/contract"

// DeclareCounter says what a counter is before it has a value; help is a sentence of at most 500 characters. Counters that
// are not declared are made by the first Count.
func DeclareCounter(name, help string) error { return raised(host().DeclareMetric(name, false, help)) }

// DeclareGauge says what a gauge is before it has a value.
func DeclareGauge(name, help string) error { return raised(host().DeclareMetric(name, true, help)) }

// Count adds to a counter of the worker's metrics: a finite number that is not negative.
func Count(name string, more float64) error { return raised(host().Count(name, more)) }

// Gauge sets a gauge of the worker's metrics to a finite number.
func Gauge(name string, value float64) error { return raised(host().Gauge(name, value)) }

// Progress is how far one piece of work has come.
type Progress struct {
	// Done is how much is done, in units.
	Done float64
	// Total is how much there is to do, 0 if that is not known.
	Total float64
	// Unit is what is counted, in the plural: rows, bytes, files.
	Unit string
}

// ReportProgress says how far the task has come with what (a table, a file), nil when it is through, or has given up.
func ReportProgress(what string, now *Progress) error {
	if now == nil {
		return raised(host().ReportProgress(what, nil))
	}
	progress := &contract.Progress{Done: now.Done, Unit: now.Unit}
	if now.Total != 0 {
		progress.Total = &now.Total
	}
	return raised(host().ReportProgress(what, progress))
}
