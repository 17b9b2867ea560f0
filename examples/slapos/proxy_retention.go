package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/slapos/slapos-go/proxy"
)

// retention reads report_retention_days, error_retention_days and
// backup_retention. Absent keys mean the defaults of the proxy; zero keeps for ever.
func (s *proxySettings) retention() (r proxy.Retention, err error) {
	days := func(key, value string) time.Duration {
		n, wrong := retained(key, value)
		if err == nil {
			err = wrong
		}
		if n < 0 {
			return -1
		}
		return time.Duration(n) * 24 * time.Hour
	}
	r.Reports = days("report_retention_days", s.reportDays)
	r.Errors = days("error_retention_days", s.errorDays)
	if err == nil {
		r.Backups, err = retained("backup_retention", s.backups)
	}
	return r, err
}

// maxRetained bounds the numbers: a century of days.
const maxRetained = 36525

// retained reads a number: zero for an absent one, negative for the text zero.
func retained(key, value string) (int, error) {
	if value == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 0 || n > maxRetained {
		return 0, fmt.Errorf("%s is %q: it must be a whole number from 1 to %d, or 0 to keep all", key, value, maxRetained)
	}
	if n == 0 {
		return -1, nil
	}
	return n, nil
}
