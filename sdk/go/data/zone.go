package data

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// SetZone sets the zone in which [Text] writes instants, in the form in which a worker says it: compiled data behind
// "tzif:", an offset such as GMT+5:30, or a POSIX rule such as CET-1CEST,M3.5.0,M10.5.0/3. The SDK does it by itself.
func SetZone(description string) error {
	location, err := zoneOf(description)
	if err != nil {
		return fmt.Errorf("%q is no time zone: %w", description, err)
	}
	Zone = func(at time.Time) (time.Duration, string) {
		name, seconds := at.In(location).Zone()
		// Where the zone has only a number for a name, Java writes the offset.
		if name == "" || name[0] == '+' || name[0] == '-' {
			name = offsetName(seconds)
		}
		return time.Duration(seconds) * time.Second, name
	}
	return nil
}

func zoneOf(description string) (*time.Location, error) {
	if encoded, ok := strings.CutPrefix(description, "tzif:"); ok {
		compiled, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			return nil, err
		}
		return time.LoadLocationFromTZData("", compiled)
	}
	if seconds, ok := customOffset(description); ok {
		return time.FixedZone(offsetName(seconds), seconds), nil
	}
	if seconds, ok := fixedRule(description); ok {
		// Java does not take over the name of a rule without daylight saving time.
		return time.FixedZone(offsetName(seconds), seconds), nil
	}
	if !strings.Contains(description, ",") {
		return nil, fmt.Errorf("it is neither an offset such as GMT+5:30 nor a rule such as CET-1CEST,M3.5.0,M10.5.0/3")
	}
	return time.LoadLocationFromTZData("", compiledRule(description))
}

// fixedRule reads a POSIX rule without daylight saving time, in seconds ahead of UTC: CET-1, <+0330>-3:30.
func fixedRule(rule string) (int, bool) {
	rest := strings.TrimLeft(rule, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
	if strings.HasPrefix(rule, "<") {
		_, rest, _ = strings.Cut(rule, ">")
	}
	if len(rule)-len(rest) < 3 || rest == "" {
		return 0, false
	}
	// POSIX counts westwards.
	direction := -1
	if rest[0] == '-' || rest[0] == '+' {
		if rest[0] == '-' {
			direction = 1
		}
		rest = rest[1:]
	}
	hours, minutes, _ := strings.Cut(rest, ":")
	return clock(hours, minutes, direction)
}

// clock is a time of up to two digits each, in seconds.
func clock(hours, minutes string, direction int) (int, bool) {
	if minutes == "" {
		minutes = "00"
	}
	h, err := strconv.ParseUint(hours, 10, 8)
	m, err2 := strconv.ParseUint(minutes, 10, 8)
	if err != nil || err2 != nil || len(hours) > 2 || len(minutes) != 2 || h > 24 || m > 59 {
		return 0, false
	}
	return direction * int(h*3600+m*60), true
}

// compiledRule is data, as RFC 8536 specifies them, of a zone that has nothing but a rule.
func compiledRule(rule string) []byte {
	block := func(version byte) []byte {
		header := append([]byte("TZif"), version)
		header = append(header, make([]byte, 15)...)
		for _, count := range []uint32{0, 0, 0, 0, 1, 4} {
			header = binary.BigEndian.AppendUint32(header, count)
		}
		return append(header, 0, 0, 0, 0, 0, 0, 'U', 'T', 'C', 0)
	}
	return append(append(block('2'), block('2')...), "\n"+rule+"\n"...)
}

// customOffset reads GMT, GMT+5, GMT+05, GMT+5:30, GMT+05:30, GMT+530 and GMT+0530, ahead of GMT with plus, in seconds.
func customOffset(text string) (int, bool) {
	rest, ok := strings.CutPrefix(text, "GMT")
	if !ok || rest == "" {
		return 0, ok
	}
	direction := map[byte]int{'+': 1, '-': -1}[rest[0]]
	hours, minutes, found := strings.Cut(rest[1:], ":")
	if at := len(hours) - 2; !found && at > 0 {
		hours, minutes = hours[:at], hours[at:]
	}
	if direction == 0 || found && minutes == "" {
		return 0, false
	}
	return clock(hours, minutes, direction)
}

func offsetName(seconds int) string {
	sign := '+'
	if seconds < 0 {
		sign, seconds = '-', -seconds
	}
	if seconds < 60 {
		return "GMT"
	}
	return fmt.Sprintf("GMT%c%02d:%02d", sign, seconds/3600, seconds/60%60)
}
