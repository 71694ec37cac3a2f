package sdk

import (
	"errors"
	"fmt"
	"path"
	"runtime"
	"strings"

	"millstream.dev/sdk/config"
	"millstream.dev/sdk/internal/contract"
)

// Kind says what the host does about an error.
type Kind uint8

// The kinds.
const (
	// KindRetriable: trying the same again later may succeed.
	KindRetriable Kind = Kind(contract.Retriable)
	// KindData: the record is at fault.
	KindData Kind = Kind(contract.Data)
	// KindConfig: the configuration is at fault.
	KindConfig Kind = Kind(contract.BadConfig)
	// KindFatal: anything else. The task fails.
	KindFatal Kind = Kind(contract.Fatal)
)

// Names of Java exception classes that users of Kafka Connect know from traces and from the headers of dead letters.
const (
	ConfigException    = "org.apache.kafka.common.config.ConfigException"
	ConnectException   = "org.apache.kafka.connect.errors.ConnectException"
	DataException      = "org.apache.kafka.connect.errors.DataException"
	RetriableException = "org.apache.kafka.connect.errors.RetriableException"
	fencedException    = "org.apache.kafka.common.errors.ProducerFencedException"
)

// Error is a failure in the plugin's own words. The plugin stays usable after it has reported one.
//
// Any other error does, too: from a record's transform it is a data error of that record, from anything else fatal. An
// Error that is wrapped (fmt.Errorf with %w) keeps its kind, class and field.
type Error struct {
	Kind Kind
	// Class is the Java class that users see; empty stands for the usual one of the kind.
	Class string
	// Message says what was attempted, on what, and how it failed.
	Message string
	// Causes is what led to it, outermost first.
	Causes []string
	// Field is the path of the field at fault, if one is: customer.address.city.
	Field string
}

// Error is the message with its causes.
func (e *Error) Error() string { return strings.Join(append([]string{e.Message}, e.Causes...), ": ") }

func newError(kind Kind, class, format string, values []any) *Error {
	made := &Error{Kind: kind, Class: class}
	err := fmt.Errorf(format, values...)
	made.Message = err.Error()
	// What %w wraps is the cause; it is not said twice.
	if cause := errors.Unwrap(err); cause != nil {
		if rest, ok := strings.CutSuffix(made.Message, cause.Error()); ok {
			made.Message = strings.TrimSuffix(strings.TrimSuffix(rest, " "), ":")
			made.Causes = causesOf(cause)
			var inner *Error
			if errors.As(cause, &inner) {
				made.Field = inner.Field
			}
		}
	}
	return made
}

func causesOf(err error) (causes []string) {
	for err != nil {
		if own, ok := err.(*Error); ok {
			return append(append(causes, own.Message), own.Causes...)
		}
		next := errors.Unwrap(err)
		text := err.Error()
		if next != nil {
			if rest, ok := strings.CutSuffix(text, next.Error()); ok {
				text = strings.TrimSuffix(strings.TrimSuffix(rest, " "), ":")
			}
		}
		causes = append(causes, text)
		err = next
	}
	return causes
}

// Retriable is an error that may go away when the same is tried again later (RetriableException). The format is that of
// fmt.Errorf; what %w wraps at its end becomes the cause.
func Retriable(format string, values ...any) *Error {
	return newError(KindRetriable, RetriableException, format, values)
}

// BadData is an error that a record is at fault for (DataException).
func BadData(format string, values ...any) *Error {
	return newError(KindData, DataException, format, values)
}

// BadConfig is an error that the configuration is at fault for (ConfigException).
func BadConfig(format string, values ...any) *Error {
	return newError(KindConfig, ConfigException, format, values)
}

// Fatal is an error that the task cannot go on with (ConnectException).
func Fatal(format string, values ...any) *Error {
	return newError(KindFatal, ConnectException, format, values)
}

// WithClass is the same failure under another Java class.
func (e *Error) WithClass(class string) *Error {
	copied := *e
	copied.Class = class
	return &copied
}

// InField is the same failure in a field. Where it is in one already, this is the one around it.
func (e *Error) InField(name string) *Error {
	copied := *e
	step := name
	if name == "" || strings.Contains(name, ".") {
		// A name with a dot, and one that would not be seen, stands between backticks, as in field paths.
		step = "`" + name + "`"
	}
	if copied.Field != "" {
		step += "." + copied.Field
	}
	copied.Field = step
	return &copied
}

// InField is any error in a field: [Error.InField], of a data error if it is none of ours.
func InField(err error, name string) error {
	if err == nil {
		return nil
	}
	return asError(err, KindData).InField(name)
}

// IsLeaseLost says whether a task has heard by an error that it does not own the lease of its connector, or not any more.
func IsLeaseLost(err error) bool {
	var own *Error
	return errors.As(err, &own) && own.Class == fencedException
}

// RowError is the failure of one row of the batch that was handed in.
type RowError struct {
	Row int
	Err error
}

// asError is any error as one of ours; others get the kind of the place where they come from.
func asError(err error, kind Kind) *Error {
	var own *Error
	if checked, ok := err.(*config.Error); ok && checked.Cause != nil {
		// What the plugin's own check says is said by the plugin.
		if errors.As(checked.Cause, &own) {
			return asError(checked.Cause, kind)
		}
	}
	if errors.As(err, &own) {
		if outer, ok := err.(*Error); ok {
			return outer
		}
		wrapped := *own
		wrapped.Message, wrapped.Causes = err.Error(), nil
		return &wrapped
	}
	var refused *config.Error
	if errors.As(err, &refused) {
		return &Error{Kind: KindConfig, Class: ConfigException, Message: err.Error()}
	}
	class := ConnectException
	if kind == KindData {
		class = DataException
	}
	causes := causesOf(err)
	return &Error{Kind: kind, Class: class, Message: causes[0], Causes: causes[1:]}
}

// lower is an error as the contract has it: the field of a call as a whole stands among the causes.
func lower(err error) *contract.Error {
	if err == nil {
		return nil
	}
	own := asError(err, KindFatal)
	causes := own.Causes
	if own.Field != "" {
		causes = append(causes[:len(causes):len(causes)], "in field "+own.Field)
	}
	return &contract.Error{Kind: uint8(own.Kind), Class: own.Class, Message: own.Message, Causes: causes}
}

// raised is an error of the host.
func raised(failed *contract.Error) error {
	if failed == nil {
		return nil
	}
	return &Error{Kind: Kind(failed.Kind), Class: failed.Class, Message: failed.Message, Causes: failed.Causes}
}

// lowerRow is the failure of a row. Rows have no list of causes in the contract: they stand behind the message, as in a
// trace, where the host finds them again.
func lowerRow(row, link int, err error) contract.RowError {
	own := asError(err, KindData)
	message := own.Message
	for _, cause := range own.Causes {
		message += "\nCaused by: " + cause
	}
	made := contract.RowError{Row: uint32(row), Link: uint32(link), Kind: uint8(own.Kind), Class: own.Class, Message: message}
	if own.Field != "" {
		made.Field = &own.Field
	}
	return made
}

// catch turns a panic of the plugin into an error of this kind, whose causes are where it happened: file and line of the
// author's functions, innermost first. To be deferred.
func catch(err *error, kind Kind) {
	panicked := recover()
	if panicked == nil {
		return
	}
	*err = panicError(panicked, kind)
}

func panicError(panicked any, kind Kind) *Error {
	class := ConnectException
	if kind == KindData {
		class = DataException
	}
	made := &Error{Kind: kind, Class: class, Message: fmt.Sprintf("panic: %v", panicked)}
	if own, ok := panicked.(*Error); ok {
		made = asError(own, kind)
	}
	counters := make([]uintptr, 64)
	frames := runtime.CallersFrames(counters[:runtime.Callers(2, counters)])
	for {
		frame, more := frames.Next()
		if frame.Function != "" && !strings.HasPrefix(frame.Function, "runtime.") &&
			!strings.HasPrefix(frame.Function, "millstream.dev/sdk.") &&
			!strings.HasPrefix(frame.Function, "millstream.dev/sdk/internal/") &&
			!strings.HasPrefix(frame.Function, "millstream:connect/") {
			made.Causes = append(made.Causes, fmt.Sprintf("at %s (%s:%d)", frame.Function, path.Base(frame.File), frame.Line))
		}
		if !more || len(made.Causes) == 30 {
			return made
		}
	}
}
