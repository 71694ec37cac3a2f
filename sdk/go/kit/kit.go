package main

import (
	"fmt"
	"io"
	"sort"
	"strconv"
	"strings"
	"time"

	"millstream.dev/sdk"
	"millstream.dev/sdk/config"
	"millstream.dev/sdk/http"
	"millstream.dev/sdk/sql"
)

// Actions are what a configuration says is to go wrong, and when.
type Actions struct {
	entries []entry
	calls   map[string]int
	lease   *sdk.Lease
}

type entry struct {
	place string
	// In which call, from 1; in every one if it is 0.
	call   int
	action string
}

func doKey(into *string, keys *config.Keys) {
	keys.String(into, "do").Default("").Importance(config.Low).Doc("What goes wrong, and when.")
}

func parseActions(text string) (*Actions, error) {
	actions := &Actions{calls: map[string]int{}}
	for part := range strings.SplitSeq(text, ";") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		place, action, ok := strings.Cut(part, ":")
		place, number, numbered := strings.Cut(strings.TrimSpace(place), "#")
		call := 0
		if numbered {
			var err error
			call, err = strconv.Atoi(number)
			ok = ok && err == nil
		}
		if !ok {
			return nil, sdk.BadConfig("cannot read the action %s", part)
		}
		actions.entries = append(actions.entries, entry{place, call, strings.TrimSpace(action)})
	}
	return actions, nil
}

func unknown(words []string) error {
	return sdk.BadConfig("cannot read the action %s", strings.Join(words, " "))
}

// run does what is to be done in a call of a place; rest does what only its caller can do.
func (a *Actions) run(place string, rest func(words []string) error) error {
	a.calls[place]++
	for _, entry := range a.entries {
		if entry.place != place || entry.call != 0 && entry.call != a.calls[place] {
			continue
		}
		words := strings.Split(entry.action, " ")
		done, err := a.act(place, words)
		if err == nil && !done {
			if rest == nil {
				err = unknown(words)
			} else {
				err = rest(words)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// act is false if the action is not one that every place has.
func (a *Actions) act(place string, words []string) (bool, error) {
	switch {
	case words[0] == "fail" && len(words) == 2:
		return true, failure(words[1], place)
	case words[0] == "own":
		return true, own()
	case words[0] == "panic":
		panicOnPurpose()
	case words[0] == "loop":
		computeForEver()
	case words[0] == "recurse":
		sdk.Infof("%d", callMyself(0))
	case words[0] == "hoard":
		hoard()
	case words[0] == "log" && len(words) > 1:
		level := map[string]sdk.Level{
			"trace": sdk.LevelTrace, "debug": sdk.LevelDebug, "info": sdk.LevelInfo, "warn": sdk.LevelWarn,
			"error": sdk.LevelError,
		}[words[1]]
		sdk.Log(level, "%s", strings.Join(words[2:], " "))
	case words[0] == "flood" && len(words) == 2:
		lines, err := number(words[1])
		for line := range lines {
			sdk.Infof("line %d", line)
		}
		return true, err
	case words[0] == "wait" && len(words) == 2:
		ms, err := number(words[1])
		if err == nil {
			sdk.Infof("waited %v", sdk.Wait(time.Duration(ms)*time.Millisecond))
		}
		return true, err
	case words[0] == "read" && len(words) == 2:
		return true, readFile(words[1])
	case words[0] == "append" && len(words) > 2:
		return true, appendFile(words[1], strings.Join(words[2:], " "))
	case words[0] == "lease":
		return true, a.leases(words[1:])
	case words[0] == "sql":
		return true, query()
	default:
		return false, nil
	}
	return true, nil
}

func readFile(key string) error {
	file, err := sdk.OpenFile(key)
	if err != nil {
		return err
	}
	if file == nil {
		sdk.Infof("read null")
		return nil
	}
	defer file.Close()
	content, err := io.ReadAll(file)
	if err == nil {
		sdk.Infof("read %s", show(string(content)))
	}
	return err
}

func appendFile(key, text string) error {
	file, err := sdk.OpenFile(key)
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := file.Write([]byte(text + "\n")); err != nil {
		return err
	}
	return file.Sync()
}

func (a *Actions) leases(words []string) error {
	what := strings.Join(words, " ")
	if what == "obtain" {
		lease, err := sdk.ObtainLease()
		if err != nil {
			return err
		}
		sdk.Infof("lease %d", lease.Epoch())
		a.lease = lease
		return nil
	}
	if a.lease == nil {
		return sdk.Fatal("there is no lease")
	}
	switch {
	case what == "confirm":
		if err := a.lease.Confirm(); err != nil {
			return err
		}
		sdk.Infof("lease confirmed")
	case what == "keys":
		keys, err := a.lease.Keys()
		if err != nil {
			return err
		}
		sort.Strings(keys)
		sdk.Infof("lease keys %s", strings.Join(keys, ", "))
	case words[0] == "read" && len(words) == 2:
		value, err := a.lease.Get(words[1])
		if err != nil {
			return err
		}
		text := "null"
		if value != nil {
			text = string(value)
		}
		sdk.Infof("lease %s=%s", words[1], text)
	case words[0] == "write" && len(words) == 3:
		var value []byte
		if words[2] != "-" {
			value = []byte(words[2])
		}
		return a.lease.Write(map[string][]byte{words[1]: value})
	default:
		return unknown(append([]string{"lease"}, words...))
	}
	return nil
}

func query() error {
	database, err := sql.Open("db", nil)
	if err != nil {
		return err
	}
	defer database.Close()
	rows, err := database.Query("select 1 + 1 as n, 'x' as s", nil)
	if err != nil {
		return err
	}
	records, err := rows.Records()
	for _, record := range records {
		sdk.Infof("sql %s", show(record.Value))
	}
	return err
}

// get is a request to the server that a configuration names.
func get(url *string) error {
	if url == nil {
		return sdk.BadConfig("the key url is not set")
	}
	answer, err := http.Get(*url).Send()
	if err != nil {
		return sdk.Fatal("GET %s: %w", *url, err)
	}
	sdk.Infof("http %d %s", answer.Status, show(answer.Text()))
	return nil
}

func number(text string) (int64, error) {
	value, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, sdk.BadConfig("%s is no number that an action takes", text)
	}
	return value, nil
}

// failure is what the action fail reports.
func failure(kind, place string) error {
	message := fmt.Sprintf("failed on purpose in %s", place)
	switch kind {
	case "retriable":
		return sdk.Retriable("%s", message)
	case "data":
		return sdk.BadData("%s", message)
	case "config":
		return sdk.BadConfig("%s", message)
	}
	return sdk.Fatal("%s", message)
}

// own is a failure under a class of one's own, with causes.
func own() error {
	failed := sdk.Fatal("my own words").WithClass("org.millstream.kit.OwnException")
	failed.Causes = []string{"java.io.IOException: outer", "inner"}
	return failed
}

func panicOnPurpose() { deeper() }

//go:noinline
func deeper() { panic("panicked on purpose") }

var sink uint64

func computeForEver() {
	for {
		sink++
	}
}

//go:noinline
func callMyself(level uint64) uint64 {
	var room [64]uint64
	room[level%64] = level
	return callMyself(level+1) + room[3]
}

var hoarded [][]byte

func hoard() {
	for {
		piece := make([]byte, 1<<20)
		for i := range piece {
			piece[i] = 1
		}
		hoarded = append(hoarded, piece)
	}
}
