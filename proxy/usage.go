package proxy

import (
	"context"
	"strings"
	"time"

	"github.com/slapos/slapos-go/proxy/internal/store"
	"github.com/slapos/slapos-go/tio"
)

// UsageReport is a usage report that a computer sent and the master accepted.
type UsageReport struct {
	// Computer is the reference of the computer.
	Computer string
	// Reference is the reference of the report's first transaction.
	Reference string
	// Version counts the different reports under one reference, from 1.
	Version int64
	// Received is when the report came first.
	Received time.Time
	// XML is the report as it came, in TioFormat.
	XML string
}

// useComputer validates a usage report and keeps it, once.
func (m *master) useComputer(ctx context.Context, p Principal, computer, text string) error {
	if err := m.authorizer.Authorize(ctx, p, ActionReport, Object{Computer: computer}); err != nil {
		return err
	}
	journal, err := tio.Decode(strings.NewReader(text))
	if err != nil {
		return badRequest("The usage report is not valid TioFormat: %v", err)
	}
	report := &store.UsageReport{Body: text, ReceivedAt: m.now()}
	if len(journal.Transactions) > 0 {
		report.Reference = journal.Transactions[0].Reference
	}
	return m.store.Update(ctx, func(t store.Tx) error {
		c, err := m.known(t, computer)
		if err != nil {
			return err
		}
		_, err = t.InsertUsageReport(c, report)
		return err
	})
}

// UsageReports returns the usage reports that a computer sent, oldest first;
// those of all computers if computerID is empty. With a positive limit, only
// the newest ones are returned. A computer that is not known is an *Error with
// status 404.
func (s *Server) UsageReports(ctx context.Context, computerID string, limit int) (reports []UsageReport, err error) {
	err = s.master.store.View(ctx, func(r store.Reader) error {
		var c *store.Computer
		if computerID != "" {
			if c, err = s.master.known(r, computerID); err != nil {
				return err
			}
		}
		rows, err := r.UsageReports(c)
		if err != nil {
			return err
		}
		if limit > 0 && len(rows) > limit {
			rows = rows[len(rows)-limit:]
		}
		for _, row := range rows {
			reports = append(reports, UsageReport{
				Computer: row.Computer, Reference: row.Reference, Version: row.Version,
				Received: time.UnixMicro(int64(row.ReceivedAt * 1e6)), XML: row.Body,
			})
		}
		return nil
	})
	return reports, err
}
