package tio

import (
	"strings"
	"time"
)

// dateForms are the forms of dates that documents have: those of nodes, and ISO
// 8601. A fraction may follow the seconds of each. Nothing changes them.
var dateForms = []struct {
	layout string
	zoned  bool
	day    bool // without time
}{
	{layout: time.DateTime},
	{layout: "2006-01-02 at 15:04:05"},
	{layout: time.DateOnly, day: true},
	{layout: "2006-01-02T15:04:05"},
	{layout: "2006-01-02T15:04:05Z07:00", zoned: true},
	{layout: "2006-01-02T15:04:05Z0700", zoned: true},
	{layout: "2006-01-02T15:04:05Z07", zoned: true},
	{layout: "2006-01-02 15:04:05Z07:00", zoned: true},
	{layout: "2006-01-02T15:04"},
	{layout: "2006-01-02T15:04Z07:00", zoned: true},
	{layout: "20060102T150405"},
	{layout: "20060102T150405Z0700", zoned: true},
	{layout: "20060102", day: true},
}

// date is a date of a known form. Without zone its time is in an unknown one.
type date struct {
	time  time.Time
	zoned bool
	day   bool
}

// maxDate is longer than any date.
const maxDate = 64

func parseDate(text string) (date, bool) {
	text = strings.Trim(text, blank)
	if text == "" || len(text) > maxDate {
		return date{}, false
	}
	for _, form := range dateForms {
		if t, err := time.Parse(form.layout, text); err == nil {
			return date{t, form.zoned, form.day}, true
		}
	}
	return date{}, false
}

// after tells whether d certainly is after stop. A stop that is a day alone
// lasts until its end; times with and without zone cannot be compared.
func (d date) after(stop date) bool {
	if d.zoned != stop.zoned {
		return false
	}
	end := stop.time
	if stop.day {
		end = end.AddDate(0, 0, 1).Add(-1)
	}
	return d.time.After(end)
}
