package sdk

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"millstream.dev/sdk/internal/contract"
)

// Level says how much a line of the log matters.
type Level uint8

// The levels.
const (
	LevelTrace Level = iota
	LevelDebug
	LevelInfo
	LevelWarn
	LevelError
)

// host is what the plugin runs in.
func host() contract.Runtime {
	if contract.Host == nil {
		panic("there is no host: in a test, make one with sdktest.New")
	}
	return contract.Host
}

// LogEnabled says whether a line of this level would be kept. The functions below ask by themselves.
func LogEnabled(level Level) bool { return host().LogEnabled(uint8(level)) }

// Log writes a line to the worker's log, where connector and task stand in front of it. Never log data.
func Log(level Level, format string, values ...any) {
	if LogEnabled(level) {
		host().Log(uint8(level), strings.ToValidUTF8(fmt.Sprintf(format, values...), "\uFFFD"))
	}
}

// Tracef logs a step, for following one record.
func Tracef(format string, values ...any) { Log(LevelTrace, format, values...) }

// Debugf logs what a developer wants to know.
func Debugf(format string, values ...any) { Log(LevelDebug, format, values...) }

// Infof logs what an operator wants to know.
func Infof(format string, values ...any) { Log(LevelInfo, format, values...) }

// Warnf logs what an operator should look into.
func Warnf(format string, values ...any) { Log(LevelWarn, format, values...) }

// Errorf logs what has gone wrong.
func Errorf(format string, values ...any) { Log(LevelError, format, values...) }

// Logger writes structured lines to the worker's log. slog.SetDefault(sdk.Logger()) makes it slog's own.
func Logger() *slog.Logger { return slog.New(handler{}) }

type handler struct{ prefix, group string }

func level(l slog.Level) Level {
	switch {
	case l < slog.LevelDebug:
		return LevelTrace
	case l < slog.LevelInfo:
		return LevelDebug
	case l < slog.LevelWarn:
		return LevelInfo
	case l < slog.LevelError:
		return LevelWarn
	}
	return LevelError
}

func (handler) Enabled(_ context.Context, l slog.Level) bool { return LogEnabled(level(l)) }

func (h handler) Handle(_ context.Context, record slog.Record) error {
	line := record.Message + h.prefix
	record.Attrs(func(attr slog.Attr) bool {
		line += h.text(attr)
		return true
	})
	host().Log(uint8(level(record.Level)), strings.ToValidUTF8(line, "\uFFFD"))
	return nil
}

func (h handler) text(attr slog.Attr) string {
	return fmt.Sprintf(" %s%s=%v", h.group, attr.Key, attr.Value.Resolve())
}

func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	for _, attr := range attrs {
		h.prefix += h.text(attr)
	}
	return h
}

func (h handler) WithGroup(name string) slog.Handler {
	h.group += name + "."
	return h
}

// Wait waits for up to a time, without burning the deadline of the call. It is true as soon as the connector or task is
// asked to stop: return from the call then. time.Sleep hears nothing of that, and counts as the plugin's own time.
func Wait(d time.Duration) (stop bool) { return host().Wait(millis(d)) }

// Rest is said by a source task that is about to return nothing from Poll: there will be nothing for so long. The host
// polls again by then, or when a file grows ([File.EndsRest]); meanwhile the task costs nothing, and can be paused and
// stopped at once. Of several times the last one counts; with records or an error it means nothing.
//
// Said by a connector within TaskConfigs: it is asked for them again after so long, and its tasks are made anew if they are
// others then.
func Rest(d time.Duration) { host().Rest(millis(d)) }

// millis is a time in the contract's unit, rounded up so that a wait is never shorter than asked for.
func millis(d time.Duration) uint32 {
	ms := (d + time.Millisecond - 1) / time.Millisecond
	return uint32(min(max(ms, 0), 1<<32-1))
}
